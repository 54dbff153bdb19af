#!/usr/bin/env python3
"""Writes what Hugging Face `tokenizers` makes of single parts: classes, nfc, decoders and models of tests/golden/fixtures/text (see the README there).

    text_parts.py [OUT]
"""
import json
import pathlib
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
PATTERNS = ["\\p{L}", "\\P{L}", "[^\\p{L}\\s]", "\\p{N}", "\\s", "\\S", "[\\S\\n]", "\\w", "\\W", "\\d", "\\D", "\\p{M}", "\\p{P}", "\\p{S}", "\\p{Lu}", "\\p{Ll}", "\\p{Lt}",
            "\\p{Lm}", "\\p{Lo}", "\\p{Nd}", "\\p{Nl}", "\\p{No}", "\\p{Z}", "\\p{Han}", "\\p{Latin}", "\\p{Greek}", "\\p{Cyrillic}", "\\p{Hangul}", "\\p{Hebrew}", "\\p{Thai}", "\\p{Arabic}", ".",
            "(?i:s)", "(?i:K)", "[a-z\\x{e0}-\\x{ff}]", "(?i)[a-f]"]
BOM = "\ufeff"


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def class_rows():
    """The characters that each pattern matches."""
    for pattern in PATTERNS:
        split, members = pre_tokenizers.Split(Regex(pattern), "removed"), []
        for i in range(0, len(CHARACTERS), 4096):
            block = CHARACTERS[i:i + 4096]
            left = {ord(c) for piece, _ in split.pre_tokenize_str("".join(map(chr, block))) for c in piece}
            members += [c for c in block if c not in left]
        yield {"pattern": pattern, "ranges": ranges(members)}
    digits = pre_tokenizers.Digits(individual_digits=True)
    yield {"digits": True, "ranges": ranges([c for c in CHARACTERS if len(digits.pre_tokenize_str("a" + chr(c) + "a")) == 3])}


def nfc_rows():
    rng, nfc = random.Random(3), normalizers.NFC()
    blocks = [(0x41, 0x7a), (0xc0, 0x24f), (0x300, 0x345), (0x1e00, 0x1fff), (0x1100, 0x11ff), (0xac00, 0xad00), (0x591, 0x5c7), (0x64b, 0x655), (0x898, 0x8d3), (0x900, 0x9fe),
              (0xb3c, 0xd4d), (0xf71, 0xf84), (0x1ab0, 0x1ace), (0x1dc0, 0x1dff), (0x20d0, 0x20f0), (0x302a, 0x309a), (0x11070, 0x110ba), (0x11930, 0x11943), (0x1e130, 0x1e4ef), (0x2f800, 0x2f820)]
    for _ in range(300):
        text = "".join(chr(rng.randint(*rng.choice(blocks))) for _ in range(rng.randint(1, 16)))
        yield {"text": text, "nfc": nfc.normalize_str(text)}


FALLBACK = ["▁Hello", "▁", "wor", "<0xE4>", "<0xB8>", "<0x96>", "!", "<0xF0>", "<0x9F>", "x", "<0x41>", "<0xE4>", "<0xB8>", "<s>", "<0x0a>", "<0xGG>", "<0x1>", "  ", "▁▁b", ""]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DECODERS = [
    ({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                       {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}, FALLBACK),
    ({"type": "ByteFallback"}, FALLBACK),
    ({"type": "Fuse"}, FALLBACK),
    ({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 0}]}, [" ", " ", " a", " ", ""]),
    ({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 2}]}, ["a ", " ", "b ", " ", " ", " "]),
    ({"type": "Strip", "content": "_", "start": 1, "stop": 0}, ["_a", "__b", "c_", "_"]),
    ({"type": "Strip", "content": "é", "start": 0, "stop": 2}, ["aé", "éébéé", "cééé"]),
    ({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, FALLBACK),
    ({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}, ["▁a▁b▁", "▁c▁d"]),
    ({"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "split": True}, ["_a_b", "_c"]),
    ({"type": "Replace", "pattern": {"Regex": "a+"}, "content": "<>"}, ["baab", "aa", "a", "c", ""]),
    ({"type": "Sequence", "decoders": [{"type": "Sequence", "decoders": [{"type": "ByteFallback"}]}, {"type": "Metaspace", "replacement": "▁"}]}, FALLBACK),
    (BYTE_LEVEL, ["ĠHello", "ä", "¸", "ĸ", "Ġ", "世", "Ġ世", "Ã", "ĠðŁ", "ĺ", "Ģ", "â", "Ĥ"]),
    ({"type": "Sequence", "decoders": [BYTE_LEVEL, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]}, ["ĠĠa", "Ġ", "ä", "Ġ", "Ġ"]),
]


def decoder_rows():
    """Texts of lists of tokens: every beginning of one list."""
    for decoder, tokens in DECODERS:
        model = {"type": "BPE", "vocab": {}, "merges": []}
        tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "decoder": decoder, "model": model}))
        yield {"decoder": decoder, "cases": [[tokens[:n], tokenizer.decoder.decode(tokens[:n])] for n in range(1, len(tokens) + 1)]}


METASPACE = {"type": "Metaspace", "replacement": "▁"}
BYTES = [f"<0x{b:02X}>" for b in range(256)]
WORDS = ["▁", "a", "b", "c", "d", "é", "▁a", "▁▁", "ab", "bc", "abc", "▁ab", "cd"]
MERGES = ["▁ a", "a b", "▁a b", "b c", "c d", "ab c", "▁ ▁"]
OPTIONS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
SPECIAL = [{"id": i, "content": content, **OPTIONS} for i, content in enumerate(("<unk>", "<s>"))]
TEXTS = ["", " ", "  ", "a", " a", "a b", "ab  abc", " ab", "abcd", "abcabc bcd", "▁ab", "a▁b", "é", "e\u0301", "xyz", "axbxx", "x a", "a\nb", "世界 a", "<s>a", "a<s> b", "<s> <s>ab", "cab cab", "ab\tcd",
         "aaaa bbbb", BOM + "a", "😀ab", "xé世x", "abx cd", "  a  b  "]


def model(**options):
    words = ["<unk>", "<s>", *WORDS, *options.pop("words", [])]
    return {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": False, "vocab": {w: i for i, w in enumerate(words)}, "merges": options.pop("merges", MERGES), **options}


def metaspace(scheme, split, **more):
    return {"pre_tokenizer": {**METASPACE, "prepend_scheme": scheme, "split": split}, "decoder": {**METASPACE, "prepend_scheme": scheme, "split": split}, **more}


PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
FALLBACK_DECODER = DECODERS[0][0]
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}


def models():
    """Whole tokenizers, each with an option of its own."""
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            yield {"model": model(), **metaspace(scheme, split)}
    yield {"model": model(fuse_unk=False), **metaspace("always", True)}
    yield {"model": model(byte_fallback=True, words=BYTES), **metaspace("first", False)}
    yield {"model": model(byte_fallback=True, words=BYTES[:200]), "normalizer": PREPEND, "pre_tokenizer": None, "decoder": FALLBACK_DECODER, "post_processor": TEMPLATE}
    yield {"model": model(byte_fallback=True, words=BYTES[:200], fuse_unk=False), "normalizer": PREPEND, "pre_tokenizer": None, "decoder": FALLBACK_DECODER}
    yield {"model": model(ignore_merges=True, words=["▁cab", "cab"]), **metaspace("always", True)}
    yield {"model": model(ignore_merges=False, words=["▁cab", "cab"]), **metaspace("always", True)}
    yield {"model": model(ignore_merges=True, words=["▁cab▁cab"]), **metaspace("always", False)}  # a whole text that is one token
    yield {"model": model(merges=["a b", "b c", "▁ a", "a b"]), **metaspace("always", True)}  # of two equal merges the later one holds
    yield {"model": model(merges=["#version: 0.2", "b c", "a b"]), **metaspace("always", True)}
    yield {"model": model(merges=[m.split(" ") for m in MERGES]), **metaspace("never", True)}
    yield {"model": model(byte_fallback=True, words=[*BYTES, "a<0x78>"], merges=[*MERGES, "a <0x78>"]), **metaspace("always", False)}  # a byte token that merges
    yield {"model": model(words=["a<unk>", "<unk>▁"], merges=[*MERGES, "a <unk>", "<unk> ▁"]), **metaspace("always", False)}
    yield {"model": model(), **metaspace("always", True), "post_processor": {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]}}
    yield {"model": model(), **metaspace("first", True), "post_processor": {"type": "Sequence", "processors": [TEMPLATE, BYTE_LEVEL]}}
    split = {"type": "Split", "pattern": {"Regex": "\\s"}, "behavior": "Isolated", "invert": False}
    yield {"model": model(), "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, {**METASPACE, "prepend_scheme": "first"}]}, "decoder": METASPACE}
    yield {"model": model(), "normalizer": {"type": "Replace", "pattern": {"Regex": "[bx]*"}, "content": "a"}, **metaspace("always", True)}


def model_rows():
    for made in models():
        made = {"version": "1.0", "added_tokens": SPECIAL, "normalizer": None, "post_processor": None, **made}
        tokenizer, cases = Tokenizer.from_str(json.dumps(made)), []
        for text in TEXTS:
            ids = tokenizer.encode(text, add_special_tokens=True).ids
            cases.append([text, ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids, skip_special_tokens=True)])
        yield {"tokenizer": made, "cases": cases}


def write(path, rows):
    path.write_text("".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows))


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "fixtures" / "text"
    write(out / "classes.jsonl", class_rows())
    write(out / "nfc.jsonl", nfc_rows())
    write(out / "decoders.jsonl", decoder_rows())
    write(out / "models.jsonl", model_rows())


if __name__ == "__main__":
    main()
