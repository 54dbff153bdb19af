#!/usr/bin/env python3
"""Writes tests/golden/fixtures/data/prompt_masks.jsonl: what TRL's SFTTrainer learns of records whose prompt and completion are lists of messages.

    prompt_rows.py [FILE]     needs trl 1.16, transformers 5, datasets, torch
"""
import json
import pathlib
import sys
import tempfile

import datasets
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "tests" / "golden" / "fixtures" / "text" / "chat" / "templates"
MARKED, PLAIN = ["marked_chatml", "pipes", "macros"], ["qwen3", "deepseek", "headers", "turns"]


def turns(*texts, first="user"):
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


SINGLE = {
    "one": (turns("What is 2+2?"), turns("4", first="assistant")),
    "spaces": (turns(" a\n"), turns("  b \n c", first="assistant")),
    "letters": (turns("é 日本"), turns("ü😀é\u0301 가나다", first="assistant")),
    "system": ([{"role": "system", "content": "Be brief."}] + turns("Name a colour."), turns("Blue.", first="assistant")),
    "turns": (turns("Hi", "Hello!", "2+3?", "5", "And 4+4?"), turns("8", first="assistant")),
}
SEVERAL = {
    "several": (turns("Hi", "Hello!", "2+3?"), turns("5", "4+4?", "8", first="assistant")),
    "user first": (turns("Hi", "Hello!"), turns("2+3?", "5", "4+4?", "8")),
}


def labels_of(tokenizer, prompt, completion, assistant_only):
    """TRL's own: the completion, and with assistant_only_loss what the template marks of it."""
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(output_dir=folder, max_length=None, assistant_only_loss=assistant_only, completion_only_loss=True, report_to="none", use_cpu=True, bf16=False)
        data = datasets.Dataset.from_list([{"prompt": prompt, "completion": completion}])
        row = SFTTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer).train_dataset[0]
    return {"ids": row["input_ids"], "mask": [int(label != -100) for label in row["labels"]]}


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "fixtures" / "data" / "prompt_masks.jsonl"
    lines = []
    for name in MARKED + PLAIN:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "models" / "tiny-olmoe" / "tokenizer.json"), bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<|padding|>")
        tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").replace('strftime_now("%d %b %Y")', '"26 Jul 2024"')
        # Without marks TRL learns users' turns of a completion as well, which is not what is done here.
        for case, (prompt, completion) in {**SINGLE, **(SEVERAL if name in MARKED else {})}.items():
            try:
                row = labels_of(tokenizer, prompt, completion, name in MARKED)
            except Exception as error:  # the template has no place for it
                print(name, case, "left out:", error)
                continue
            lines.append(json.dumps({"template": name, "case": case, "prompt": prompt, "completion": completion, **row}, ensure_ascii=False, separators=(",", ":")) + "\n")
    out.write_text("".join(lines), encoding="utf-8")
    print(len(lines), "rows")


if __name__ == "__main__":
    main()
