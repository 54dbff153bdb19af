#!/usr/bin/env python3
"""Cuts a BPE tokenizer.json down to what a set of texts needs.

Kept: the 256 byte characters or <0x00> to <0xFF>, single characters that occur, the added tokens, and every merge whose pair ever stands side by side while one of the texts is encoded, whether
it wins or loses. So at each step BPE chooses among exactly the same candidates as with the full table. Ids and the order of merges stay.
"""
import argparse
import json
import pathlib
import re

from tokenizers import Tokenizer


def pieces_of(full, texts):
    """The pre-tokens of all texts as tuples of byte characters: what the tokenizer gives when nothing is merged."""
    bare = json.loads(json.dumps(full))
    bare["model"]["merges"] = []
    tokenizer = Tokenizer.from_str(json.dumps(bare))
    added = {t["id"] for t in full["added_tokens"]}
    pieces = set()
    for text in texts:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        words = {}
        for token, word, i in zip(encoding.tokens, encoding.word_ids, encoding.ids):
            if i not in added:
                words.setdefault(word, []).append(token)
        pieces.update(map(tuple, words.values()))
    return pieces


def pair_of(merge):
    return tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)


def candidates(piece, rank):
    """Every pair of the table that is adjacent at some step of encoding the piece."""
    seen, symbols = set(), list(piece)
    while True:
        pairs = [p for p in zip(symbols, symbols[1:]) if p in rank]
        if not pairs:
            return seen
        seen.update(pairs)
        best = min(pairs, key=rank.get)
        at = next(i for i, p in enumerate(zip(symbols, symbols[1:])) if p == best)
        symbols[at:at + 2] = [best[0] + best[1]]


def minimise(full, texts):
    merges = full["model"]["merges"]
    rank = {pair_of(m): i for i, m in enumerate(merges)}
    kept = set()
    pieces = pieces_of(full, texts)
    for piece in pieces:
        kept |= candidates(piece, rank)
    names = {t for pair in kept for t in (*pair, pair[0] + pair[1])} | {t["content"] for t in full["added_tokens"]}
    vocab = full["model"]["vocab"]
    alphabet = {t for t in vocab if len(t) == 1 or (full["model"].get("byte_fallback") and re.fullmatch("<0x[0-9A-F]{2}>", t))}
    if full["model"].get("byte_fallback"):  # not bytes: keep the characters that occur
        occur = {c for piece in pieces for c in piece}
        alphabet = {t for t in alphabet if len(t) > 1 or t in occur or t.isascii()}
    small = dict(full)
    small["model"] = dict(full["model"])
    small["model"]["vocab"] = {t: i for t, i in vocab.items() if t in names or t in alphabet}
    small["model"]["merges"] = [m for m in merges if pair_of(m) in kept]
    return small


def padded(small, full):
    """With a name that never occurs for every token that was left out: the library renumbers added tokens when ids have holes."""
    made = json.loads(json.dumps(small))
    names = {t for t in full["model"]["vocab"] if t not in small["model"]["vocab"]}
    made["model"]["vocab"] |= {f"\ue000\ue001{i}": full["model"]["vocab"][t] for i, t in enumerate(sorted(names))}
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("rows", type=pathlib.Path, nargs="+", help="JSON Lines with text and ids")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    full = json.loads(args.tokenizer.read_text())
    rows = [json.loads(line) for path in args.rows for line in path.read_text().split("\n") if line]
    small = minimise(full, [r["text"] for r in rows])
    args.out.write_text(json.dumps(small, ensure_ascii=False, separators=(",", ":")) + "\n")

    before, after = Tokenizer.from_file(str(args.tokenizer)), Tokenizer.from_str(json.dumps(padded(small, full)))
    for row in rows:
        ids = after.encode(row["text"], add_special_tokens=False).ids
        assert ids == row["ids"] == before.encode(row["text"], add_special_tokens=False).ids, row
        assert after.decode(ids, skip_special_tokens=False) == before.decode(ids, skip_special_tokens=False), row
    print(f"{len(rows)} rows agree; {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
