#!/usr/bin/env python3
"""Replays the code blocks of the documents: what they tell a reader to type works, and the quickstart prints what the README shows.

    tests/docs/replay_readme.py [--readme FILE] [DOCUMENT…]    README.md and docs/*.md
    tests/docs/replay_readme.py --self-test                    only whether broken copies of the README are caught (also part of the above)

Commands run as they are written, in a scratch folder in which the README's own names (MODEL, my.yaml, …) stand for small things: STAND_INS. A command, a block
or a line of the transcript that has no rule here is a failure, so that nothing goes unchecked. One line a check; the last one is "N passed, N failed".
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "build/release/bin/hellora"  # its name in the documents; what runs is $HELLORA
QUICKSTART = "scripts/quickstart.sh"
LIMIT = 900  # seconds of one command

# Name in the documents: the file or folder it stands for, and how many of its rows. `my.yaml` is the README's own yaml block.
STAND_INS = {
    "models": ("models", None), "data": ("data", None), "examples": ("examples", None),
    "MODEL": ("models/tiny-olmoe", None), "OLMoE-1B-7B-0924": ("models/tiny-olmoe", None),
    "train.jsonl": ("data/gsm8k/train.jsonl", 48), "valid.jsonl": ("data/gsm8k/test.jsonl", 8), "test.jsonl": ("data/gsm8k/test.jsonl", 2),
    "keep.jsonl": ("data/gsm8k/train.jsonl", 48), "forget.jsonl": ("data/gsm8k/test.jsonl", 16), "eval.jsonl": ("data/gsm8k/test.jsonl", 8),
}
FEW_ROWS = ["data.train=train.jsonl", "data.eval=valid.jsonl"]  # for the other yaml blocks

STEPS = 3  # of a training that a document's line asks for
# A benchmark at these sizes says nothing but that its options exist.
SMALL = {"gemm": {"--experts": "2", "--repeats": "1"}, "step": {"--layers": "1", "--tokens": "64", "--steps": "1"}}

MEMORY = "memory forecast / peak"
# Label of the transcript: how far its numbers may be from the printed ones; 0 compares the text, None nothing but the label.
# Training is deterministic for one kernel row and ends elsewhere by rounding on another one; AVX2 was 0.0015 off after 150 steps.
TRANSCRIPT = {
    "evaluation loss before": 0.001, "evaluation loss after": 0.02, "trainable parameters": 0, "with all experts": 0, "raw ratio": 0,
    "quotient of percentages": 0, "coverage per layer (profile)": 2, "coverage at start / end": 2, "training speed": None,
    MEMORY: None, "time": None, "audit": 0, "adapter": 0,
}
SAME_ROW = {"evaluation loss before": 0}  # with the kernel row of the machine that the transcript is from
README_ROW = "avx512_bf16"

# What breaks a copy of the README: pattern, replacement, and what the failure must say.
MUTATIONS = {
    "a wrong option": (r"merge --model MODEL --adapter", "merge --model MODEL --adaptor", "--adaptor"),
    "a wrong value": (r"--format peft-full", "--format peft-whole", "peft-whole"),
    "an option that a benchmark lacks": (r"bench gemm --rows", "bench gemm --row-count", "--row-count"),
    "a file that is not there": (r"--data test\.jsonl", "--data tests.jsonl", "tests.jsonl"),
    "an unknown subcommand": (r"hellora eval ", "hellora evaluate ", "evaluate"),
    "an unknown subcommand in the text": (r"`hellora bench kernels`", "`hellora bench kernel`", "hellora bench kernel"),
    "an unknown command": (r"^hellora run my\.yaml", "make train", "no rule for this command"),
    "a pipe": (r"^hellora run my\.yaml", "hellora run my.yaml | tail", "no rule for this command"),
    "a program that is not built": (r"^build/release/bin/hellora", "build/bin/hellora", "no rule for this command"),
    "a script that is not there": (r"^bash scripts/test\.sh", "bash scripts/tests.sh", "no rule for this command"),
    "a block of another kind": (r"^```yaml", "```toml", "no rule for a block"),
    "a block that does not end": (r"\Z", "\n```sh\n", "does not end"),
    "an unknown key": (r"max_length: 512", "max_lenght: 512", "max_lenght"),
    "a wrong count": (r"^(trainable parameters +)\d", r"\g<1>9", "trainable parameters: "),
    "a wrong percentage": (r"^(  raw ratio +)\d", r"\g<1>9", "raw ratio: "),
    "a wrong loss before": (r"^(evaluation loss before +\d\.\d)\d", r"\g<1>0", "evaluation loss before: "),
    "a wrong loss after": (r"^(evaluation loss after +)\d", r"\g<1>9", "evaluation loss after: "),
    "a wrong coverage": (r"^(coverage at start / end +)\d", r"\g<1>9", "coverage at start / end: "),
    "a wrong label": (r"^audit  ", "verdict", "labels of the transcript"),
    "labels in another order": (r"^(audit .*\n)(adapter .*\n)", r"\2\1", "labels of the transcript"),
}

Block = collections.namedtuple("Block", "line language text")


def blocks_of(text):
    """The fenced blocks; `text` is None for one that does not end."""
    found, start, language, lines = [], 0, "", []
    for number, line in enumerate(text.split("\n"), 1):
        if start and line.strip() == "```":
            found.append(Block(start, language, "\n".join(lines) + "\n"))
            start = 0
        elif start:
            lines.append(line)
        elif line.lstrip().startswith("```"):
            start, language, lines = number, line.strip()[3:].strip(), []
    return found + ([Block(start, language, None)] if start else [])


def commands_in(block):
    """(line number, command) with continued lines joined."""
    joined, first = "", 0
    for number, line in enumerate(block.text.split("\n"), block.line + 1):
        first = first if joined else number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        if joined.split("#")[0].strip():
            yield first, joined
        joined = ""


def labels_of(text):
    """(label, value) of each line of the table, and of each sample below it."""
    table, _, samples = text.partition("\n\n")
    rows = [(re.split(r"\s{2,}", line.strip(), maxsplit=1) + [""])[:2] for line in table.splitlines()]
    return [tuple(row) for row in rows] + [(label, value.strip()) for label, value in re.findall(r"^(\S.*)\n((?:(?:  .*)?\n)*)", samples, re.M)]


def differs(shown, printed, tolerance):
    """What is wrong with a value of the transcript, or None."""
    if tolerance is None or shown == printed:
        return None
    number = r"\d[\d,]*\.?\d*"
    if tolerance and re.sub(number, "N", shown) == re.sub(number, "N", printed):
        pairs = zip(re.findall(number, shown), re.findall(number, printed))
        if all(abs(float(a.replace(",", "")) - float(b.replace(",", ""))) <= tolerance for a, b in pairs):
            return None
    return f"{shown[:60]}, but the program prints {printed[:60]}" + (f" (may differ by {tolerance})" if tolerance else "")


def over_forecast(printed):
    """What is wrong with "forecast / peak" of a run, or None: memory that grows from step to step ends far above the forecast."""
    forecast, peak = (float(number) * {"KiB": 1, "MiB": 2**10, "GiB": 2**20}[unit] for number, unit in re.findall(r"([\d.]+) (KiB|MiB|GiB)", printed))
    return None if peak <= 1.25 * forecast else f"{printed}: the peak is more than a quarter above the forecast"


def smaller(arguments):
    """A benchmark's arguments with the sizes of SMALL: an option may be given only once."""
    sizes = dict(SMALL.get(arguments[1] if len(arguments) > 1 else "", {}))
    kept = list(arguments)
    for at, argument in enumerate(kept[:-1]):
        if argument in sizes:
            kept[at + 1] = sizes.pop(argument)
    return kept + [word for pair in sizes.items() for word in pair]


def shorter(arguments):
    """The arguments of a training with fewer steps."""
    return [re.sub(r"^(train\.max_steps)=\d+$", rf"\1={STEPS}", argument) for argument in arguments]


class Program:
    """Runs commands in the scratch folder, each one once."""

    def __init__(self, path, folder):
        self.path, self.folder, self.results = path, folder, {}
        self.environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
        for name, (source, rows) in STAND_INS.items():
            if rows is None:
                (folder / name).symlink_to(ROOT / source)
            else:
                with open(ROOT / source, encoding="utf-8") as lines:
                    (folder / name).write_text("".join(line for _, line in zip(range(rows), lines)), encoding="utf-8")

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def key(self, arguments):
        """The arguments and the configurations among them, which a broken copy of the README changes."""
        files = [self.folder / argument for argument in arguments if argument.endswith(".yaml")]
        return tuple(arguments), tuple(file.read_text(encoding="utf-8") for file in files if file.is_file())

    def run(self, arguments):
        """(what went wrong or None, standard output)"""
        key = self.key(arguments)
        if key not in self.results:
            self.results[key] = self.start(arguments)
        return self.results[key]

    def start(self, arguments):
        try:
            done = subprocess.run([self.path, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=LIMIT,
                                  stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return f"takes more than {LIMIT} s", ""
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        return f"exit code {done.returncode}: {said[-1]}" if done.returncode else None, done.stdout

    def kernel_row(self):
        fault, output = self.run(["bench", "kernels", "--json"])
        return None if fault else next(kernel["name"] for kernel in json.loads(output)["kernels"] if kernel["used"])


def quickstart_arguments():
    """The last command of scripts/quickstart.sh, without the settings that it passes on."""
    last = shlex.split((ROOT / QUICKSTART).read_text(encoding="utf-8").strip().splitlines()[-1])
    if last[:2] != ["exec", PROGRAM]:
        raise ValueError(f"{QUICKSTART} does not end by running {PROGRAM}")
    return [word for word in last[2:] if word != "$@"]


class Document:
    """Checks one document; `checks` are (where and what, what is wrong or None)."""

    def __init__(self, name, text, program, is_readme):
        self.name, self.text, self.program, self.is_readme = name, text, program, is_readme
        self.checks, self.quickstart, self.own_yaml = [], None, None

    def check(self, line, what, fault):
        self.checks.append((f"{self.name}:{line}  {what}", fault))

    def replay(self):
        blocks = blocks_of(self.text)
        self.own_yaml = next((block for block in blocks if block.language == "yaml"), None) if self.is_readme else None
        if self.own_yaml and self.own_yaml.text:
            self.program.write("my.yaml", self.own_yaml.text)
        rules = {"sh": self.commands, "text": self.transcript, "yaml": self.configuration, "cpp": self.source, "python": self.python,
                 "console": self.others, "diff": self.change}
        for block in blocks:
            if block.text is None:
                self.check(block.line, "block", "does not end")
            elif block.language in rules:
                rules[block.language](block)
            else:
                self.check(block.line, "block", f"no rule for a block of kind '{block.language}'")
        if self.is_readme:
            self.words()
        return self.checks

    def source(self, block):
        """Code that a document shows stands in the program, word for word."""
        files = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "hellora").rglob("*.cpp")))
        self.check(block.line, "cpp block", None if any(block.text.strip() in text for text in files) else "no source file holds this code")

    def change(self, block):
        """What a change added stands in the program, up to each "…"."""
        files = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "hellora").rglob("*.cpp"))]
        added = [piece.strip() for line in block.text.splitlines() if line.startswith("+") for piece in line[1:].split("…") if piece.strip()]
        missing = [piece for piece in added if not any(piece in text for text in files)]
        self.check(block.line, "diff block", f"no source file holds {missing[0]}" if missing else None if added else "it adds nothing")

    def python(self, block):
        """Lines for other programs' Python: that they are Python; the interop tests run what they can of them."""
        try:
            compile(block.text, self.name, "exec")
            self.check(block.line, "python block", None)
        except SyntaxError as error:
            self.check(block.line, "python block", str(error))

    def others(self, block):
        """Commands of programs that are not here: nothing of ours may be among them."""
        ours = [line for line in block.text.splitlines() if line.split()[:1] in (["hellora"], [PROGRAM])]
        self.check(block.line, "console block", f"{ours[0]}: put it into a block of kind sh" if ours else None)

    def commands(self, block):
        for line, command in commands_in(block):
            try:
                words = shlex.split(command, comments=True)
                self.check(line, " ".join(words), self.command(words))
            except (ValueError, OSError) as error:
                self.check(line, command.strip(), str(error))

    def command(self, words):
        plain = not re.search(r"[|&;<>$`*]", " ".join(words))
        if plain and words[0] in ("hellora", PROGRAM):
            words = shorter(words)
            return self.program.run(smaller(words[1:]) if words[1:2] == ["bench"] else words[1:])[0]
        if words == ["bash", QUICKSTART]:
            fault, self.quickstart = self.program.run(quickstart_arguments())
            return fault
        if words == ["bash", "scripts/test.sh"]:  # what runs this
            return None if (ROOT / words[1]).is_file() else "is not there"
        return "no rule for this command"

    def transcript(self, block):
        if self.quickstart is None:
            return self.check(block.line, "transcript", "no command above it that this could be the output of")
        shown, printed = labels_of(block.text), labels_of(self.quickstart)
        same = [label for label, _ in shown] == [label for label, _ in printed]
        self.check(block.line, "labels of the transcript", None if same else "the program prints: " + ", ".join(label for label, _ in printed))
        rules = {**TRANSCRIPT, **(SAME_ROW if self.program.kernel_row() == README_ROW else {})}
        for label, value in shown:
            if label not in rules:
                fault = "no rule for this line"
            elif label not in dict(printed):
                fault = "is not printed"
            else:
                fault = differs(value, dict(printed)[label], rules[label])
                if label == MEMORY:
                    fault = over_forecast(dict(printed)[label])
            self.check(block.line, f"{label}: {value.splitlines()[0][:40] if value else ''}", fault)
        return None

    def configuration(self, block):
        arguments = ["run", "my.yaml"]
        if block is not self.own_yaml:
            file = f"{re.sub(r'[^a-z]', '-', self.name.lower())}-{block.line}.yaml"
            self.program.write(file, block.text)
            arguments = ["run", file, *FEW_ROWS, f"output=runs/{file}"]
        self.check(block.line, "yaml block: hellora " + " ".join(arguments), self.program.run(arguments)[0])

    def words(self):
        """Commands named in the text exist."""
        text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), self.text, flags=re.M | re.S)
        for found in re.finditer(r"`hellora ([a-z -]+)`", text):
            fault, help_text = self.program.run([*found[1].split(), "--help"])
            if not fault and f"Usage: hellora {found[1]} " not in help_text:
                fault = "no such command"
            self.check(text.count("\n", 0, found.start()) + 1, f"hellora {found[1]} --help", fault)


def self_test(name, text, program):
    """Each mutation must add a failure that says what is wrong."""
    def failures(changed):
        return {f"{what}: {fault}" for what, fault in Document(name, changed, program, True).replay() if fault}

    before = failures(text)
    for what, (pattern, replacement, wanted) in MUTATIONS.items():
        changed = re.sub(pattern, replacement, text, count=1, flags=re.M)
        added = failures(changed) - before
        if changed == text:
            fault = f"the README has no {pattern} to break"
        else:
            fault = None if any(wanted in line for line in added) else f"not caught; new failures: {sorted(added) or 'none'}"
        yield f"self-test: {what} is caught", fault


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("documents", nargs="*", type=pathlib.Path, default=sorted((ROOT / "docs").glob("*.md")))
    options = parser.parse_args()
    path = pathlib.Path(os.environ.get("HELLORA") or ROOT / PROGRAM).resolve()
    counts = collections.Counter()

    def report(checks):
        for what, fault in checks:
            counts[fault is None] += 1
            print(f"FAILED  {what}: {fault}" if fault else f"ok      {what}", flush=True)

    if not os.access(path, os.X_OK):
        report([(str(path), "is not a program; HELLORA=FILE names it")])
    else:
        readme = options.readme.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            program = Program(path, pathlib.Path(folder))
            if options.self_test:  # the training is left out: the README is taken at its word
                transcript = next((block.text for block in blocks_of(readme) if block.language == "text"), "")
                program.results[program.key(quickstart_arguments())] = None, transcript
            else:
                report(Document(options.readme.name, readme, program, True).replay())
                for document in options.documents:
                    report(Document(document.name, document.read_text(encoding="utf-8"), program, False).replay())
            report(self_test(options.readme.name, readme, program))
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] or not counts[True] else 0


if __name__ == "__main__":
    sys.exit(main())
