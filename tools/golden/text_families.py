#!/usr/bin/env python3
"""Writes tests/golden/fixtures/text/<family>_more.jsonl and the family's minimised tokenizer (see the README there).

    text_families.py TOKENIZERS OUT     TOKENIZERS/<folder>/tokenizer.json are the full files; OUT holds <family>.jsonl already

The texts are own: words, random characters of many blocks, white space, added tokens, long runs.
"""
import json
import pathlib
import random
import subprocess
import sys
import unicodedata

from tokenizers import Tokenizer

from text_rows import PLAIN, UNICODE

FAMILIES = {"olmoe": "olmoe", "mixtral": "mixtral", "deepseek": "deepseek-llm", "qwen": "qwen3"}
BLOCKS = [(0x20, 0x7e)] * 4 + [
    (9, 13), (0x80, 0x17f), (0x300, 0x36f), (0x370, 0x5ff), (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x180b, 0x180f),
    (0x2000, 0x206f), (0x2070, 0x218f), (0x2460, 0x24ff), (0x2581, 0x2581), (0x3000, 0x30ff), (0x4e00, 0x4e40), (0xac00, 0xac20), (0xff00, 0xffef),
    (0x1f300, 0x1f6ff), (0x1d400, 0x1d4ff), (0x1f1e6, 0x1f1ff), (0x200d, 0x200d), (0xfe0f, 0xfe0f), (0x1f3fb, 0x1f3ff)]
WORDS = ("the of and to in was I'll DON'T don't we've x'S '\u017f Straße naïve 123 4567 3.14 ½ ² Ⅷ ( ) -- ... ▁ ▁▁ <0x0A> <unk> 你好 世界 שלום مرحبا 👍🏽 "
         "e\u0301 q\u0307\u0323 \ufeff \u180e 😀").split(" ") + [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2028", "\u3000", "\0", "\x01"]
LONG = ["a" * 300, "ab" * 150, " " * 300, "\n" * 60, "é" * 60, "😀" * 20, "0" * 90, "-" * 130, "你" * 50, "\u0301" * 40, "▁" * 30, "x" + "\u0300" * 20 + "y"]


def characters(seed):
    rng = random.Random(seed)
    return lambda: chr(rng.randint(*rng.choice(BLOCKS)))


def texts(added):
    """Six kinds of random text in turn."""
    rng, any_of_block = random.Random(11), characters(12)
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    kinds = [
        lambda: "".join(any_of_block() for _ in range(rng.randint(1, 40))),
        lambda: "".join(chr(rng.choice(assigned)) for _ in range(rng.randint(1, 12))),
        lambda: rng.choice(["", " "]).join(rng.choice(WORDS) for _ in range(rng.randint(1, 20))),
        lambda: "".join(rng.choice(WORDS) + rng.choice(["", " ", "\n", "'"]) for _ in range(rng.randint(1, 12))),
        lambda: "".join(rng.choice(" \n\t\r\u00a0\u3000\u2028a1.") for _ in range(rng.randint(1, 25))),
        lambda: "".join(rng.choice([rng.choice(WORDS), rng.choice(added), any_of_block(), " "]) for _ in range(rng.randint(1, 12))),
    ]
    return UNICODE + PLAIN + LONG + [kinds[i % len(kinds)]() for i in range(240)]


def decoded(tokenizer, added, ids, byte_level):
    """The library's text, but added tokens as they are written: it takes DeepSeek's "ü" for a byte of the byte alphabet and gives U+FFFD."""
    if not byte_level:
        return tokenizer.decode(ids, skip_special_tokens=False)
    data, run = b"", []
    for i in [*ids, None]:
        if i is not None and i not in added:
            run.append(i)
            continue
        # Between added tokens: bytes, cut anywhere, so they are put together before they become text.
        data += b"".join(bytes(ALPHABET[c] for c in tokenizer.id_to_token(j)) for j in run) + (added[i].encode() if i is not None else b"")
        run = []
    return data.decode("utf-8", "replace")


def alphabet():
    """GPT-2's table from character to byte."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(rest)}


ALPHABET = alphabet()


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for family, folder in FAMILIES.items():
        path = source / folder / "tokenizer.json"
        full, tokenizer = json.loads(path.read_text()), Tokenizer.from_file(str(path))
        added = {t["id"]: t["content"] for t in full["added_tokens"]}
        byte_level = full["decoder"]["type"] == "ByteLevel"
        more = out / f"{family}_more.jsonl"
        with more.open("w") as file:
            for text in texts(list(added.values())):
                ids = tokenizer.encode(text, add_special_tokens=True).ids
                row = {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids, "ids_special": ids,
                       "decoded": decoded(tokenizer, added, ids, byte_level)}
                file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("minimise_tokenizer.py")), str(path), str(out / f"{family}.jsonl"), str(more),
                        "--out", str(out / f"{family}_tokenizer.json")], check=True)


if __name__ == "__main__":
    main()
