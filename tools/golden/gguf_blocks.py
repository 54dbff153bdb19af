"""Writes tests/golden/fixtures/io/gguf_blocks.json: what the Python package gguf makes of pseudo-random blocks of every type.

    pip install gguf==0.19.0; python tools/golden/gguf_blocks.py

The blocks themselves are not stored: the test makes the same bytes. A byte is the high one of a 32-bit linear congruential
generator, and of each half-precision scale the highest bit of the exponent is cleared, so that all values are finite.
"""
import json
import pathlib

import numpy
from gguf import GGMLQuantizationType, quants

BLOCKS = 40
# Bytes of a block, and where its numbers of half precision (for F32 and BF16: of the type itself) have their highest byte.
LAYOUTS = {
    "F32": (4, [3]), "F16": (2, [1]), "BF16": (2, [1]), "Q4_0": (18, [1]), "Q4_1": (20, [1, 3]), "Q5_0": (22, [1]), "Q5_1": (24, [1, 3]),
    "Q8_0": (34, [1]), "Q2_K": (84, [81, 83]), "Q3_K": (110, [109]), "Q4_K": (144, [1, 3]), "Q5_K": (176, [1, 3]), "Q6_K": (210, [209]),
}


def random_blocks(size, scales):
    state, out = 1, bytearray()
    for _ in range(BLOCKS):
        for place in range(size):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            out.append(state >> 24 & (0xBF if place in scales else 0xFF))
    return bytes(out)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    out = {}
    for name, (size, scales) in LAYOUTS.items():
        blocks = numpy.frombuffer(random_blocks(size, scales), dtype=numpy.uint8).reshape(BLOCKS, size)
        values = quants.dequantize(blocks, GGMLQuantizationType[name]).astype("<f4").reshape(-1)
        assert numpy.isfinite(values).all() and len(set(values)) > 10, name
        out[name] = {"count": values.size, "hash": f"{fnv(values.tobytes()):016x}", "first": [float(v) for v in values[:4]]}
    path = pathlib.Path(__file__).parents[2] / "tests/golden/fixtures/io/gguf_blocks.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in out.items()) + "\n}\n")


main()
