"""Places in the spectrum told by texts: against a slow regression, with folds that see nothing of their own items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from authors import world

from reccli.api import Batch, Context, Histories
from reccli.nn import text_estimate
from reccli.nn.spectral import item_scale, spectrum
from reccli.nn.text_estimate import Kernel, SpectralEstimate

torch.set_num_threads(1)


def fitted(train: Histories, base_ID: torch.Tensor, texts: list[str]) -> SpectralEstimate:
    estimate = SpectralEstimate(train)
    estimate.fit(base_ID, texts, scale=2.0, words=1.0, numbers=0.6, numpy_generator=Context(seed=1).numpy_generator)
    return estimate


def test_with_all_items_as_landmarks_it_is_kernel_ridge_regression() -> None:
    base_ID, texts, train = world()
    estimate = fitted(train, base_ID, texts)
    found = spectrum(train, text_estimate.RANK, generator=Context(seed=1).numpy_generator("estimate spectrum"))
    warm_W = np.flatnonzero(found.degree_I > 0)
    feature_IF = estimate.features(base_ID, texts).double()
    square_II = torch.cdist(feature_IF, feature_IF).square().numpy()
    near_II = np.exp(-text_estimate.WIDTH * square_II)
    target = found.item_IR[warm_W] * item_scale(found.degree_I, 0.5)[warm_W, None]
    dual = np.linalg.solve(near_II[np.ix_(warm_W, warm_W)] + text_estimate.RIDGE * np.eye(len(warm_W)), target)
    np.testing.assert_allclose(estimate.item_IR.numpy(), near_II[:, warm_W] @ dual, atol=2e-3)


def test_what_training_sees_of_an_item_comes_from_the_others() -> None:
    base_ID, texts, train = world()
    found = spectrum(train, 16, generator=np.random.default_rng(0))
    estimate = fitted(train, base_ID, texts)
    feature_IF = estimate.features(base_ID, texts)

    def told(item_IR: np.ndarray) -> torch.Tensor:
        changed = type(found)(found.user_UR, found.value_R, item_IR, found.degree_U, found.degree_I)
        return Kernel().fit(feature_IF, changed, np.random.default_rng(5))

    item = int(np.flatnonzero(found.degree_I > 0)[7])
    other_IR = found.item_IR.copy()
    other_IR[item] += 3.0
    before, after = told(found.item_IR), told(other_IR)
    torch.testing.assert_close(before[item], after[item], atol=1e-4, rtol=0)
    assert float((before - after).abs().max()) > 0.05


def test_rows_of_training_leave_their_own_positive_out() -> None:
    base_ID, texts, train = world()
    estimate = fitted(train, base_ID, texts)
    row = torch.tensor([0, 5, 17])
    user, item = torch.from_numpy(train.user_E)[row], torch.from_numpy(train.item_E)[row]
    batch = Batch(row, user, item, torch.ones(3), torch.ones(3))
    slow = []
    for number in range(3):
        mine = train.item_E[train.user_E == int(user[number])]
        slow.append(estimate.past_IR[mine[mine != int(item[number])]].mean(0))
    torch.testing.assert_close(estimate.of_rows(batch), torch.stack(slow), atol=1e-5, rtol=1e-4)


def test_a_state_goes_from_a_fitted_one_to_an_empty_one(tmp_path: Path) -> None:
    base_ID, texts, train = world()
    one, two = fitted(train, base_ID, texts), SpectralEstimate(train)
    for name, value in one.state_dict().items():
        owner, _, last = name.rpartition(".")
        setattr(two.get_submodule(owner), last, value.clone())
    torch.testing.assert_close(two.of_histories(train), one.of_histories(train))
    torch.testing.assert_close(two.of_texts(base_ID[:3], texts[:3])[0], one.of_texts(base_ID[:3], texts[:3])[0])
