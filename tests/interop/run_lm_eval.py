#!/usr/bin/env python3
"""lm-eval on a model folder, offline, with a task of this file's own: its log-likelihood of an answer is hellora's.

    run_lm_eval.py MODEL WORK HELLORA
"""
import json
import math
import pathlib
import subprocess
import sys

import lm_eval
import transformers
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

TASK = """
task: one_answer
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
target_delimiter: ""
metric_list: [{{metric: perplexity}}]
"""
ROW = {"question": "Question: Tom has 3 apples and buys 4.\nAnswer:", "answer": " He has 3 + 4 = 7 apples.\n#### 7"}


def by_lm_eval(model, work):
    (work / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    (work / "one_answer.yaml").write_text(TASK.format(data=(work / "rows.jsonl").resolve()))
    manager = TaskManager(include_path=str(work), include_defaults=False)
    wrapped = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=1)
    results = lm_eval.simple_evaluate(model=wrapped, tasks=["one_answer"], task_manager=manager, bootstrap_iters=0)
    return math.log(results["results"]["one_answer"]["perplexity,none"])


def by_hellora(model, work, program):
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    question, whole = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (ROW["question"], ROW["question"] + ROW["answer"]))
    assert whole[: len(question)] == question, "the answer begins with a token of its own"
    labels = [-100] * len(question) + whole[len(question) :]
    (work / "ids.json").write_text(json.dumps({"input_ids": [whole], "labels": [labels]}))
    command = [program, "forward", "--json", "--quiet", "--model", model, "--ids", str(work / "ids.json"), "--out", str(work / "out.safetensors")]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result["loss"] * result["supervised"]


def main():
    model, work, program = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    work.mkdir(parents=True, exist_ok=True)
    theirs, ours = by_lm_eval(model, work), by_hellora(model, work, program)
    if not abs(theirs - ours) <= 1e-4 * abs(ours):
        sys.exit(f"log-likelihoods differ: lm-eval {-theirs}, hellora {-ours}")
    print(f"log-likelihood {-ours:.5f} in both")


if __name__ == "__main__":
    main()
