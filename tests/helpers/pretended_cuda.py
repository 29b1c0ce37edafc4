"""A CUDA device that is not there: tensors on it are computed on the CPU, and what a real device refuses is refused.

Inside `pretended_cuda` torch finds a device `cuda:0`. Refused are operations over two devices (numbers, and CPU indices
into tensors there, are allowed as on CUDA), CPU generators for draws there, and numpy's view of tensors there. Not
pretended are speed, half precision (autocast does nothing), streams and memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils import _device
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten
MOVING = (aten._to_copy, aten.to, aten.copy_)
INDEXED = (aten.index, aten._unsafe_index)
PUT = (aten.index_put, aten.index_put_, aten._index_put_impl_)


class Far(Tensor):
    """A tensor that says it is on `cuda:0`; `near` has its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: CUDA)
    layout = property(lambda self: self.near.layout)
    is_cuda = property(lambda self: True)
    is_cpu = is_meta = property(lambda self: False)

    @staticmethod
    def __new__(cls, near: Tensor) -> Far:
        strided = near.layout == torch.strided
        return Tensor._make_wrapper_subclass(
            cls,
            near.size(),
            strides=near.stride() if strided else None,
            storage_offset=near.storage_offset() if strided else None,
            dtype=near.dtype,
            device="meta",  # what C++ sees: it would look for a real device otherwise
        )

    def __init__(self, near: Tensor) -> None:
        self.near = near

    def __repr__(self) -> str:
        return f"Far({self.near!r})"

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.near.tolist()

    def get_device(self) -> int:
        return 0

    def untyped_storage(self) -> Any:
        return self.near.untyped_storage()

    def data_ptr(self) -> int:
        return self.near.data_ptr()

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["near"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: Any) -> Far:
        return Far(inner["near"])

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied = Far(self.near.clone())
            is_parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = torch.nn.Parameter(copied, self.requires_grad) if is_parameter else copied
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Pretending(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.FAKE  # the kind that keeps C++ from starting CUDA

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """Check the devices of an operation, compute it on the CPU, and put the result where it would be."""
    leaves = tree_leaves((args, kwargs))
    far = [leaf for leaf in leaves if isinstance(leaf, Far)]
    if func is aten._pin_memory.default:
        return args[0]
    near_args, near_kwargs = tree_map(lambda leaf: leaf.near if isinstance(leaf, Far) else leaf, (args, kwargs))
    if func is aten.copy_.default:
        func(*near_args, **near_kwargs)
        return args[0]
    named = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
    to_far = bool(far) if named is None else named.type == "cuda" or (named.type == "meta" and not _asked_for_meta())
    _check(func, args, leaves, to_far=to_far)
    if named is not None and to_far:
        near_args, near_kwargs = tree_map(
            lambda leaf: CPU if isinstance(leaf, torch.device) else leaf, (near_args, near_kwargs)
        )
    if near_kwargs.get("pin_memory"):
        near_kwargs = {**near_kwargs, "pin_memory": False}
    found = func(*near_args, **near_kwargs)
    known = {id(tensor.near): tensor for tensor in far} if to_far else {}

    def placed(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not to_far:
            return leaf
        return known.get(id(leaf)) if id(leaf) in known else Far(leaf)

    placed_found = tree_map(placed, found)
    if not far or not to_far:
        return placed_found
    with contextlib.suppress(AssertionError, NotImplementedError, RuntimeError):
        return return_and_correct_aliasing(func, args, kwargs, placed_found)
    return placed_found


def _check(func: Any, args: Any, leaves: list[Any], *, to_far: bool) -> None:
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    near = [tensor for tensor in tensors if not isinstance(tensor, Far)]
    generator = next((leaf for leaf in leaves if isinstance(leaf, torch.Generator)), None)
    if generator is not None and to_far:
        raise RuntimeError(f"{func}: expected a 'cuda' device type for generator but found 'cpu'")
    packet = func.overloadpacket
    if packet in MOVING or not near or len(near) == len(tensors):
        return
    if packet in INDEXED:
        wrong = not isinstance(args[0], Far)
    elif packet in PUT:
        wrong = not isinstance(args[0], Far) or (not isinstance(args[2], Far) and args[2].dim() > 0)
    else:
        wrong = any(tensor.dim() > 0 or packet in (aten.cat, aten.stack) for tensor in near)
    if wrong:
        told = [(tuple(tensor.shape), str(tensor.device)) for tensor in tensors]
        raise RuntimeError(f"{func}: expected all tensors to be on the same device: {told}")


def _asked_for_meta() -> bool:
    """Whether the program itself wants `meta`, as transformers does while it builds a model; else it is a Far's own."""
    return _device.CURRENT_DEVICE is not None and torch.device(_device.CURRENT_DEVICE).type == "meta"


@contextlib.contextmanager
def pretended_cuda() -> Iterator[None]:
    """Let torch find one CUDA device inside."""
    state = [torch.get_rng_state()]
    changes = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "pretended",
        "get_rng_state": lambda *_: state[0].clone(),
        "set_rng_state": lambda new, *_: state.__setitem__(0, new),
        "manual_seed_all": lambda seed: None,
        "synchronize": lambda *_: None,
        "_lazy_init": lambda: None,
    }
    was = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor makes its numbers on the CPU, and then moves them
    try:
        with mock.patch.multiple(torch.cuda, **changes), _Pretending():
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(was)
