#!/usr/bin/env python3
"""Keeps the ways out of the code by which a file, a path or a number from outside could crash the program or pass unseen.

    tools/lint_files.py [ROOT]      one line per violation, exit code 1 if there is one
    tools/lint_files.py --self-test plants violations and must see each of them
A line that is right as it stands says why: `// lint: <reason>`, on the line itself or alone on the line above.
"""
import pathlib
import re
import sys
import tempfile

SUFFIXES = {".h", ".cpp", ".cu", ".inc"}
PATHS = "std::filesystem throws where the system does not answer: use io/paths.h or io/files.h"
OPENS = "files are opened by io/ alone (regular ones, with the path in the error): use io/files.h, io/jsonl.h"
NAN = "not a number passes this comparison: write `!(x <= limit)`"
# folders or files it holds for ("" all), those that are free of it, pattern on the code without comments and strings, what to do instead
RULES = [
    ("", ("io/",), r"\b(?:fs|std::filesystem)::(?!path\b|filesystem_error\b)\w+", PATHS),
    ("", ("io/",), r"\busing\s+(?:namespace\s+)?std::filesystem\b(?!::path\b)", PATHS),
    ("", ("io/",), r"\bstd::(?:basic_)?[iow]*fstream\b|\bstd::filebuf\b|#\s*include\s*<fstream>", OPENS),
    ("", ("io/",), r"(?<![\w.:>])(?:(?:::|std::)?(?:fopen|freopen|mkstemp|mkostemp|tmpfile)|::(?:open|openat|creat))\s*\(", OPENS),
    ("", ("io/",), r"(?<![\w.:>])open(?:at)?\s*\([^()]*\.c_str\(\)", OPENS),
    ("", ("io/",), r"(?<![\w.>])(?:::|std::)(?:rename|remove|unlink|rmdir|mkdir|opendir|truncate)\s*\(\s*(?!\w+\.begin|\w+\.end)[^,()]*(?:\.c_str\(\)|\"\")", PATHS),
    ("", (), r"\bstd::w?c?s?regex\w*|#\s*include\s*<regex>", "std::regex recurses and tries again without end: use text/regex.h or a loop"),
    ("", (), r"(?:\.|->)dump\s*\((?!.*error_handler_t::replace)", "dump throws for bytes that are no UTF-8: use dump_json (core/json_text.h)"),
    ("", (), r"\bstd::sto(?:i|l|ll|ul|ull|f|d|ld)\s*\(|(?<![\w.>])(?:::|std::)?(?:ato[ifl]|atoll|strtod|strtol)\s*\(",
     "stoi and its like throw or say nothing about what they could not read: use std::from_chars"),
    ("export/ eval/ recipe/verify cli/check train/audit", (),
     r"(?<![-<>])>=?\s*(?:\w+\.|\w+->|\w+::)*\w*(?:[Tt]olerance|[Aa]llowed|[Bb]ound)\w*", NAN),
    ("export/ eval/ recipe/verify cli/check train/audit", (),
     r"\b(?:\w+\.|\w+->)*\w*(?:[Ll]argest|[Ww]orst|[Dd]ifference|[Ee]rror)\w*\s*=\s*std::max(?:<\w+>)?\s*\(",
     "std::max drops what is not a number: keep it with `if (!(x <= largest)) largest = x` and check that it is finite"),
    ("export/ eval/ recipe/verify cli/check train/audit", (),
     r"\bif\s*\(\s*(?:\w+\.|\w+->)*\w*(?:[Dd]ifference|[Dd]eviation|[Rr]elative|[Ll]oss|[Ee]rror)(?:\.\w+)*\s*>=?(?!\s*0\s*\))", NAN),
]
COMPILED = [(scope.split(), free, re.compile(pattern), advice) for scope, free, pattern, advice in RULES]
EXCUSE = re.compile(r"//\s*lint:\s*(\S.*)")


def code_of(line):
    line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def excused(lines, at):
    above = lines[at - 1].strip() if at > 0 else ""
    return bool(EXCUSE.search(lines[at]) or (above.startswith("//") and EXCUSE.search(above)))


def text_faults(name, text):
    lines = text.splitlines()
    inside = name.removeprefix("hellora/")
    rules = [(pattern, advice) for scope, free, pattern, advice in COMPILED
             if (not scope or inside.startswith(tuple(scope))) and not (free and inside.startswith(free))]
    for at, line in enumerate(lines):
        code = code_of(line)
        for pattern, advice in rules:
            found = pattern.search(code)
            if found and not excused(lines, at):
                yield f"{name}:{at + 1}: {found[0].strip()}: {advice}; or excuse it with `// lint: <reason>`"


def tree_faults(root):
    for path in sorted((root / "hellora").rglob("*")):
        if path.suffix in SUFFIXES:
            yield from text_faults(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


BAD = [  # file, line
    ("cli/x.cpp", "if (fs::exists(path)) return;"), ("cli/x.cpp", "if (std::filesystem::is_directory(path)) return;"),
    ("train/x.cpp", "fs::rename(a, b);"), ("model/x.cpp", "for (const auto& e : fs::directory_iterator(folder)) f(e);"),
    ("model/x.cpp", "if (fs::equivalent(a, b, error)) return;"), ("cli/x.cpp", "using namespace std::filesystem;"),
    ("cli/x.cpp", "const auto here = std::filesystem::current_path();"), ("text/x.cpp", "std::ifstream in(path);"), ("text/x.cpp", "std::ofstream out(path);"),
    ("text/x.h", "#include <fstream>"), ("data/x.cpp", "const int file = ::open(path.c_str(), O_RDONLY);"), ("data/x.cpp", "FILE* file = fopen(name, \"r\");"),
    ("data/x.cpp", "FILE* file = std::fopen(name, \"r\");"), ("data/x.cpp", "int file = ::mkostemp(name.data(), 0);"), ("cli/x.cpp", "::unlink(path.c_str());"),
    ("cli/x.cpp", "std::rename(from.c_str(), to.c_str());"), ("model/x.cpp", "if (std::regex_match(path, pattern)) return;"), ("io/x.cpp", "std::regex number;"),
    ("io/x.cpp", "write(value.dump());"), ("core/x.cpp", "return value->dump(1);"), ("select/x.cpp", "Json{1}.dump(-1, ' ')"),
    ("core/x.cpp", "return std::stoll(text);"), ("core/x.cpp", "return atoi(text);"), ("export/x.cpp", "if (worst > kTolerance) fail();"),
    ("export/x.cpp", "if (difference.largest >= format.tolerance) fail();"), ("recipe/verify.cpp", "return delta > options.bound;"), ("data/x.cpp", "int file = open(path.c_str(), 0);"),
    ("export/x.cpp", "largest = std::max(largest, one);"), ("eval/x.cpp", "out.worst_error = std::max<double>(out.worst_error, e);"),
    ("cli/check.cpp", "if (difference > 1e-6) fail();"), ("eval/x.cpp", "if (result.loss > 100) fail();"),
    ("cli/x.cpp", "fs::exists(path);  // lint:"), ("cli/x.cpp", "fs::exists(path);  // is it there"),
]
GOOD = [
    ("io/x.cpp", "if (std::filesystem::is_directory(path, error)) return;"), ("io/x.cpp", "const int file = ::open(path.c_str(), O_RDONLY);"),
    ("cli/x.cpp", "namespace fs = std::filesystem;"), ("cli/x.cpp", "fs::path here;"), ("text/x.h", "const std::filesystem::path& folder"),
    ("cli/x.cpp", "Workspace space = model_.open();"), ("cli/x.cpp", "space.open(path);"), ("core/x.cpp", "bool open(Json container) {"), ("core/x.cpp", "return open(Json::array());"), ("cli/x.cpp", "const auto it = std::remove(v.begin(), v.end(), 1);"),
    ("cli/x.cpp", "// std::ifstream is not for this"), ("cli/x.cpp", 'fail("std::regex");'), ("core/x.cpp", "return value.dump(2, ' ', false, Json::error_handler_t::replace);"),
    ("cli/x.cpp", "write(dump_json(value));"), ("cli/x.cpp", "std::cout << std::stoical;"), ("export/x.cpp", "if (!(worst <= kTolerance)) fail();"),
    ("train/step.cpp", "if (grad_norm > limit) clip();"), ("export/x.cpp", "if (!(difference <= 1e-6)) fail();"), ("eval/x.cpp", "if (loss.count > 0) f();"),
    ("export/x.cpp", "if (rows > count) f();"), ("cli/x.cpp", "fs::exists(path);  // lint: cannot throw here"), ("export/x.cpp", "out->where = name;"),
    ("cli/x.cpp", "// lint: cannot throw here\n  fs::exists(path);"), ("export/x.cpp", "width = std::max(width, size);"), ("cli/x.cpp", "reopen(path);"),
]


def self_test():
    wrong = []
    for name, line in BAD + GOOD:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "hellora", name)
            path.parent.mkdir(parents=True)
            path.write_text(f"void f() {{\n  {line}\n}}\n", encoding="utf-8")
            seen = bool(list(tree_faults(pathlib.Path(folder))))
        if seen != ((name, line) in BAD):
            wrong.append(f"{name}: {line!r}: {'reported' if seen else 'not seen'}")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test()
    else:
        root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
        if not (root / "hellora").is_dir():
            sys.exit(f"{root}: no folder hellora/ here")
        faults = list(tree_faults(root))
    print("\n".join(faults) if faults else "files lint: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
