"""Cached gradients: equal to the plain ones, also with dropout and generators of one's own, in less memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bert import tiny_bert
from torch import Tensor, nn

from reccli import registry
from reccli.api import Batch, Context, Negatives, Similarity
from reccli.testing import checkerboard
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel
from reccli.training.passes import cut_rows, in_passes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", dropout=0.2)


class Noisy(nn.Module):
    """Dropout, and noise of a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.dropout = nn.Dropout(0.4)
        self.noise = torch.Generator().manual_seed(5)

    def forward(self, x_BD: Tensor) -> Tensor:
        return self.linear(self.dropout(x_BD) + torch.randn(x_BD.shape, generator=self.noise).to(x_BD))


def contrast(vector_BD: Tensor) -> Tensor:
    half = len(vector_BD) // 2
    score = vector_BD[:half] @ vector_BD[half:].T
    return (score.logsumexp(1) - score.diag()).sum()


def run(encode: Callable[[Noisy, tuple[Tensor, ...]], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    module = Noisy().double()
    x_BD = torch.randn(10, 4, dtype=torch.float64)
    loss = contrast(encode(module, torch.split(x_BD, 3)))
    loss.backward()
    return loss.detach(), module.linear.weight.grad, torch.randn(2, generator=module.noise)


def literal(module: Noisy, pieces: tuple[Tensor, ...]) -> Tensor:
    """Keep everything: the graph that passes save."""
    return torch.cat([module(piece) for piece in pieces])


def test_gradients_equal_the_plain_ones_with_dropout_and_generators() -> None:
    plain = run(literal)
    cached = run(lambda module, pieces: in_passes(module, pieces, module))
    for first, second in zip(plain, cached, strict=True):
        torch.testing.assert_close(second, first, rtol=1e-12, atol=1e-12)


def test_gradients_equal_those_of_the_papers_three_steps() -> None:
    """Vectors without a graph, the loss's gradient with respect to them, and each piece again against its share."""
    torch.manual_seed(1)
    linear = nn.Linear(4, 3).double()
    pieces = torch.split(torch.randn(10, 4, dtype=torch.float64), 4)
    with torch.no_grad():
        vector_BD = torch.cat([linear(piece) for piece in pieces])
    vector_BD.requires_grad_(True)
    contrast(vector_BD).backward()
    start = 0
    for piece in pieces:
        (linear(piece) * vector_BD.grad[start : start + len(piece)]).sum().backward()
        start += len(piece)
    expected = linear.weight.grad.clone()
    linear.zero_grad()
    contrast(in_passes(linear, pieces, linear)).backward()
    torch.testing.assert_close(linear.weight.grad, expected, rtol=1e-12, atol=1e-12)


def batch_of(data: Any, negatives: Negatives | None = None) -> Batch:
    train, row_B = data.train, torch.arange(len(data.train))
    columns = (train.user_E, train.item_E, train.value_E, train.weight_E)
    negatives = negatives or Negatives(shared_N=torch.from_numpy(train.item_E), in_batch=True)
    return Batch(row_B, *[torch.from_numpy(column) for column in columns], negatives)


def gradients(folder: Path, micro_batch: int | None, *, training: bool, text_batch: int = 128) -> dict[str, Tensor]:
    data = checkerboard(users=12, items=12).data
    settings = {"path": str(folder), "train": "all", "text_batch": text_batch}
    encoder = registry.create("encoder", "bert", settings)
    encoder.setup(data, Context(seed=3))
    loss = registry.create("loss", "infonce", {"temperature": 0.1})
    model = ScoringModel(encoder, loss, Similarity("cosine"), data, Mechanics(micro_batch=micro_batch)).double()
    model.train(training)
    torch.manual_seed(4)
    encoder.begin_epoch(1)
    encoder.train()
    if not training:
        for part in encoder.source.tower.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    model.batch_loss(batch_of(data))[0].backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_text_model_without_dropout_gives_the_gradients_of_one_pass(folder: Path) -> None:
    whole, cached = gradients(folder, None, training=False), gradients(folder, 5, training=False)
    assert whole.keys() == cached.keys()
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 0.01
    for name, gradient in whole.items():
        torch.testing.assert_close(cached[name], gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_text_model_with_dropout_gives_the_gradients_of_the_same_passes_kept(folder: Path) -> None:
    kept = gradients(folder, None, training=True, text_batch=5)
    cached = gradients(folder, 5, training=True, text_batch=5)
    for name, gradient in kept.items():
        torch.testing.assert_close(cached[name], gradient, rtol=1e-6, atol=1e-9, msg=name)
    other = gradients(folder, None, training=False)
    assert any(not torch.allclose(other[name], gradient) for name, gradient in kept.items())


@pytest.mark.parametrize("name", ["mf", "history", "lightgcn"])
@pytest.mark.parametrize("in_batch", [True, False])
def test_every_encoder_is_cut_to_the_same_gradients(name: str, in_batch: bool) -> None:
    data = checkerboard(users=12, items=12, texts=False, ordered=name == "history").data
    negatives = None if in_batch else Negatives(own_BN=torch.arange(len(data.train) * 2).reshape(-1, 2) % 12)
    found = []
    for size in (None, 4):
        encoder = registry.create("encoder", name, {"dim": 5, "start": "random"})
        encoder.setup(data, Context(seed=2))
        loss = registry.create("loss", "infonce")
        model = ScoringModel(encoder, loss, Similarity("cosine"), data, Mechanics(micro_batch=size)).double()
        encoder.begin_epoch(1)
        model.batch_loss(batch_of(data, negatives))[0].backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    for key, gradient in found[0].items():
        torch.testing.assert_close(found[1][key], gradient, rtol=1e-6, atol=1e-9)


def test_what_is_kept_for_the_backward_pass_does_not_grow_with_the_batch() -> None:
    def kept(rows: int, size: int) -> int:
        held = [0]

        def count(tensor: Tensor) -> Tensor:
            held[0] += tensor.numel()
            return tensor

        torch.manual_seed(0)
        wide = nn.Sequential(nn.Linear(2, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 2))
        pieces = torch.split(torch.randn(rows, 2), size)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            in_passes(wide, pieces, wide)
        return held[0]

    assert kept(64, 64) > 64 * 512
    assert kept(640, 64) < kept(64, 64)


def test_users_stay_together_where_they_must() -> None:
    user_B = torch.tensor([3, 3, 1, 1, 1, 1, 1, 0, 2])
    batch = Batch(torch.arange(9), user_B, user_B, user_B.float(), user_B.float())
    assert [piece.user_B.tolist() for piece in cut_rows(batch, 3, whole_users=True)] == [
        [3, 3],
        [1, 1, 1, 1, 1],
        [0, 2],
    ]
    assert [len(piece) for piece in cut_rows(batch, 4, whole_users=False)] == [4, 4, 1]
    assert cut_rows(batch, None, whole_users=True) == [batch]
