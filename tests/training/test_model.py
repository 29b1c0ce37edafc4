from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Batch, Context, Negatives, Similarity, TrainingData
from reccli.testing import checkerboard
from reccli.training.model import ScoringModel


def model_of(
    loss: str, similarity: str = "cosine", *, task: str = "ranking", encoder: str = "mf", **settings: Any
) -> Any:
    data = checkerboard(task=task, texts=False).data
    built = registry.create("encoder", encoder, {"dim": 5, "start": "random"})
    built.setup(data, Context(seed=2))
    model = ScoringModel(built, registry.create("loss", loss, settings), Similarity(similarity), data)
    return model.eval(), data


def batch_of(data: TrainingData, rows: list[int], negatives: Negatives) -> Batch:
    row_B = torch.tensor(rows)
    train = data.train
    columns = (train.user_E, train.item_E, train.value_E, train.weight_E)
    return Batch(row_B, *[torch.from_numpy(column[rows]) for column in columns], negatives)


ROWS = [0, 1, 2, 9, 10, 30]
SHARED = Negatives(shared_N=torch.tensor([3, 0, 5, 5, 8, 14]), log_q_N=torch.linspace(-3, -2, 6))


@pytest.mark.parametrize("similarity", ["dot", "cosine", "euclidean"])
@pytest.mark.parametrize("log_q", [False, True])
def test_infonce_scores_users_once_to_the_same_loss_and_gradient(similarity: str, log_q: bool) -> None:
    results = []
    for shared in (True, False):
        model, data = model_of("infonce", similarity, log_q=log_q)
        model.encoder.one_vector_per_user = shared
        total, _ = model.batch_loss(batch_of(data, ROWS, SHARED))
        total.backward()
        results.append((total.detach(), model.encoder.user_UD.grad, model.encoder.item_ID.grad))
    for once, each in zip(*results, strict=True):
        torch.testing.assert_close(once, each, rtol=1e-4, atol=1e-6)


def test_softmax_of_shared_users_leaves_out_what_is_known_and_not_in_the_batch() -> None:
    model, data = model_of("softmax", temperature=0.5)
    batch = batch_of(data, ROWS, Negatives())
    total, _ = model.batch_loss(batch)
    user, item = (
        torch.nn.functional.normalize(table.detach(), dim=1) for table in (model.encoder.user_UD, model.encoder.item_ID)
    )
    values = []
    for u, i in zip(batch.user_B.tolist(), batch.item_B.tolist(), strict=True):
        score = item @ user[u] / 0.5
        known = set(data.train.rows([u]).item_E.tolist())
        held = {b for a, b in zip(batch.user_B.tolist(), batch.item_B.tolist(), strict=True) if a == u}
        counted = [code for code in range(16) if code not in known - held]
        values.append(torch.logsumexp(score[counted], 0) - score[i])
    torch.testing.assert_close(total.detach(), torch.stack(values).mean(), rtol=1e-5, atol=1e-6)


def test_a_user_who_knows_all_negatives_has_no_gradient_but_no_nan() -> None:
    model, data = model_of("infonce")
    known = torch.from_numpy(data.train.rows([0]).item_E)
    total, _ = model.batch_loss(batch_of(data, [0, 1], Negatives(shared_N=known)))
    total.backward()
    assert total.item() == pytest.approx(0.0, abs=1e-6)
    assert bool(model.encoder.user_UD.grad.isfinite().all())


@pytest.mark.parametrize("encoder", ["mf", "history"])
@pytest.mark.parametrize(("task", "loss"), [("rating", "mse"), ("ctr", "bce")])
@pytest.mark.parametrize("similarity", ["dot", "cosine", "euclidean"])
def test_the_stored_product_is_the_prediction(encoder: str, task: str, loss: str, similarity: str) -> None:
    model, data = model_of(loss, similarity, task=task, encoder=encoder)
    with torch.no_grad():
        for p in model.values.parameters():
            p.add_(0.3)
    user, item = model.user_vectors(data.train), model.item_vectors()
    train = data.train
    got = (user[train.user_E] * item[train.item_E]).sum(1)
    values, bare = (
        model.values,
        model.similarity.pairs(
            model.encoder.export_users(data.train)[train.user_E], model.encoder.export_items()[train.item_E]
        ),
    )
    scale = values.log_scale.exp().item()
    bias_U = values.user_bias_of(train).numpy()
    expected = values.mean.item() + bias_U[train.user_E] + values.item_bias_I.detach().numpy()[train.item_E]
    np.testing.assert_allclose(got, expected + scale * bare.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_biases_of_histories_leave_the_rows_own_value_out() -> None:
    model, data = model_of("mse", "dot", task="rating", encoder="history")
    values, batch = model.values, batch_of(data, ROWS, Negatives())
    got = values.prediction_B(torch.zeros(len(ROWS)), batch).detach()
    bias_I, mean, train = values.item_bias_I.detach().numpy(), values.mean.item(), data.train
    for row, prediction in zip(ROWS, got.tolist(), strict=True):
        user = train.user_E[row]
        others = [e for e in range(len(train)) if train.user_E[e] == user and e != row]
        left = sum(train.value_E[e] - mean - bias_I[train.item_E[e]] for e in others)
        assert prediction == pytest.approx(mean + bias_I[train.item_E[row]] + left / (len(others) + 5.0), rel=1e-4)
