"""Measure `reccli prepare` on ten million rows against the least that any script has to do.

Writes a file like MovieLens 10M, then runs, one after the other and several times in turn, as processes of their own

* a bare polars script that reads the file as strings, codes both ids and writes Parquet, and
* `reccli prepare`,

and prints both times, their ratio and the peak memory. Goal: at most 2.5 times as long, and under 3 GB.

usage: python examples/benchmarks/prepare_10m.py [--rows 10000000] [--repeats 3] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import sys
import polars as pl

frame = (
    pl.scan_csv(sys.argv[1], infer_schema=False)
    .with_columns(
        pl.col("userId").cast(pl.Categorical),
        pl.col("movieId").cast(pl.Categorical),
        pl.col("rating").cast(pl.Float32),
        pl.col("timestamp").cast(pl.Int64),
    )
    .collect(engine="streaming")
)
frame.with_columns(pl.col("userId", "movieId").to_physical()).write_parquet(sys.argv[2], compression="zstd")
"""


def write_ratings(path: Path, rows: int) -> None:
    """Write about as many ratings as asked for: long-tailed users and items, half stars, sorted by user and movie."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    users, movies = max(50, rows // 139), 10_681
    length = np.exp(rng.normal(4.3, 1.0, users))
    length = np.minimum(np.maximum(20, (length / length.sum() * rows * 1.13)).astype(np.int64), movies // 4)
    user = np.repeat(np.arange(1, users + 1), length)
    movie = (movies * rng.random(len(user)) ** 2.2).astype(np.int64)
    pair = np.unique(user * movies + movie)
    pair = np.sort(rng.permutation(pair)[:rows])
    user, movie = pair // movies, rng.permutation(movies)[pair % movies] + 1
    start = rng.integers(789_652_009, 1_231_131_736, users + 1)
    stamp = start[user] + rng.integers(0, 5_000_000, len(user))
    rating = rng.integers(1, 11, len(user)) / 2
    pl.DataFrame({"userId": user, "movieId": movie, "rating": rating, "timestamp": stamp}).write_csv(path)


def run(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return wall seconds, CPU seconds and peak memory in MB."""
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder without one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        ratings, workspace = folder / "ratings.csv", folder / "workspace"
        write_ratings(ratings, options.rows)
        print(f"ratings.csv: {ratings.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        script = folder / "bare.py"
        script.write_text(BARE, encoding="utf-8")
        commands = {
            "bare script": [sys.executable, str(script), str(ratings), str(folder / "bare.parquet")],
            "reccli prepare": [sys.executable, "-m", "reccli", "prepare", str(ratings), "-w", str(workspace)],
        }
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, command in commands.items():
                shutil.rmtree(workspace, ignore_errors=True)
                found[name].append(run(command))
        middle = {
            name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in found.items()
        }
        for name, (wall, cpu, memory) in middle.items():
            print(f"{name:15} {wall:6.2f} s wall  {cpu:6.2f} s CPU  {memory:6.0f} MB")
        bare, ours = middle["bare script"], middle["reccli prepare"]
        print(f"ratio           {ours[0] / bare[0]:6.2f} wall    {ours[1] / bare[1]:6.2f} CPU    (goal: 2.5, 3,000 MB)")


if __name__ == "__main__":
    main()
