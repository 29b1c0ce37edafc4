"""The shipped conformance checks on `spectral`, and its scores against literal sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from walks import ring_walks

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.spectral import Spectral
from reccli.errors import ConfigError
from reccli.testing import EncoderConformance


class TestSpectral(EncoderConformance):
    component = "spectral"
    settings: dict[str, Any] = {"rank": 4, "exponent": 0.5}


class TestSpectralAuto(EncoderConformance):
    component = "spectral"


class TestSpectralOneHop(EncoderConformance):
    component = "spectral"
    settings: dict[str, Any] = {
        "rank": 4,
        "exponent": 0.5,
        "l2": 0.2,
        "one_hop": 2.0,
        "item_power": 0.2,
        "neighbours": 5,
    }


class TestSpectralAllAuto(EncoderConformance):
    component = "spectral"
    settings: dict[str, Any] = {"l2": "auto", "one_hop": "auto", "recency": "auto"}


def some_data(users: int = 40, items: int = 24) -> tuple[np.ndarray, TrainingData]:
    draw = np.random.default_rng(5)
    matrix_UI = (draw.random((users, items)) < 0.25).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    user_E, item_E = np.nonzero(matrix_UI)
    return matrix_UI, TrainingData(Histories.from_arrays(user_E, item_E, n_users=users, n_items=items))


def powers(degree: np.ndarray, power: float) -> np.ndarray:
    return np.array([d**power if d else 0.0 for d in degree])


def scores(encoder: Spectral, histories: Histories) -> np.ndarray:
    dense_UI = encoder.export_users(histories).double().numpy() @ encoder.export_items().double().numpy().T
    users, items = encoder.export_sparse_users(histories), encoder.export_sparse_items()
    if users is None or items is None:
        assert users is None
        assert items is None
        return dense_UI
    return dense_UI + (users @ items.T).toarray()


def timed(user_E: np.ndarray, item_E: np.ndarray, *, ordered: bool) -> TrainingData:
    histories = Histories.from_arrays(
        user_E, item_E, n_users=user_E.max() + 1, n_items=item_E.max() + 1, time_E=np.arange(len(user_E))
    )
    return TrainingData(histories, ordered=ordered)


@pytest.mark.parametrize("one_hop", [0.0, 1.5])
def test_old_entries_count_less(one_hop: float) -> None:
    data = timed(np.array([0, 0, 0, 1, 1, 2, 2]), np.array([3, 1, 0, 1, 2, 0, 2]), ordered=True)
    settings = {"rank": 2, "exponent": 0.5, "one_hop": one_hop, "item_power": 0.2}
    encoders = [Spectral(Spectral.Settings(**settings, recency=recency)) for recency in (0.0, 0.7)]
    for encoder in encoders:
        encoder.setup(data, Context())
    plain, aging = encoders
    one_by_one = [Histories.from_arrays([0], [item], n_users=1, n_items=4) for item in (3, 1, 0)]
    expected = sum(
        scores(plain, single)[0] * (1 + age) ** -0.7 for single, age in zip(one_by_one, (2, 1, 0), strict=True)
    )
    np.testing.assert_allclose(scores(aging, data.train)[0], expected, rtol=1e-5, atol=1e-6)


def test_recency_needs_an_order() -> None:
    data = timed(np.array([0, 0, 1]), np.array([0, 1, 1]), ordered=False)
    with pytest.raises(ConfigError, match=r"encoder\.recency needs an order"):
        Spectral(Spectral.Settings(rank=1, exponent=0.5, recency=0.5)).setup(data, Context())


def test_recency_is_chosen_where_the_last_item_tells_the_next() -> None:
    lines: list[str] = []
    Spectral(Spectral.Settings(rank=32, exponent=0.5, recency="auto")).setup(
        ring_walks(ordered=True), Context(say=lines.append)
    )
    assert float(lines[0].split("recency ")[1].split()[0]) > 0


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("one_hop", [0.0, 1.5])
@pytest.mark.parametrize("exponent", [0.3, 0.5])
def test_scores_are_those_of_the_filters(l2: float, one_hop: float, exponent: float) -> None:
    matrix_UI, data = some_data()
    encoder = Spectral(
        Spectral.Settings(
            rank=6, exponent=exponent, l2=l2, one_hop=one_hop, user_power=0.8, item_power=0.2, neighbours=99
        )
    )
    encoder.setup(data, Context())
    degree_U, degree_I = matrix_UI.sum(1), matrix_UI.sum(0)
    normal_UI = powers(degree_U, -0.5)[:, None] * matrix_UI * powers(degree_I, -0.5)
    _, value, right = np.linalg.svd(normal_UI)
    low_II = np.zeros((24, 24))
    for r in range(6):
        strength = (1 + l2) * value[r] ** 2 / (value[r] ** 2 + l2)
        low_II += strength * np.outer(right[r], right[r])
    low_II = powers(degree_I, -exponent)[:, None] * low_II * powers(degree_I, exponent)
    hop_II = matrix_UI.T @ (powers(degree_U, -0.8)[:, None] * matrix_UI)
    hop_II = powers(degree_I, -exponent)[:, None] * hop_II * powers(degree_I, -0.2)
    hop_II *= degree_U.mean() ** (0.8 - 1) * degree_I[1:].mean() ** (exponent + 0.2 - 1)
    np.fill_diagonal(hop_II, 0)
    new_UI = np.roll(matrix_UI[:5], 1, axis=1)  # people who came later
    user_E, item_E = np.nonzero(new_UI)
    later = Histories.from_arrays(user_E, item_E, n_users=5, n_items=24)
    for histories, of_UI in ((data.train, matrix_UI), (later, new_UI)):
        np.testing.assert_allclose(
            scores(encoder, histories), of_UI @ (low_II + one_hop * hop_II), rtol=1e-4, atol=1e-4
        )


def test_few_neighbours_are_kept() -> None:
    _, data = some_data()
    encoder = Spectral(Spectral.Settings(rank=4, exponent=0.5, one_hop=1.0, item_power=0.2, neighbours=3))
    encoder.setup(data, Context())
    kept = encoder.export_sparse_items()
    assert kept is not None
    assert np.diff(kept.tocsc().indptr).max() == 3


def test_choices_are_said_and_repeatable() -> None:
    _, data = some_data(120, 60)
    lines: list[str] = []
    first, second = (Spectral(Spectral.Settings(l2="auto", one_hop="auto")) for _ in range(2))
    first.setup(data, Context(seed=1, say=lines.append))
    second.setup(data, Context(seed=1))
    assert len(lines) == 1
    assert lines[0].startswith("spectral: rank ")
    assert all(f", {name} " in lines[0] for name in ("exponent", "l2", "one_hop", "item_power"))
    np.testing.assert_array_equal(scores(first, data.train), scores(second, data.train))


def test_one_hop_is_chosen_where_neighbours_alone_tell() -> None:
    """Everyone meets the same few neighbours on a long ring, which few components cannot tell apart."""
    draw = np.random.default_rng(0)
    user_E = np.repeat(np.arange(400), 6)
    item_E = (np.repeat(draw.integers(300, size=400), 6) + np.tile(np.arange(6), 400)) % 300
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=400, n_items=300))
    lines: list[str] = []
    encoder = Spectral(Spectral.Settings(rank=4, exponent=0.5, one_hop="auto"))
    encoder.setup(data, Context(say=lines.append))
    assert "one_hop 0.0" not in lines[0]
    weights = encoder.export_sparse_items()
    assert weights is not None
    assert weights.nnz


def test_what_is_not_asked_for_is_not_stored() -> None:
    _, data = some_data()
    encoder = Spectral(Spectral.Settings(rank=4, exponent=0.5, recency=0.0))
    encoder.setup(data, Context())
    assert set(encoder.state_dict()) == {"item_IR", "history_IR"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0),
        ("rank", -3),
        ("l2", -1.0),
        ("one_hop", -2.0),
        ("recency", -0.5),
        ("exponent", -0.1),
        ("user_power", 2.5),
        ("item_power", 2.5),
    ],
)
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        Spectral.Settings(**{name: value})
