"""Random draws that depend on the seed and on ids alone.

A draw made from the position of a row changes when rows are permuted or a new user appears. A draw made by mixing the
seed with a digest of the ids does not, and it is the same on every machine and under every version of every library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl

__all__ = ["UInt64", "digest_ids", "mix", "pair_draws"]

UInt64 = npt.NDArray[np.uint64]
BASE = 0x100000001B3
"""Base of the polynomial digest: odd, so that no byte is lost modulo 2^64."""
LENGTH = 0x9E3779B97F4A7C15
"""Factor of the length, so that ids which end in NUL bytes differ from shorter ones."""
CHUNK = 100_000
"""Ids digested at a time."""


def digest_ids(ids: pl.Series) -> UInt64:
    """Digest each string to 64 bits: the sum of byte j times BASE^j, mixed with the length.

    Args:
        ids: Strings without nulls.
    """
    found = np.empty(len(ids), np.uint64)
    for start in range(0, len(ids), CHUNK):  # the bytes of a chunk take 8 times their size
        found[start : start + CHUNK] = _digest(ids[start : start + CHUNK])
    return found


def _digest(ids: pl.Series) -> UInt64:
    length = ids.str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer(ids.str.join("").item().encode(), np.uint8).astype(np.uint64)
    power = np.cumprod(np.full(int(length.max()) + 1, BASE, np.uint64), dtype=np.uint64)
    start = np.cumsum(length) - length
    place = np.arange(len(data), dtype=np.int64) - np.repeat(start, length)
    terms = np.concatenate([np.zeros(1, np.uint64), np.cumsum(data * power[place], dtype=np.uint64)])
    return mix(terms[start + length] - terms[start] + length.astype(np.uint64) * np.uint64(LENGTH))


def mix(bits: UInt64) -> UInt64:
    """Spread 64 bits evenly (the finaliser of splitmix64): a bijection whose output passes for random."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def pair_draws(digest_A: UInt64, digest_B: UInt64 | None, seed: int, purpose: str) -> UInt64:
    """Draw 64 random bits per row from the digests of one or two ids, a seed and a purpose.

    Args:
        digest_A: First digest of each row.
        digest_B: Second digest of each row, or None.
        seed: Seed of the stage.
        purpose: A name, so that draws for different purposes are independent.
    """
    key = np.frombuffer(f"{seed}:{purpose}".encode().ljust(64, b"\0")[:64], np.uint64)
    salt = np.zeros(1, np.uint64)
    for word in key:
        salt = mix(salt ^ word)
    drawn = mix(digest_A ^ salt)
    return drawn if digest_B is None else mix(drawn + digest_B)
