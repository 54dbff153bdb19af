"""Reads an event folder with TensorBoard's own reader.

Usage: tensorboard_reader.py FOLDER
Prints a JSON list of [tag, step, value], by tag and then in the order of the reader, after TensorBoard dropped
what a restarted run replaced. Needs the `tensorboard` package.
"""

import json
import math
import sys

from tensorboard.backend.event_processing import event_accumulator


def read(folder):
    accumulator = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.TENSORS: 0, event_accumulator.SCALARS: 0})
    accumulator.Reload()
    rows = [[tag, event.step, event.value] for tag in sorted(accumulator.Tags()["scalars"]) for event in accumulator.Scalars(tag)]
    # TensorBoard turns simple values into tensors in some versions, and histograms always: those have three columns.
    rows += [
        [tag, event.step, float(event.tensor_proto.float_val[0])]
        for tag in sorted(accumulator.Tags()["tensors"])
        for event in accumulator.Tensors(tag)
        if not event.tensor_proto.tensor_shape.dim
    ]
    return [[tag, step, value if math.isfinite(value) else str(value)] for tag, step, value in rows]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tensorboard_reader.py FOLDER")
    json.dump(read(sys.argv[1]), sys.stdout)
    print()
