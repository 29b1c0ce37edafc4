"""Made-up inputs for components: loss inputs, skewed data with cold items, batches.

B batch rows, N negatives, D embedding, I items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reccli.api import Batch, Histories, LossInputs, Similarity, TrainingData

__all__ = ["batch_of", "loss_inputs", "skewed_data"]


def loss_inputs(
    *,
    needs: frozenset[str] = frozenset({"negatives"}),
    own: bool = False,
    in_batch: bool = False,
    rows: int = 5,
    negatives: int = 6,
    items: int = 9,
    size: int = 4,
    similarity: str = "dot",
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
    seed: int = 0,
) -> LossInputs:
    """Draw inputs for a loss; embeddings are leaves that gather gradients.

    Args:
        needs: What the loss needs: `negatives`, `table`, `ratings`, `labels`.
        own: Whether negatives are each row's own, not shared.
        in_batch: Whether they are the batch's own positives; then N is B.
        rows: B.
        negatives: N.
        items: I, the catalogue's size.
        size: D.
        similarity: Name of the similarity.
        dtype: Type of all floating tensors.
        scale: Standard deviation of the embeddings.
        seed: Decides all draws.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)

    item_B = torch.randint(items, (rows,), generator=generator)
    grades = {"ratings": 1.0 + (4.99 * uniform(rows)).floor(), "labels": (uniform(rows) < 0.5).to(dtype)}
    target_B = next((grade for name, grade in grades.items() if name in needs), torch.ones(rows, dtype=dtype))
    shared, apart = "negatives" in needs and not own, "negatives" in needs and own
    table_ID, known_BI = (normal(items, size), uniform(rows, items) < 0.3) if "table" in needs else (None, None)
    if known_BI is not None:
        known_BI[torch.arange(rows), item_B] = False
    user_BD, positive_BD = normal(rows, size), normal(rows, size)
    negatives = rows if in_batch else negatives
    known_BN = uniform(rows, negatives) < 0.3 if shared or apart else None
    if in_batch and known_BN is not None:
        known_BN |= torch.eye(rows, dtype=torch.bool)
    drawn_ND = positive_BD.detach().clone().requires_grad_() if in_batch else normal(negatives, size)
    return LossInputs(
        user_BD=user_BD,
        positive_BD=positive_BD,
        similarity=Similarity(similarity),
        item_B=item_B,
        target_B=target_B,
        weight_B=torch.ones(rows, dtype=dtype),
        negative_ND=drawn_ND if shared else None,
        negative_BND=normal(rows, negatives, size) if apart else None,
        table_ID=table_ID,
        known_BN=known_BN,
        known_BI=known_BI,
        log_q_N=(0.05 + uniform(negatives)).log() - 3.0 if shared else None,
        n_items=items,
    )


def skewed_data(*, users: int = 40, items: int = 30, cold: int = 6, seed: int = 0) -> TrainingData:
    """Draw data with a long-tailed popularity; the last `cold` items have no interactions, nor has the last user."""
    rng = np.random.default_rng(seed)
    warm = items - cold
    share = 1.0 / np.arange(1, warm + 1)
    pairs: list[tuple[int, int]] = [(item % (users - 1), item) for item in range(warm)]
    for user in range(users - 1):
        met = rng.choice(warm, size=min(5, warm), replace=False, p=share / share.sum())
        pairs += [(user, int(item)) for item in met]
    user_E, item_E = np.array(sorted(set(pairs)), np.int64).T
    time_E = rng.permutation(len(user_E)).astype(np.int64) * 1_000_000
    return TrainingData(
        Histories.from_arrays(user_E, item_E, n_users=users, n_items=items, time_E=time_E), ordered=True
    )


def batch_of(data: TrainingData, rows: npt.ArrayLike | None = None) -> Batch:
    """Return training rows (all of them without `rows`) as a batch without negatives."""
    row_B = np.arange(len(data.train)) if rows is None else np.asarray(rows, np.int64)
    return Batch(
        row_B=torch.from_numpy(row_B),
        user_B=torch.from_numpy(data.train.user_E[row_B]),
        item_B=torch.from_numpy(data.train.item_E[row_B]),
        value_B=torch.from_numpy(data.train.value_E[row_B]),
        weight_B=torch.from_numpy(data.train.weight_E[row_B]),
    )
