#!/usr/bin/env python3
"""Proves that the tests can fail: applies one-line faults to a copy of the tree and names the test that catches each.

    tools/mutants/run.py               every row of table.json; writes RESULTS.md beside the table
      --only ID     one row (repeatable)          --list         prints the rows
      --resume      keeps what earlier runs found --torch-free   rows of folders that build without libtorch, without it
      --table FILE  another table                 --jobs N       parallel build jobs and tests (2)
A row: id, file, find (one line's text, exactly once in the file), replace, why; optional: hint (a test program, "unit_core",
or how its test's name begins, "unit_core.Json.": built and run before everything else is), e2e (a script of tests/e2e,
without .sh, run when the fast set sees nothing), needs (a flag of /proc/cpuinfo; without it a row is not tried).
Exit code 1 when a fault survives, does not build or does not apply.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "build" / "mutants"
TREE = WORK / "tree"
STATE = WORK / "state.json"
TORCH_FREE = ("core", "io", "text", "kernels", "data")
FAST_SET = ["-L", "unit|conformance|golden"]
FAILED_TEST = re.compile(r"Test +#\d+: (.+?) \.*(?:[A-Z][A-Za-z ]*)?\*\*\*(Failed|Timeout|Exception|Not Run)")
KEYS, OPTIONAL = {"id", "file", "find", "replace", "why"}, {"hint", "e2e", "needs"}


def stop(message):
    sys.exit(f"mutants: {message}")


def read_table(path):
    rows = json.loads(path.read_text(encoding="utf-8"))
    ids = [row.get("id") for row in rows]
    for row in rows:
        where = f"{path}: {row.get('id', '?')}"
        if not KEYS <= set(row) <= KEYS | OPTIONAL:
            stop(f"{where}: has the keys {', '.join(sorted(row))}; needs {', '.join(sorted(KEYS))}; may have {', '.join(sorted(OPTIONAL))}")
        if "\n" in row["find"] + row["replace"] or row["find"] == row["replace"]:
            stop(f"{where}: find and replace must be different and one line each")
        if ids.count(row["id"]) > 1:
            stop(f"{where}: the id is there twice")
    return rows


def mutated(row, text):
    count = text.count(row["find"])
    if count != 1:
        raise ValueError(f"{row['file']}: find occurs {count} times, must occur once")
    return text.replace(row["find"], row["replace"])


def sync_tree():
    """Makes the scratch copy equal to the working tree; equal files keep their time, so that builds stay incremental."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=True).stdout.decode().split("\0")
    names = {name for name in listed if name and (ROOT / name).is_file()}
    for path in TREE.rglob("*") if TREE.exists() else ():
        if path.is_file() and path.relative_to(TREE).as_posix() not in names:
            path.unlink()
    for name in names:
        source, copy = (ROOT / name).read_bytes(), TREE / name
        if not copy.is_file() or copy.read_bytes() != source:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source)
            copy.chmod((ROOT / name).stat().st_mode & 0o777)


def command(arguments, log, timeout=3600, **more):
    """Exit status and output of a command; 124 when it ran too long."""
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, stdin=subprocess.DEVNULL, **more)
        status, text = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        status, text = 124, (late.stdout or b"").decode(errors="replace")
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, arguments))}\n{text}\n")
    return status, text


class Runner:
    def __init__(self, torch_free, jobs):
        self.torch_free, self.jobs = torch_free, jobs
        self.build_dir = WORK / ("build_torch_free" if torch_free else "build")
        self.log = WORK / "log.txt"

    def configure(self):
        torch = "" if self.torch_free else subprocess.run(["bash", str(ROOT / "scripts/setup.sh"), "--torch"], capture_output=True).stdout.decode().strip()
        status, text = command(["cmake", "-S", TREE, "--preset", "release", "-B", self.build_dir, "-DBUILD_TESTING=ON", f"-DHELLORA_TORCH={torch}",
                                f"-DHELLORA_TORCH_FREE={'ON' if self.torch_free else 'OFF'}"], self.log, cwd=TREE)
        if status != 0:
            stop(f"cmake failed:\n{text[-2000:]}")

    def build(self, target="all"):
        return command(["cmake", "--build", self.build_dir, "--target", target, "--parallel", str(self.jobs)], self.log)

    def failing_test(self, selection):
        """The first test that fails, None when all pass."""
        status, text = command(["ctest", "--test-dir", self.build_dir, "-j", str(self.jobs), "--stop-on-failure", "--timeout", "120", *selection], self.log)
        found = FAILED_TEST.search(text)
        if found:
            return found[1].split("  # GetParam")[0] + ("" if found[2] == "Failed" else f" ({found[2].lower()})")
        if status != 0 or "No tests were found" in text:
            stop(f"ctest {' '.join(selection)}: exit status {status} and no failing test:\n{text[-2000:]}")
        return None

    def failing_script(self, name):
        script = TREE / "tests" / "e2e" / f"{name}.sh"
        if not script.is_file():
            stop(f"tests/e2e/{name}.sh does not exist")
        environment = {**os.environ, "HELLORA": str(self.build_dir / "bin" / "hellora")}
        return command(["bash", script], self.log, timeout=1200, cwd=TREE, env=environment)[0] != 0

    def caught_after_build(self, target, selection):
        """The name of what sees the fault in the tests of one target; ValueError when it cannot be built."""
        status, text = self.build(target)
        if status == 0:
            return self.failing_test(selection)
        if "Error running test executable" in text:
            return "test discovery (the program ends at its start)"
        raise ValueError("does not build: " + next((line for line in text.splitlines() if "error" in line), text[-300:]))

    def caught_by(self, row):
        """The name of what sees the fault, None when nothing does."""
        hint = row.get("hint")
        caught = self.caught_after_build(hinted(row), FAST_SET + ["-R", "^" + re.escape(hint)]) if hint else None
        caught = caught or self.caught_after_build("all", FAST_SET)
        if caught is None and row.get("e2e") and self.failing_script(row["e2e"]):
            caught = f"e2e {row['e2e']}"
        return caught

    def baseline(self):
        status, text = self.build()
        if status != 0:
            stop(f"the tree does not build without a fault:\n{text[-2000:]}")
        if failing := self.failing_test(FAST_SET):
            stop(f"{failing} fails without a fault")

    def attempt(self, row):
        path = TREE / row["file"]
        original = path.read_text(encoding="utf-8")
        path.write_text(mutated(row, original), encoding="utf-8")
        try:
            return self.caught_by(row)
        finally:
            path.write_text(original, encoding="utf-8")


def hinted(row):
    """The test program of a row's hint, "" without one."""
    return row.get("hint", "").split(".")[0]


def key_of(row):
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def load_state():
    return json.loads(STATE.read_text(encoding="utf-8")) if STATE.is_file() else {}


def cell(text):
    return text.replace("|", "\\|")


def write_results(path, rows, state):
    """What is known of every row: the test that catches it, nothing, or that it was not tried yet."""
    open_rows = sum(key_of(row) not in state for row in rows)
    missed = sum(key_of(row) in state and not state[key_of(row)] for row in rows)
    lines = ["# Faults and the tests that catch them", "", "Written by `tools/mutants/run.py` from `table.json`; do not edit.", "",
             f"{len(rows)} faults: {len(rows) - open_rows - missed} caught, {missed} not caught, {open_rows} not tried yet.", "",
             "| fault | file | change | caught by |", "|---|---|---|---|"]
    for row in rows:
        change = f"`{cell(row['find'].strip())}` → `{cell(row['replace'].strip())}`: {cell(row['why'])}"
        lines.append(f"| {row['id']} | `{row['file']}` | {change} | {cell(state.get(key_of(row), 'not tried yet') or '**nothing**')} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="ID")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--torch-free", action="store_true")
    parser.add_argument("--table", type=pathlib.Path, default=pathlib.Path(__file__).parent / "table.json")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def chosen_rows(rows, options):
    unknown = set(options.only or ()) - {row["id"] for row in rows}
    if unknown:
        stop(f"no row {', '.join(sorted(unknown))}; --list prints them")
    if options.only:
        rows = [row for row in rows if row["id"] in options.only]
    if options.torch_free:
        rows = [row for row in rows if {row["file"].split("/")[1], hinted(row).partition("_")[2]} <= {"", *TORCH_FREE}]
    flags = set(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    lacking = [row for row in rows if row.get("needs", "fpu") not in flags]
    for row in lacking:
        print(f"{row['id']}: not tried, the processor has no {row['needs']}")
    rows = [row for row in rows if row not in lacking]
    return rows or stop("no rows to try")


def try_rows(rows, runner, state, keep):
    """Number of rows that no test catches or that cannot be tried; keep() after each."""
    bad = 0
    for row in rows:
        start = time.time()
        try:
            caught = runner.attempt(row)
            state[key_of(row)] = caught
            keep()
            verdict = f"caught by {caught}" if caught else "SURVIVED"
        except (ValueError, OSError) as fault:
            caught, verdict = None, f"ERROR {fault}"
        bad += caught is None
        print(f"{row['id']}: {verdict} ({time.time() - start:.0f} s)", flush=True)
    return bad


def main():
    options = arguments()
    rows = read_table(options.table)
    if options.list:
        print("\n".join(f"{row['id']:32} {row['file']}: {row['why']}" for row in rows))
        return 0
    state = load_state() if options.resume or options.only else {}
    todo = [row for row in chosen_rows(rows, options) if not (options.resume and state.get(key_of(row)))]
    WORK.mkdir(parents=True, exist_ok=True)
    runner = Runner(options.torch_free, options.jobs)
    runner.log.write_text("", encoding="utf-8")
    if todo:
        sync_tree()
        runner.configure()
        runner.baseline()

    def keep():
        STATE.write_text(json.dumps(state, indent=1), encoding="utf-8")
        write_results(options.table.parent / "RESULTS.md", rows, state)

    bad = try_rows(todo, runner, state, keep)
    keep()
    print(f"{len(todo) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
