"""What torch raises for want of memory or of a compiler, as errors that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from reccli.errors import OutOfMemoryError
from reccli.training.compiling import compiling_errors
from reccli.training.task import Plan

__all__ = ["told"]


@contextlib.contextmanager
def told(plan: Plan) -> Iterator[None]:
    """Turn what torch raises for want of memory or of a compiler into errors that say so.

    Raises:
        OutOfMemoryError: The batch does not fit.
        DeviceError: The model cannot be compiled here.
    """
    with compiling_errors(), _memory_errors(plan):
        yield


@contextlib.contextmanager
def _memory_errors(plan: Plan) -> Iterator[None]:
    """Turn the ways in which memory runs out into one error."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _too_large(plan) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise _too_large(plan) from error


def _too_large(plan: Plan) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"memory of {plan.device} ran out with batches of {plan.batch_size} rows",
        hint=f"--batch-size {max(1, plan.batch_size // 2)}",
    )
