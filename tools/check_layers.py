#!/usr/bin/env python3
"""Checks that every file under hellora/ includes only what its rung of the ladder may see.

    tools/check_layers.py [ROOT]      one line per violation, exit code 1 if there is one
    tools/check_layers.py --self-test plants violations and must see each of them
"""
import pathlib
import re
import sys
import tempfile

# folder: (folders it may include; what those may include follows, may it see torch). The CMake targets hold the same edges.
LADDER = {
    "core": ((), False),
    "io": (("core",), False),
    "text": (("io",), False),
    "kernels": (("core",), False),
    "data": (("text",), False),
    "tensor": (("kernels",), True),
    "adapters": (("tensor", "io"), True),
    "moe": (("adapters",), True),
    "model": (("moe", "text"), True),
    "select": (("model", "data"), True),
    "train": (("model", "data"), True),
    "eval": (("model", "data"), True),
    "export": (("model",), True),
    "recipe": (("select", "train", "eval", "export"), True),
    "cli": (("recipe",), True),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TORCH_HEADER = re.compile(r"^(torch|ATen|c10)/")
TORCH_DOOR = "hellora/tensor/torch.h"  # the only file that includes torch headers
LOG_DOOR = "hellora/core/log.cpp"  # the only file that includes spdlog
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".inc"}


def reachable(folder):
    """The folder itself and everything below it on the ladder."""
    seen, open_ = set(), [folder]
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_.extend(LADDER[name][0])
    return seen


def own_include_fault(folder, target):
    parts = target.split("/")
    if len(parts) < 3 or parts[1] not in LADDER:
        return f"{target} is not in a folder of the ladder"
    if target == TORCH_DOOR and not LADDER[folder][1]:
        return f"{folder}/ may not see torch"
    if parts[1] not in reachable(folder):
        return f"{folder}/ may include only {', '.join(sorted(reachable(folder)))}, not {parts[1]}/"
    return None


def include_fault(root, name, folder, quote, target):
    """What is wrong with one #include of the file `name`, or None."""
    if TORCH_HEADER.match(target):
        return None if name == TORCH_DOOR else f"<{target}>: torch headers are included only by {TORCH_DOOR}"
    if target.startswith("spdlog/"):
        return None if name == LOG_DOOR else f"<{target}>: spdlog is included only by {LOG_DOOR}"
    if target.startswith("hellora/"):
        if quote == "<":
            return f'<{target}>: own headers are included as "{target}"'
        if not (root / target).is_file():
            return f"{target} does not exist"
        return own_include_fault(folder, target)
    if quote == '"':
        return f'"{target}": own headers are included by their path from the root, others in <>'
    return None


def file_faults(root, path):
    name = path.relative_to(root).as_posix()
    parts = name.split("/")
    if len(parts) < 3 or parts[1] not in LADDER:
        yield f"{name}: not in a folder of the ladder"
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        fault = include_fault(root, name, parts[1], *found.groups()) if found else None
        if fault:
            yield f"{name}:{number}: {fault}"


def tree_faults(root):
    for path in sorted((root / "hellora").rglob("*")):
        if path.suffix in SUFFIXES:
            yield from file_faults(root, path)


PLANTED = {  # file: (content, text that the report must hold, None for a clean file)
    "hellora/core/error.h": ("#pragma once\n", None),
    "hellora/core/log.cpp": ("#include <spdlog/spdlog.h>\n", None),
    "hellora/io/files.h": ('#include "hellora/core/error.h"\n', None),
    "hellora/tensor/torch.h": ("#include <ATen/ATen.h>\n", None),
    "hellora/train/loop.cpp": ('#include "hellora/tensor/torch.h"\n#include "hellora/io/files.h"\n', None),
    "hellora/core/up.cpp": ('#include "hellora/io/files.h"\n', "not io/"),
    "hellora/io/torch.cpp": ('#include "hellora/tensor/torch.h"\n', "may not see torch"),
    "hellora/eval/other.cpp": ('#include "hellora/train/loop.h"\n', "does not exist"),
    "hellora/train/loop.h": ("#pragma once\n", None),
    "hellora/select/sibling.cpp": ('#include "hellora/train/loop.h"\n', "not train/"),
    "hellora/moe/wide.cpp": ("  #  include <torch/torch.h>\n", "only by hellora/tensor/torch.h"),
    "hellora/moe/c10.h": ("#include <c10/util/Half.h>\n", "only by hellora/tensor/torch.h"),
    "hellora/io/log.cpp": ("#include <spdlog/spdlog.h>\n", "only by hellora/core/log.cpp"),
    "hellora/io/angle.cpp": ("#include <hellora/core/error.h>\n", "own headers are included as"),
    "hellora/io/short.cpp": ('#include "files.h"\n', "path from the root"),
    "hellora/misc/file.cpp": ("\n", "not in a folder of the ladder"),
}


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (content, _) in PLANTED.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        (root / "hellora/train/loop.h").unlink()
        before = {fault.split(":")[0]: fault for fault in tree_faults(root)}
        (root / "hellora/train/loop.h").write_text("#pragma once\n", encoding="utf-8")
        after = {fault.split(":")[0]: fault for fault in tree_faults(root)}
    wrong = []
    for name, (_, expected) in PLANTED.items():
        fault = before.get(name) if expected == "does not exist" else after.get(name)
        if (expected is None) != (fault is None) or (expected and expected not in fault):
            wrong.append(f"{name}: expected {expected!r}, reported {fault!r}")
    if "not train/" not in after.get("hellora/eval/other.cpp", ""):
        wrong.append("hellora/eval/other.cpp: a workflow that includes another workflow was not seen")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test()
    else:
        root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
        if not (root / "hellora").is_dir():
            sys.exit(f"{root}: no folder hellora/ here")
        faults = list(tree_faults(root))
    print("\n".join(faults) if faults else "layers: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
