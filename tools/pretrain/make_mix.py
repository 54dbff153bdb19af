"""Builds the pre-training texts of models/tiny-olmoe as JSON Lines {"text": ...}.

  python tools/pretrain/make_mix.py --data DIR --out DIR

DIR holds public data sets: lm/tinyshakespeare.txt, lm/wikitext2_valid.txt, commonsense/*_train.json (boolq, arc-easy,
arc-challenge, openbookqa), code/mbpp.jsonl (task_id 601-974 are used). No GSM8K: the quickstart fine-tunes on it, so the model must not know it.
The mix is written outside the repository; about 2 % of the rows go to valid.jsonl.
"""
import argparse
import json
import pathlib
import random
import re


def shakespeare(folder):
    speeches = (folder / "lm/tinyshakespeare.txt").read_text().split("\n\n")
    piece = ""
    for speech in speeches:
        if piece and len(piece) + len(speech) > 1000:
            yield piece.strip()
            piece = ""
        piece += speech + "\n\n"
    yield piece.strip()


def wikitext(folder):
    """Paragraphs without unknown words, with the word-level spacing undone."""
    for line in (folder / "lm/wikitext2_valid.txt").read_text().splitlines():
        line = line.strip()
        if len(line) < 80 or line.startswith("="):
            continue
        sentences = [s for s in re.split(r"(?<= \.) ", line) if "<unk>" not in s]
        text = " ".join(sentences)
        text = re.sub(r" @(.)@ ", r"\1", text)
        text = re.sub(r" ([.,;:!?%)\]'])", r"\1", text)
        text = re.sub(r"([(\[$]) ", r"\1", text)
        text = re.sub(r'" ([^"]*) "', r'"\1"', text)
        for start in range(0, len(text), 1200):
            if len(text[start:start + 1200]) > 80:
                yield text[start:start + 1200]


def commonsense(folder):
    for name in ("boolq", "arc-easy", "arc-challenge", "openbookqa"):
        for row in json.loads((folder / f"commonsense/{name}_train.json").read_text()):
            yield row["instruction"] + "\n" + row["output"]


def mbpp(folder):
    for line in (folder / "code/mbpp.jsonl").read_text().splitlines():
        row = json.loads(line)
        if 601 <= row["task_id"] <= 974:
            yield row["text"] + "\n" + row["code"].replace("\r\n", "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for source in (shakespeare, wikitext, commonsense, mbpp):
        texts = list(source(args.data))
        print(f"{source.__name__}: {len(texts)} rows, {sum(map(len, texts)):,} characters")
        rows += texts
    random.Random(1).shuffle(rows)
    held_out = len(rows) // 50
    for name, part in (("valid", rows[:held_out]), ("train", rows[held_out:])):
        with open(args.out / f"{name}.jsonl", "w") as out:
            for text in part:
                out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        print(f"{name}.jsonl: {len(part)} rows")


if __name__ == "__main__":
    main()
