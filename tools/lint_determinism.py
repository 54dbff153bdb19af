#!/usr/bin/env python3
"""Keeps torch calls whose bytes change with the thread count or from run to run off the training path.

    tools/lint_determinism.py [ROOT]      one line per violation, exit code 1 if there is one
    tools/lint_determinism.py --self-test plants violations and must see each of them
A line that is right as it stands says why: `// lint: <reason>`, on the line itself or alone on the line above.
"""
import pathlib
import re
import sys
import tempfile

TRAINING_PATH = ("tensor", "adapters", "moe", "model", "train")
SUFFIXES = {".h", ".cpp", ".cu", ".inc"}
ORDERED = "use tensor/ordered_sum.h"
RULES = [  # pattern on the text without comments and strings, what to do instead
    (r"\.sum\(\s*(?:\{\s*\})?\s*\)", f"a full sum changes with the thread count: {ORDERED}"),
    (r"\.sum\(\s*(?:at|torch)::k\w+\s*\)", f"a full sum changes with the thread count: {ORDERED}"),
    (r"\b(?:at|torch)::sum\(\s*[^(),]*(?:\([^()]*\)[^(),]*)*\)", f"a full sum changes with the thread count: {ORDERED}"),
    (r"\.mean\(\s*\)|\.norm\(\s*\)|\bat::(?:norm|mean)\(\s*[^(),]*\)", f"a full reduction changes with the thread count: {ORDERED}"),
    (r"(?:\.|\b(?:at|torch)::v?)dot\(", f"dot changes with the thread count: {ORDERED}"),
    (r"\bindex_put_?\(", "accumulating index_put_ changes from run to run: use index_add_ or index_select"),
    (r"\b_grouped_mm\b", "_grouped_mm changes with the thread count: use tensor/experts.h"),
    (r"\b(?:native_)?layer_norm\(", "the layer_norm weight gradient changes with the thread count: use tensor/rms_norm.h or ordered sums"),
    (r"\b(?:at|torch)::svd\(|\.svd\(|linalg_svd\w*\(", "svd changes with the thread count: run it on one thread and say so"),
]
COMPILED = [(re.compile(pattern), advice) for pattern, advice in RULES]
EXCUSE = re.compile(r"//\s*lint:\s*(\S.*)")


def code_of(line):
    line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def excused(lines, at):
    above = lines[at - 1].strip() if at > 0 else ""
    return bool(EXCUSE.search(lines[at]) or (above.startswith("//") and EXCUSE.search(above)))


def text_faults(name, text):
    lines = text.splitlines()
    code = [code_of(line) for line in lines]
    for at, line in enumerate(code):
        joined = line + " " + (code[at + 1].strip() if at + 1 < len(code) else "")  # a call may be broken after its bracket
        for pattern, advice in COMPILED:
            found = pattern.search(joined)
            if found and found.start() < len(line) and not excused(lines, at):
                yield f"{name}:{at + 1}: {found[0].strip()}: {advice}; or excuse it with `// lint: <reason>`"


def tree_faults(root):
    for folder in TRAINING_PATH:
        for path in sorted((root / "hellora" / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                yield from text_faults(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


BAD = ["a.sum()", "a.sum({})", "a.sum(\n    )", "a.sum(at::kDouble)", "at::sum(x)", "at::sum(x * f(y))", "torch::sum(x)", "a.mean()", "a.norm()",
       "a.dot(b)", "at::dot(a, b)", "at::vdot(a, b)", "a.index_put_({i}, v, true)", "at::index_put(a, {i}, v)", "at::_grouped_mm(a, b)",
       "at::layer_norm(x, {d})", "at::native_layer_norm(x, {d}, w, b, e)", "at::svd(x)", "at::linalg_svd(x)", "at::linalg_svdvals(x)",
       "a.sum();  // lint:", "a.sum();  // sums up"]
GOOD = ["a.sum(0)", "a.sum(-1, true)", "at::sum(x, 0)", "at::sum(f(x, y), {1})", "ordered_sum(x)", "// a.sum() is slow", 'check("a.sum()")',
        "a.index_add_(0, i, v)", "a.sum();  // lint: three values", "// lint: three values\n  a.sum();", "my_layer_norm_size(x)", "at::matmul(a, b)"]


def self_test():
    wrong = []
    for call in BAD + GOOD:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "hellora/train/planted.cpp")
            path.parent.mkdir(parents=True)
            path.write_text(f"void f() {{\n  {call};\n}}\n" if "//" not in call else f"void f() {{\n  {call}\n}}\n", encoding="utf-8")
            seen = bool(list(tree_faults(pathlib.Path(folder))))
        if seen != (call in BAD):
            wrong.append(f"{call!r}: {'reported' if seen else 'not seen'}")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test()
    else:
        faults = list(tree_faults(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()))
    print("\n".join(faults) if faults else "determinism lint: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
