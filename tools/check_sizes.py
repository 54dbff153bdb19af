#!/usr/bin/env python3
"""Checks that files and functions stay small and that the tracked tree stays light.

    tools/check_sizes.py [ROOT]       one line per violation, exit code 1 if there is one
    tools/check_sizes.py --self-test  plants violations and must see each of them
"""
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

FILE_MEDIAN, FILE_MAX = 120, 400
FUNCTION_USUAL, USUAL_SHARE, FUNCTION_MAX = 30, 0.90, 60
TREE_BYTES, FILE_BYTES, BLOCK = 26 * 2**20, 10 * 2**20, 4096  # on a disk, where a file takes whole blocks
SOURCE_FOLDERS = ("hellora", "tests", "bench")
LONG_FUNCTIONS_IN = "hellora/kernels/"  # a kernel may be longer
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".inc"}
NO_BODY = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
CONTROL = re.compile(r"^(if|for|while|switch|do|else|try|catch)\b")
LITERAL = re.compile(r'R"([^\s()\\]{0,16})\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', re.S)


def blanked(text):
    """The text without comments, literals and preprocessor lines; line breaks stay where they are."""
    text = LITERAL.sub(lambda m: "\n" * m[0].count("\n") + ('""' if m[0][0] not in "/" else " "), text)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: "\n" * m[0].count("\n"), text, flags=re.M)


def function_name(head):
    """The function's name, or None; `head` stands between the last `;`, `{` or `}` and an opening brace outside functions."""
    head = re.sub(r"\b(public|private|protected):", "", head).strip()
    head = re.sub(r"^template\s*<[^{}]*?>\s*(?=[A-Za-z_\[:~])", "", head)
    if "(" not in head or CONTROL.match(head):
        return None
    operator = re.match(r"[^(=]*?\boperator\s*(\(\)|[^\s\w(]+|[\w:<> *&]+)\s*\(", head)
    if operator:
        return "operator" + operator[1]
    before = head[: head.index("(")].rstrip()
    name = re.search(r"[\w:~]+$", before)
    return name[0] if name and "=" not in before and not NO_BODY.search(before) else None


def functions(text):
    """(name, first line, lines) of every function with a body, lambdas counted in the function that holds them."""
    text = blanked(text)
    start, line, stack = 0, 1, []
    for at, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char == "{":
            head = text[start:at]
            inside = any(name for name, _ in stack)
            begin = line - head.lstrip().count("\n")
            stack.append((None if inside else function_name(head), begin))
            start = at + 1
        elif char == "}" and stack:
            name, begin = stack.pop()
            if name:
                yield name, begin, line - begin + 1
            start = at + 1
        elif char == ";" and not (stack and stack[-1][0]):
            start = at + 1


def tracked(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]
    return [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]


def weight_faults(root, names):
    sizes = {name: (root / name).stat().st_size for name in names if not (root / name).is_symlink()}
    for name, size in sizes.items():
        if size > FILE_BYTES:
            yield f"{name}: {size / 2**20:.1f} MB, at most {FILE_BYTES / 2**20:.0f}"
    tree = sum(-(-size // BLOCK) * BLOCK for size in sizes.values())
    if tree > TREE_BYTES:
        yield f"the tree: {tree / 2**20:.1f} MB, at most {TREE_BYTES / 2**20:.0f}"


def source_faults(root, names):
    lengths, own_lengths, spans = {}, [], []
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        lengths[name] = text.count("\n")
        if name.startswith("hellora/"):
            own_lengths.append(lengths[name])
        if not name.startswith(LONG_FUNCTIONS_IN):
            spans += [(name, *found) for found in functions(text)]
    for name, length in lengths.items():
        if length > FILE_MAX:
            yield f"{name}: {length} lines, at most {FILE_MAX}"
    if own_lengths and statistics.median(own_lengths) > FILE_MEDIAN:
        yield f"hellora/: the median file has {statistics.median(own_lengths):.0f} lines, at most {FILE_MEDIAN}"
    for name, function, begin, count in spans:
        if count > FUNCTION_MAX:
            yield f"{name}:{begin}: {function} has {count} lines, at most {FUNCTION_MAX}"
    long_ones = sorted((s for s in spans if s[3] > FUNCTION_USUAL), key=lambda s: -s[3])
    if spans and 1 - len(long_ones) / len(spans) < USUAL_SHARE:
        longest = ", ".join(f"{s[0]}:{s[2]} {s[1]} ({s[3]})" for s in long_ones[:5])
        yield f"{len(long_ones)} of {len(spans)} functions have more than {FUNCTION_USUAL} lines, at most {1 - USUAL_SHARE:.0%}: {longest}"


def tree_faults(root):
    names = tracked(root)
    yield from weight_faults(root, names)
    yield from source_faults(root, [n for n in names if n.split("/")[0] in SOURCE_FOLDERS and pathlib.Path(n).suffix in SUFFIXES])


def body(lines):
    return "".join(f"  work({i});\n" for i in range(lines - 2))


SAMPLE = """// a comment with { braces
#define OPEN {
namespace a {
struct S {
  explicit S(int v) : v_{v} {}
  bool operator==(const S& o) const { return v_ == o.v_; }
  int operator()() { return 1; }
  int v_ = 0;
};
constexpr std::array<int, 2> kTable = {{1, 2}};
const char kBrace = '{';
const int kMany = 1'000'000;
template <class T, class = std::enable_if_t<(sizeof(T) > 1)>>
T twice(T value) {
  const auto f = [&](T x) {
    return x + x;
  };
  return f(value) + std::string("}").size();
}
static const auto kLambda = [] { return 1; }();
std::string Outer::name(
    int a, int b) const {
  if (a) { return "x"; }
  for (int i = 0; i < 3; ++i) { a += i; }
  return R"(})";
}
}
"""
SAMPLE_FUNCTIONS = [("S", 5, 1), ("operator==", 6, 1), ("operator()", 7, 1), ("twice", 13, 7), ("Outer::name", 21, 6)]


def self_test():
    wrong = []
    if list(functions(SAMPLE)) != SAMPLE_FUNCTIONS:
        wrong.append(f"function finder: {list(functions(SAMPLE))}")
    cases = {  # planted file: (content, what the report must hold)
        "hellora/core/long.cpp": ("int x;\n" * 401, "401 lines"),
        "hellora/core/function.cpp": (f"void big() {{\n{body(61)}}}\n", "big has 61 lines"),
        "hellora/core/often.cpp": ("".join(f"void f{i}() {{\n{body(31)}}}\n" for i in range(2)), "more than 30 lines"),
        "hellora/core/median.cpp": ("int x;\n" * 121, "median"),
        "data/heavy.bin": ("x" * (FILE_BYTES + 1), "10.0 MB"),
        "hellora/kernels/gemm.cpp": (f"void gemm() {{\n{body(90)}}}\n", None),
        "hellora/core/fine.cpp": (f"void f() {{\n{body(30)}}}\n", None),
    }
    for name, (content, expected) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True)
            path.write_text(content, encoding="utf-8")
            report = "\n".join(tree_faults(pathlib.Path(folder)))
        if (expected is None and report) or (expected and expected not in report):
            wrong.append(f"{name}: expected {expected!r}, reported {report!r}")
    with tempfile.TemporaryDirectory() as folder:
        for i in range(4):
            pathlib.Path(folder, f"part{i}").write_bytes(b"x" * (8 * 2**20))
        if "the tree: 32.0 MB" not in "\n".join(tree_faults(pathlib.Path(folder))):
            wrong.append("a tree of 32 MB was not seen")
        for i in range(2):
            pathlib.Path(folder, f"part{i}").unlink()
        for i in range(2600):
            pathlib.Path(folder, f"small{i}").write_bytes(b"x")
        if "the tree: 26.2 MB" not in "\n".join(tree_faults(pathlib.Path(folder))):
            wrong.append("small files were not counted as blocks")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test()
    else:
        faults = list(tree_faults(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()))
    print("\n".join(faults) if faults else "sizes: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
