#!/usr/bin/env python3
"""Writes the rows of tests/golden/fixtures/text that Hugging Face `tokenizers` computes: tiny, options and splits (see the README there)."""
import json
import pathlib
import random
import sys

from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNICODE = [
    "", " ", "   ", "\t\t", "\n\n\n", "\r\n", " \n ", "a\u00a0b", "a\u2003b", "\u3000x", "a\u200bb", "a\u2028b\u2029c", "a\u0085b", "\ufeffx", "a\u180eb",
    "\u0000", "a\u0000b", "\u0001\u0002\u001f\u007f", "\u0080\u009f", "\v\f", "x\x1b[31mred\x1b[0m",
    "e\u0301", "\u00e9", "A\u030a", "\u212b", "\u1e9b\u0323", "\ufb01", "\u1100\u1161\u11a8", "가", "\u0344", "\u2126", "q\u0323\u0307", "q\u0307\u0323", "\u0958",
    "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪🇫🇷", "🏳️‍🌈", "1️⃣", "☃️", "😀😀😀", "a😀b", "\U0001f9d1\u200d\U0001f680", "🤷🏿‍♂️ ok",
    "שלום עולם", "مرحبا بالعالم", "\u202eabc\u202c", "اَلْعَرَبِيَّةُ", "עִבְרִית 123", "نص 42 text",
    "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界", "こんにちは世界", "안녕하세요", "Привет, мир!", "Ελληνικά", "Việt Nam", "Straße", "İstanbul ı", "ǅ ǆ", "ſ",
    "𝒜𝓁𝓅𝒽𝒶", "𐍈", "\U0010ffff", "\ue000", "\ufffd", "\ufffe", "n̴̛̹o̷͇͐i̶̹̾s̸̡͑e̵͚̐", "½ ¾ Ⅷ ② ٣ ৩ 五", "x²+y³", "a_b-c", "…—–“”‘’",
]
PLAIN = [
    "1234567890", "3.14159", "-42", "1,000,000", "0x1F", "1e-9", "12:34:56", "2024-02-29", "$19.99", "50%", "a1b2c3", "１２３", "7", "007",
    "don't can't I'll we've you're he'd I'm it's", "DON'T", "'sx 'tx", "don’t", "hello  world", "  leading", "trailing  ", "a b  c   d",
    "def f(x):\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) { s += a[i]; }", "<div class=\"x\">&amp;</div>", "SELECT * FROM t WHERE a='b';",
    "https://example.org/a?b=c&d=%20#e", "user@example.org", "C:\\path\\to", "\\u00e9 \\n", "{\"k\": [1, null, true]}", "\tif x:\n\t\tpass",
    "Question: Natalia sold 48 clips.\nAnswer: 48/2 = 24\n#### 72", "### Instruction:\nDo it.\n\n### Response:\n", "aaaa" * 64, "ab" * 100, " " * 100, "\n" * 50,
    "é" * 40, "!" * 70, "=" * 33, "word " * 40, "0" * 65, "The quick brown fox jumps over the lazy dog.", "supercalifragilisticexpialidocious",
    "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>", " <|padding|> ", "<|endoftext", "|endoftext|>", "<|<|endoftext|>|>", "a\n<|endoftext|>\n",
    "<|ENDOFTEXT|>", "x<|endoftext|> y<|padding|>e\u0301",
]


def random_texts(count):
    """Random characters: mostly of a few blocks, so that neighbours interact."""
    rng = random.Random(7)
    blocks = [(0x20, 0x7e), (0x20, 0x7e), (0x9, 0xd), (0xa0, 0x17f), (0x300, 0x36f), (0x370, 0x5ff), (0x900, 0x97f), (0x2000, 0x206f), (0x4e00, 0x4e20), (0x1f300, 0x1f5ff)]
    return ["".join(chr(rng.randint(*rng.choice(blocks))) for _ in range(24)) for _ in range(count)]


def row(tokenizer, text):
    encoding = tokenizer.encode(text, add_special_tokens=False).ids
    special = tokenizer.encode(text, add_special_tokens=True).ids
    return {"text": text, "ids": encoding, "ids_special": special, "decoded": tokenizer.decode(special, skip_special_tokens=False),
            "decoded_plain": tokenizer.decode(special, skip_special_tokens=True)}


def added(content, **options):
    token = {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {**token, **options}


def options_tokenizer(tiny):
    """The byte alphabet, a few merges, every added-token option, a Split before ByteLevel, and a template that adds tokens on both sides."""
    alphabet = [t for t in tiny["model"]["vocab"] if len(t) == 1]
    merges = ["t h", "th e", "Ġ the", "i n", "in g", "e r", "Ġ a"]
    vocab = {t: i for i, t in enumerate(alphabet + ["".join(m.split(" ")) for m in merges])}
    tokens = [
        added("<s>", special=True), added("</s>", special=True), added("<l>", lstrip=True), added("<r>", rstrip=True),
        added("<lr>", lstrip=True, rstrip=True), added("cat", single_word=True), added("cats", single_word=True),
        added("\u1ebft\u1ebf", normalized=True), added("e\u0301s", normalized=False), added("<s><s>", special=True), added("  ", normalized=True),
        added("dog"), added("dogma", single_word=True), added("x\u0308y", normalized=True),
    ]
    tokens = [{"id": len(vocab) + i, **t} for i, t in enumerate(tokens)]  # the library renumbers ids that leave a gap
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                                         {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in (("<s>", len(vocab)), ("</s>", len(vocab) + 1))}}
    made = {**tiny, "added_tokens": tokens, "post_processor": template}
    made["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+"}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    made["model"] = {**tiny["model"], "vocab": vocab, "merges": merges}
    return made


OPTION_TEXTS = [
    "", "the thing", "a <l> b", "a  \n<l>b", "a<r>  b", "a <r>\t\nb", "x  <lr>  y", "<lr> <lr>", "<r> <l>", "<l><r>", " <l>", "<r> ", "a \u00a0<l>b", "a<r>\u2003b", "a\v<l>",
    "cat", "a cat.", "cats", "cat cats catsup", "concat", "cat_", "_cat", "cat's", "(cat)", "cat1", "\u00e9cat", "cat\u2019s", "\u2026cat", "cat\u4e2d", "cat\u0301", "\U0001f600cat",
    "\u1ebft\u1ebf", "e\u0302\u0301te\u0302\u0301", "l'e\u0302\u0301te\u0302\u0301!", "e\u0301s", "\u00e9s", "<s><s>", "<s>x</s>", "<s> <s>", "a  b   c", "    ", "dog dogma dogmas", "dogmatic",
    "x\u0308y", "\u1e8dy", "12345 6", "the\u0000ing", "<s><s><s>", "ing<s>er",
]
SPLIT_TEXTS = ["", "a-b", "--a--b--", "a1b22c333", "1", "abc", "x - y", "\u0663a\u00bd", "-", "a\n\nb ", "axxb\nc\n", "▁a ▁ b"]


def split_rows():
    stages = [{"type": "Split", "pattern": {"String": "-"}, "behavior": b, "invert": i}
              for b in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)]
    stages += [{"type": "Split", "pattern": {"Regex": "[0-9]+"}, "behavior": b, "invert": False} for b in ("Isolated", "Removed")]
    stages += [{"type": "Digits", "individual_digits": d} for d in (False, True)]
    stages += [{"type": "Split", "pattern": {"Regex": p}, "behavior": b, "invert": False}  # empty matches, line ends
               for p in ("x*", "a|", "(?=b)", "$", "^", "\\d?") for b in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")]
    stages += [{"type": "Metaspace", "replacement": r, "prepend_scheme": p, "split": s} for r, p, s in
               (("▁", "always", True), ("▁", "first", True), ("▁", "never", True), ("-", "always", False), ("-", "first", True))]
    for stage in stages:
        for prefix, regex in ((False, False), (False, True), (True, True)):
            whole = {"type": "Sequence", "pretokenizers": [stage, {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}]}
            model = {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {}, "merges": []}
            tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": whole, "model": model}))
            cases = [[text, [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]] for text in SPLIT_TEXTS]
            yield {"pre_tokenizer": whole, "cases": cases}


def write(path, rows):
    path.write_text("".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows))


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "fixtures" / "text"
    tiny_path = ROOT / "models" / "tiny-olmoe" / "tokenizer.json"
    tiny = Tokenizer.from_file(str(tiny_path))
    write(out / "tiny.jsonl", (row(tiny, text) for text in UNICODE + PLAIN + random_texts(16)))
    options = json.dumps(options_tokenizer(json.loads(tiny_path.read_text())), ensure_ascii=False, separators=(",", ":"))
    (out / "options_tokenizer.json").write_text(options + "\n")
    write(out / "options.jsonl", (row(Tokenizer.from_str(options), text) for text in OPTION_TEXTS))
    write(out / "splits.jsonl", split_rows())


if __name__ == "__main__":
    main()
