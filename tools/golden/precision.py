"""Runs a transformers model wholly in one precision and proves it."""
import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class NoFloat32(TorchDispatchMode):
    """Fails on the first operation, forward or backward, that yields a float32, complex64 or narrower tensor."""

    narrow = (torch.empty(0).dtype, torch.float16, torch.bfloat16, torch.complex64)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.dtype in self.narrow:
                raise AssertionError(f"{func} yields {leaf.dtype} in a float64 run")
        return result


@contextlib.contextmanager
def running_in(dtype):
    """In float64, every cast to float32 that the model code asks for becomes a cast to float64."""
    if dtype == torch.float32:
        yield
        return
    float32, to_float = torch.float32, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        with NoFloat32():
            yield
    finally:
        torch.float32 = torch.float = float32
        torch.Tensor.float = to_float
        torch.set_default_dtype(float32)
