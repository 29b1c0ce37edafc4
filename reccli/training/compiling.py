"""torch.compile for the parts of an encoder that are worth it, and plain words where it cannot work."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from reccli.api.encoder import Encoder
from reccli.errors import ConfigError, DeviceError, ReccliError

__all__ = ["compile_parts", "compiling_errors"]

CPU_COMPILERS = ("g++", "clang++", "c++", "cl")
HINT = "run without --compile"


def compile_parts(
    encoder: Encoder,
    device: torch.device,
    *,
    backend: str = "inductor",
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Have an encoder's costly modules compiled when they first train; their names and weights stay as they are.

    Lengths of texts differ from batch to batch, so shapes are taken as variable, and each module is compiled once:
    what torch would compile anew (passes without gradients, and sizes of 1, which it takes as constants) runs as it is.

    Args:
        encoder: Set up, and on its device.
        device: Where it runs.
        backend: torch's name of what compiles.
        say: Takes the line that says why the first step lasts.

    Raises:
        ConfigError: The encoder has no such module.
        DeviceError: Nothing here can compile for the device.
    """
    parts = encoder.compiled_parts()
    if not parts:
        raise ConfigError(
            f"compile: encoder '{type(encoder).__name__}' has nothing to compile as it is set",
            hint=f"{HINT}, or train a text model: --encoder bert --train last-2 --compile",
        )
    _check(device, backend)
    for part in parts:
        part.compile(dynamic=True, backend=backend)
        # `compile` of a module sets just this, and copies of the module leave it out.
        part._compiled_call_impl = _once(part, part._compiled_call_impl)
    gain = "; on a CPU it has been measured to bring nothing" if device.type == "cpu" else ""
    say(f"compiling the text model within the first step, a minute of work or more, less when done before{gain}")


def _once(part: nn.Module, compiled: Any) -> Callable[..., Any]:
    """Return the call that takes what was compiled for training steps alone."""
    plain: Any = part._call_impl

    def call(*given: Any, **named: Any) -> Any:
        sizes = [size for value in (*given, *named.values()) if isinstance(value, Tensor) for size in value.shape]
        worth = part.training and torch.is_grad_enabled() and min(sizes, default=2) > 1
        return compiled(*given, **named) if worth else plain(*given, **named)

    return call


def _check(device: torch.device, backend: str) -> None:
    from torch._dynamo.eval_frame import check_if_dynamo_supported

    try:
        check_if_dynamo_supported()
    except RuntimeError as error:
        raise DeviceError(f"compile: {str(error).splitlines()[0]}", hint=HINT) from error
    if backend != "inductor":
        return
    if device.type == "cpu" and not any(shutil.which(name) for name in (os.environ.get("CXX", ""), *CPU_COMPILERS)):
        raise DeviceError("compile: torch needs a C++ compiler for the CPU, and there is none", hint=HINT)
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise DeviceError("compile: torch needs triton for CUDA, and it is not installed", hint=HINT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch's own modules say to each other while they are imported
        importlib.import_module("torch._inductor.compile_fx")


@contextlib.contextmanager
def compiling_errors() -> Iterator[None]:
    """Turn what torch.compile raises while a model first runs into one error that says so.

    Raises:
        DeviceError: The model cannot be compiled here.
        ReccliError: What stopped the compiler was no trouble of its own, as a signal that asked to stop.
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        own = _wrapped(error)
        if own is not None:
            raise own from None
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        raise DeviceError(f"compile: this model cannot be compiled here: {reason}", hint=HINT) from error


def _wrapped(error: BaseException | None) -> ReccliError | None:
    """Return the error of ours that torch has put into one of its own, or None."""
    while error is not None and not isinstance(error, ReccliError):
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
    return error
