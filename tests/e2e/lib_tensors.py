"""Reads and writes safetensors files with the standard library: neither the program nor torch vouches for the tests.

    python3 lib_tensors.py A B [REGEX]   exit code 0 when the tensors whose names match have the same names, types, shapes, bytes
"""
import glob
import json
import re
import struct
import sys


def read(path):
    """{name: (dtype, shape, bytes)} of a file, or of all files in a model folder."""
    tensors = {}
    for file in sorted(glob.glob(path + "/*.safetensors")) or [path]:
        with open(file, "rb") as stream:
            data = stream.read()
        length = struct.unpack("<Q", data[:8])[0]
        header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
        header.pop("__metadata__", None)
        tensors.update({name: (t["dtype"], tuple(t["shape"]), body[slice(*t["data_offsets"])]) for name, t in header.items()})
    return tensors


def write(path, tensors):
    """The inverse of read(), into one file."""
    header, body = {}, b""
    for name, (dtype, shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + body)


def is_zero(tensor):
    return not any(tensor[2])


def difference(one, two, pattern=""):
    """The first name whose tensors differ, or None."""
    wanted = sorted(name for name in one.keys() | two.keys() if re.search(pattern, name))
    if not wanted:
        return f"nothing: no name matches {pattern!r}"
    return next((name for name in wanted if one.get(name) != two.get(name)), None)


if __name__ == "__main__":
    found = difference(read(sys.argv[1]), read(sys.argv[2]), *sys.argv[3:4])
    if found is not None:
        sys.exit(f"{sys.argv[1]} and {sys.argv[2]} differ in {found}")
