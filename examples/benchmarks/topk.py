"""Measure exact top-k against the bare matrix product that it cannot do without.

Vectors are random, of the size of Gowalla unless told otherwise; each user has 27 items that may not be listed. Prints
CPU seconds (with one thread, a busy machine hardly blurs their ratio) and wall seconds of both, in turn, and the ratio.

usage: python examples/benchmarks/topk.py [--users 29858] [--items 40981] [--dimension 1024] [--k 20] [--threads 1]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from reccli.api import Histories
from reccli.retrieval.topk import MAX_BYTES, search


def bare(user_UD: torch.Tensor, item_ID: torch.Tensor) -> None:
    """Multiply block by block into one buffer, and look at nothing."""
    rows = max(1, min(4096, MAX_BYTES // (4 * len(item_ID))))
    out = torch.empty(rows, len(item_ID))
    for low in range(0, len(user_UD), rows):
        user_BD = user_UD[low : low + rows]
        torch.mm(user_BD, item_ID.T, out=out[: len(user_BD)])


def timed(name: str, work) -> float:
    """Run and print; return CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu = time.process_time() - cpu
    print(f"{name:22} {cpu:7.2f} s CPU  {time.perf_counter() - wall:7.2f} s wall")
    return cpu


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 29_858), ("items", 40_981), ("dimension", 1024), ("k", 20), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rng = np.random.default_rng(0)
    user_UD = rng.normal(size=(asked.users, asked.dimension)).astype(np.float32)
    item_ID = rng.normal(size=(asked.items, asked.dimension)).astype(np.float32)
    known = [
        Histories.from_arrays(
            np.repeat(np.arange(asked.users), each),
            rng.integers(asked.items, size=each * asked.users),
            n_users=asked.users,
            n_items=asked.items,
        )
        for each in (27, 7)
    ]
    seen, held = known
    bare(torch.from_numpy(user_UD[:64]), torch.from_numpy(item_ID))  # wake the threads
    product = timed("matrix product", lambda: bare(torch.from_numpy(user_UD), torch.from_numpy(item_ID)))
    lists = timed("top-k", lambda: search(user_UD, item_ID, k=asked.k, seen=seen))
    both = timed("top-k and full ranks", lambda: search(user_UD, item_ID, k=asked.k, seen=seen, pairs=held))
    print(f"ratio {lists / product:.2f}, with full ranks {both / product:.2f}")


if __name__ == "__main__":
    main()
