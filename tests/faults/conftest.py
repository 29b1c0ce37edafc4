"""A small world, a driver on it, and a finished workspace."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from fault_driver import STAGES, Driver


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """A driver with a small world: 40 users of two tastes, 30 items."""
    data = tmp_path_factory.mktemp("data")
    home = tmp_path_factory.mktemp("home")
    draw = random.Random(5)
    rows = ["userId,movieId,rating,timestamp"]
    for user in range(40):
        liked = [item for item in range(30) if item % 2 == user % 2]
        rows += [
            f"u{user},m{item},{draw.randint(3, 5)},{1_000_000_000 + draw.randint(0, 10**7)}"
            for item in draw.sample(liked, 10)
        ]
    (data / "ratings.csv").write_text("\n".join(rows) + "\n")
    items = [f"m{item},Movie {item},{'war' if item % 2 else 'love'}" for item in range(30)]
    (data / "movies.csv").write_text("\n".join(["movieId,title,genres", *items]) + "\n")
    return Driver(data, home)


@pytest.fixture(scope="session")
def finished(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after all five stages with seed 1."""
    workspace = tmp_path_factory.mktemp("finished") / "ws"
    for stage in STAGES:
        done = driver.stage(stage, workspace)
        assert done.returncode == 0, f"{stage}: {done.stderr}"
    return workspace


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished workspace."""
    shutil.copytree(finished, tmp_path / "ws", symlinks=True)
    return tmp_path / "ws"
