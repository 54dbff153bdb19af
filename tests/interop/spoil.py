#!/usr/bin/env python3
"""Multiplies the first tensor whose name matches PATTERN, so that a test can show that it would notice.

    spoil.py FILE.safetensors PATTERN FACTOR
"""
import re
import sys

from safetensors.numpy import load_file, save_file


def main():
    path, pattern, factor = sys.argv[1:]
    tensors = load_file(path)
    name = min(name for name in tensors if re.search(pattern, name) and tensors[name].any())
    tensors[name] = tensors[name] * tensors[name].dtype.type(factor)
    save_file(tensors, path, metadata={"format": "pt"})
    print(f"{name} times {factor}")


if __name__ == "__main__":
    main()
