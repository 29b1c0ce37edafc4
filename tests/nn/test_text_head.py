"""The ridge start of a head: its algebra, and a world in which only the regression can rank cold items."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories
from reccli.nn.text_head import _head, _regression, popularity_slope, ridge_head, tilted_items, tilted_users

torch.set_num_threads(1)


def world(*, informative: bool) -> tuple[torch.Tensor, Histories]:
    """Taste is one direction of the text vectors, drowned by 11 louder ones; or it is not in them at all."""
    rng = np.random.default_rng(0)
    taste_I, taste_U = rng.integers(0, 2, 200), np.arange(80) % 2
    loud = rng.standard_normal((200, 11)) * 2
    sign = taste_I if informative else rng.integers(0, 2, 200)
    table = np.concatenate([loud, (sign * 2 - 1)[:, None]], axis=1).astype(np.float32)
    likes_UI = (rng.random((80, 200)) < 0.3) & (taste_U[:, None] == taste_I[None])
    user, item = np.nonzero(likes_UI)
    return torch.from_numpy(table - table.mean(0)), Histories.from_arrays(user, item, n_users=80, n_items=200)


def test_products_are_those_of_text_and_estimate_side_by_side() -> None:
    base_ID, train = world(informative=True)
    regression_DR = _regression(base_ID, train, np.random.default_rng(1))
    head_DD = _head(regression_DR, 0.7)
    through_ID = base_ID + base_ID @ head_DD
    beside = torch.cat([base_ID, 0.7 * base_ID @ regression_DR], dim=1)
    torch.testing.assert_close(through_ID @ through_ID.T, beside @ beside.T, rtol=1e-3, atol=1e-3)
    assert torch.equal(_head(regression_DR, 0.0), torch.zeros(12, 12))


def test_the_regression_is_ridge_on_the_scaled_spectrum() -> None:
    base_ID, train = world(informative=True)
    matrix_UI = train.to_scipy("ones").toarray().astype(np.float64)
    degree_U, degree_I = matrix_UI.sum(1), matrix_UI.sum(0)
    warm = degree_I > 0
    scaled = matrix_UI[:, warm] / np.sqrt(np.outer(degree_U, degree_I[warm]))
    _, _, turned = np.linalg.svd(scaled, full_matrices=False)
    target = turned[:64].T * np.sqrt(degree_I[warm])[:, None]
    text = base_ID.double().numpy()[warm]
    gram = text.T @ text
    slow = np.linalg.solve(gram + 0.03 * np.diag(gram).mean() * np.eye(12), text.T @ target)
    slow *= np.linalg.norm(text, axis=1).mean() / np.linalg.norm(text @ slow, axis=1).mean()
    fast = _regression(base_ID, train, np.random.default_rng(1)).double().numpy()
    # Singular vectors are known up to signs (and the randomised ones approximately): compare the products.
    np.testing.assert_allclose(fast @ fast.T, slow @ slow.T, rtol=0.15, atol=0.02 * np.abs(slow @ slow.T).max())


def test_it_helps_where_texts_tell_and_steps_back_where_they_do_not() -> None:
    helped = ridge_head(*world(informative=True), Context(seed=1).numpy_generator)
    assert helped.strength > 0
    assert helped.value > helped.plain + 0.1
    loud = torch.eye(12)[0] @ helped.head_DD[0]
    assert float(helped.head_DD[11, 11]) > float(loud)
    assert "regressions" in helped.story
    assert helped.tilt_D.shape == (12,)
    useless = ridge_head(*world(informative=False), Context(seed=1).numpy_generator)
    assert useless.value < useless.plain + 0.05


@pytest.mark.parametrize("items", [0, 10])
def test_too_little_to_choose_by_is_the_identity(items: int) -> None:
    train = Histories.from_arrays(np.zeros(items), np.arange(items), n_users=2, n_items=20)
    found = ridge_head(torch.randn(20, 4), train, Context().numpy_generator)
    assert torch.equal(found.head_DD, torch.zeros(4, 4))
    assert torch.equal(found.tilt_D, torch.zeros(4))
    assert found.story == "head: starts from the frozen vectors as they are"


def test_the_seed_decides() -> None:
    base_ID, train = world(informative=True)
    one, two = (ridge_head(base_ID, train, Context(seed=3).numpy_generator).head_DD for _ in range(2))
    assert torch.equal(one, two)


def test_the_tilt_is_what_texts_tell_of_popularity() -> None:
    rng = np.random.default_rng(0)
    base_ID = rng.standard_normal((300, 6)).astype(np.float32)
    base_ID -= base_ID.mean(0)
    expected_I = np.exp(1.5 + 0.5 * base_ID[:, 2])
    item = np.repeat(np.arange(300), rng.poisson(expected_I))
    train = Histories.from_arrays(rng.integers(0, 40, len(item)), item, n_users=40, n_items=300)
    slope_D = popularity_slope(torch.from_numpy(base_ID), train)
    assert int(slope_D.abs().argmax()) == 2
    assert slope_D[2] > 0
    user, tilt = torch.randn(2, 6), torch.tensor([0.3, -0.1])
    item_ND = torch.randn(2, 6)
    score = tilted_users(user) @ tilted_items(item_ND, tilt).T
    torch.testing.assert_close(score, torch.nn.functional.cosine_similarity(user[:, None], item_ND[None], -1) + tilt)
    assert tilted_users(torch.zeros(1, 6)).abs().max() == 0
