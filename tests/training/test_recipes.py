"""Shortlists: every kind of data has one, of encoders that exist and fit it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reccli import registry
from reccli.training.data_profile import DataProfile
from reccli.training.recipes import FEW_ROWS, LARGE_CATALOGUE, MANY_ITEMS, MANY_ROWS, SOME_ROWS, picked, shortlist

PROFILE = DataProfile("ranking", 1000, 500, 20_000, ordered=False, text=0.0, repeats=0.0)


def names(profile: DataProfile) -> list[str]:
    return [candidate.encoder for candidate in shortlist(profile)]


def test_order_brings_an_encoder_that_reads_it() -> None:
    assert "recency" not in names(PROFILE)
    assert names(replace(PROFILE, ordered=True))[0] == "recency"


def test_order_and_texts_bring_an_encoder_that_reads_both_where_rows_are_not_many() -> None:
    both = replace(PROFILE, ordered=True, text=0.9)
    assert names(both)[:2] == ["recency", "hybrid"]
    others = replace(both, rows=SOME_ROWS + 1), replace(both, ordered=False), replace(both, text=0.0)
    assert not any("hybrid" in names(other) for other in others)


def test_large_catalogues_leave_out_what_grows_with_them() -> None:
    large = names(replace(PROFILE, items=MANY_ITEMS + 1, rows=MANY_ROWS + 1))
    assert large == ["history", "slim", "spectral"]
    assert {"als", "lightgcn"} <= set(names(replace(PROFILE, items=MANY_ITEMS + 1)))
    assert "spectral" not in names(PROFILE)
    between = names(replace(PROFILE, items=LARGE_CATALOGUE + 1))
    assert between == ["ease", "history", "lightgcn", "als", "spectral", "item-knn"]
    assert names(replace(PROFILE, rows=FEW_ROWS + 1)) == ["ease", "history", "als", "item-knn"]


def test_ratings_with_texts_are_read_by_them() -> None:
    assert names(replace(PROFILE, task="rating")) == ["mf"]
    assert names(replace(PROFILE, task="rating", text=0.9)) == ["tastes", "mf"]


@pytest.mark.parametrize("task", ["ranking", "rating", "ctr"])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("text", [0.0, 1.0])
@pytest.mark.parametrize("items", [10, MANY_ITEMS + 1])
def test_every_list_names_encoders_whose_needs_are_met(task: str, ordered: bool, text: float, items: int) -> None:
    found = shortlist(DataProfile(task, 10, items, 100, ordered=ordered, text=text, repeats=0.0))
    has = {"history", "graph"} | ({"time"} if ordered else set()) | ({"text"} if text else set())
    has |= {"rating": {"ratings"}, "ctr": {"labels"}}.get(task, set())
    assert found
    for candidate in found:
        assert registry.load("encoder", candidate.encoder).needs <= has
        assert candidate.why


def test_what_was_picked_is_said_with_its_budget() -> None:
    facts = {"trainable": True, "best_epoch": 7, "stopped": "patience"}
    settings = {"loss": "infonce", "sampler": "uniform", "epochs": 30, "encoder_settings": {"dim": 64, "start": "auto"}}
    told = "loss infonce, negatives from uniform, dim 64, best epoch 7 of at most 30, stopped by patience"
    assert picked(settings, facts) == told
    settings = {"loss": "mse", "sampler": None, "epochs": 30, "encoder_settings": {}}
    told = "loss mse, no negatives to be drawn, best epoch 7 of at most 30, stopped by patience"
    assert picked(settings, facts) == told
    settings = {"encoder_settings": {"rank": 256, "neighbours": "auto"}}
    told = "rank 256, neighbours auto, one fit in closed form without loss, sampler or epochs"
    assert picked(settings, {"trainable": False}) == told
