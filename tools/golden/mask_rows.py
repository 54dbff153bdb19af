#!/usr/bin/env python3
"""Writes tests/golden/fixtures/data/chat_masks.jsonl and chat_masks_mixtral.jsonl: token ids and masks of conversations from transformers (see the README there).

    mask_rows.py [FOLDER]     needs transformers 5; no torch
"""
import json
import pathlib
import sys

import chat_snippets
from transformers import PreTrainedTokenizerFast

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "tests" / "golden" / "fixtures" / "text" / "chat" / "templates"
MARKED, PLAIN = ["marked_chatml", "pipes", "macros"], ["qwen3", "deepseek", "headers", "inst", "turns"]
MORE = {
    "borders": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " b"}, {"role": "user", "content": "c\n"}, {"role": "assistant", "content": "\n\nd e"}],
    "marks": [{"role": "user", "content": "é"}, {"role": "assistant", "content": "ü😀é\u0301 日本 <|endoftext|> x"}, {"role": "user", "content": "👩‍👩‍👧"}, {"role": "assistant", "content": "가나다\u00a0👍🏽"}],
    "long": [{"role": "system", "content": "You add numbers. " * 8}] + [
        {"role": role, "content": f"{role} says {i}: {i} + {i} = {2 * i}\n" * (i + 1)} for i in range(3) for role in ("user", "assistant")],
}


def overlap(offsets, spans):
    return [int(any(end > a and start < b for a, b in spans)) for start, end in offsets]


def marked(tokenizer, messages, tools):
    out = tokenizer.apply_chat_template(messages, tools=tools, return_dict=True, tokenize=True, return_assistant_tokens_mask=True)
    return [{"ids": out["input_ids"], "mask": out["assistant_masks"]}]


def by_prefixes(tokenizer, messages, tools):
    """What a turn adds to its own prompt; turn by turn where the whole does not begin as its parts do."""
    def render(count, prompt):
        return tokenizer.apply_chat_template(messages[:count], tools=tools, tokenize=False, add_generation_prompt=prompt)

    whole, parts = render(len(messages), False), []
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            before, text = (render(i, True) if i else None), render(i + 1, False)
            if before is None or not text.startswith(before):
                raise ValueError("no prefix")
            parts.append((text, (len(before), len(text))))
    if all(whole.startswith(text) for text, _ in parts):
        parts = [(whole, [span for _, span in parts])]
    else:
        parts = [(text, [span]) for text, span in parts]
    rows = []
    for text, spans in parts:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        rows.append({"ids": encoded["input_ids"], "mask": overlap(encoded["offset_mapping"], spans)})
    return rows


def write(out, tokenizer, names):
    lines = []
    for name in names:
        tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").replace('strftime_now("%d %b %Y")', '"26 Jul 2024"')
        for case, messages in {**chat_snippets.CONVERSATIONS, **MORE}.items():
            for tools in (None, chat_snippets.TOOLS):
                if tools and case not in ("calls", "answered", "turns"):
                    continue
                if case == "parts":  # an image is refused, and text parts are joined where a template would print the list
                    continue
                try:
                    rows = (marked if name in MARKED else by_prefixes)(tokenizer, messages, tools)
                except Exception:  # the template has no place for it; errors are tested elsewhere
                    continue
                row = {"template": name, "case": case, "messages": messages, "tools": tools, "rows": rows}
                lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    text = "".join(lines)
    assert len(text.encode()) <= 300 * 1024, len(text.encode())
    out.write_text(text, encoding="utf-8")
    print(len(lines), "rows,", len(text.encode()), "bytes")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "fixtures" / "data"
    tiny = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "models" / "tiny-olmoe" / "tokenizer.json"), bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    write(folder / "chat_masks.jsonl", tiny, MARKED + PLAIN)
    mixtral = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "tests" / "golden" / "fixtures" / "text" / "mixtral_tokenizer.json"), bos_token="<s>", eos_token="</s>")
    write(folder / "chat_masks_mixtral.jsonl", mixtral, ["marked_chatml", "inst", "turns"])


if __name__ == "__main__":
    main()
