"""Every metric against values worked out by hand, and the edges that its docstring promises."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from reccli.registry import create, names

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


def number(text):
    return eval(text, {"__builtins__": {}, "l": math.log2, "log": math.log, "sqrt": math.sqrt})


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name_at_k", GOLDEN["ranking"]["expected"])
def test_ranking(name_at_k):
    name, k = name_at_k.split("@")
    hit_UK = np.array(GOLDEN["ranking"]["hit"], dtype=bool)
    got = create("metric", name).per_user(hit_UK, np.array(GOLDEN["ranking"]["n_relevant"]), int(k))
    assert got.dtype == np.float64
    close(got, [number(text) for text in GOLDEN["ranking"]["expected"][name_at_k]])


@pytest.mark.parametrize(
    ("case", "name"),
    [(case, name) for kind in ("rating", "label") for case in GOLDEN[kind] for name in case["expected"]],
)
def test_rows(case, name):
    truth, guess = case.get("target", case.get("label")), case.get("prediction", case.get("probability"))
    metric = create("metric", name, case.get("settings", {}).get(name, {}))
    got = metric.value(np.array(truth, np.float64), np.array(guess, np.float64))
    assert type(got) is float
    close(got, number(case["expected"][name]))


@pytest.mark.parametrize("name_at_k", GOLDEN["catalogue"]["expected"])
def test_catalogue(name_at_k):
    name, k = name_at_k.split("@")
    golden = GOLDEN["catalogue"]
    got = create("metric", name).value(
        np.array(golden["item"]), np.array(golden["train_count"]), golden["n_train_users"], int(k)
    )
    assert type(got) is float
    close(got, number(golden["expected"][name_at_k]))


def test_every_built_in_metric_is_in_the_golden_file():
    covered = {key.partition("@")[0] for kind in ("ranking", "catalogue") for key in GOLDEN[kind]["expected"]}
    covered |= {name for kind in ("rating", "label") for case in GOLDEN[kind] for name in case["expected"]}
    assert covered == {
        name for name in names("metric") if type(create("metric", name)).__module__.startswith("reccli.")
    }


@pytest.mark.parametrize(
    ("name", "better"),
    [("ndcg", True), ("auc", True), ("rmse", False), ("log-loss", False), ("gini", False), ("click-ratio", None)],
)
def test_says_which_way_is_better(name, better):
    assert create("metric", name).higher_is_better is better
