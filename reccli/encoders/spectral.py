"""The spectrum of the interactions as a recommender. U users, I items, R components, E interactions, K list length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, Needs, Range, TrainingData
from reccli.nn.bounds import Amount, Count, Power
from reccli.nn.history_age import aged, require_order
from reccli.nn.history_matrix import history_matrix
from reccli.nn.one_hop import OneHop
from reccli.nn.sparse_choice import trial
from reccli.nn.sparse_table import SparseTable
from reccli.nn.spectral import fold_in, spectrum
from reccli.nn.spectral_filter import Filter, best_mixture, best_of_spectrum, filter_vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Spectral"]

RANKS = (32, 64, 128, 256, 512, 1024)
EXPONENTS = (0.2, 0.3, 0.4, 0.5, 0.6)
PENALTIES = (0.0, 0.1, 0.2, 0.4)
ONE_HOPS = (0.0, 1.0, 2.0, 4.0, 8.0)
ITEM_POWERS = (0.0, 0.1, 0.2, 0.3, 0.5)
RECENCIES = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5)
CHOOSING_USERS = 4096


class Spectral(Encoder):
    r"""Keep the smooth part of the interactions: a low-pass filter on the user-item graph, in closed form.

    ::

        N = D_u^(-1/2) X D_i^(-1/2) ~ P S Q^T          f_r = (1 + l) s_r^2 / (s_r^2 + l)
        user = sum over the history of c_j d_j^(-b) f^(1/2) q_j        item_i = d_i^b f^(1/2) q_i
        score = user . item + g sum over j in the history of c_j W_ji
        W_ji = c d_j^(-b) (sum over users of x_uj d_u^(-p) x_ui) d_i^(-q)

    with `X` the weighted interactions, `d_i` (`degree_I`) the weight of item i's interactions, `q_i` the item's row of
    the right singular vectors, `s` the singular values, `b` the exponent, `l` how soft the filter's edge is (`l2`; 0
    keeps or drops components as they are: the ideal low-pass filter), and `g` the weight of the filter of one hop
    (`one_hop`), a sparse part of the vectors; its constant `c` puts both parts in one unit (`reccli.nn.one_hop`). An
    entry of a history counts by `c_j = (1 + a_j)^(-r)`, with `a_j` the entries that came after it and `r` `recency`.

    Args:
        settings.rank: Components, 64 to 1,024, or `auto`.
        settings.exponent: How strongly popularity is taken out of histories and put into items, 0 to 0.6, or `auto`.
        settings.n_iter: Passes of the decomposition.
        settings.l2: How much components of smaller singular values count less, 0 to 0.4, or `auto`.
        settings.one_hop: Weight of the filter of one hop, 0 (none) to 8, or `auto`.
        settings.user_power: There: how much less a user with a long history counts, 0.5 to 1 (p).
        settings.item_power: There: how much popularity is taken out of the score, 0 to 0.5 (q), or `auto`.
        settings.neighbours: There: items kept for each item of a history, 50 to 2,000.
        settings.recency: How fast entries of a history count less with age, 0 (not at all) to 1.5, or `auto`.
        settings.held_out: Share of training rows held out where something is `auto`, 0.05 to 0.3.

    Shapes:
        histories -> UR; items -> IR; with `one_hop` also sparse, UI and II.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth (`held_out`)
        of the training rows out (the newest where there is an order), decomposes the rest once, compares truncations
        and exponents, then `one_hop` and `item_power`, then `l2`, then `recency` (0 without an order) on the part held
        out by NDCG@20, and decomposes all training rows; validation and test parts are never seen. Items without
        interactions get zeros. One hop reaches items that share users with the history and that the leading components
        miss; whether that helps depends on the data, so `auto` may choose 0. It costs `neighbours` entries an item.

    Paper:
        Shen, Wu, Zhang, Shan, Zhang, Letaief, Li: How Powerful is Graph Convolution for Recommendation?, CIKM 2021,
        https://arxiv.org/abs/2108.07567, section 4 (the ideal low-pass filter plus the linear one of one hop:
        p = 1, q = 1/2, l = 0).

    Pairs well with:
        Nothing: it has no loss. Its vectors are the start of `mf`, `lightgcn` and `history`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Spectral(Spectral.Settings(rank=1, exponent=0.5))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 1), (2, 1))
    """

    class Settings(ComponentSettings):
        """Settings of `spectral`."""

        rank: Annotated[Count | Literal["auto"], Choices(("auto", 64, 128, 256, 512))] = "auto"
        """Components: 64 to 1,024, or `auto` to choose among 32, 64, ... 1,024 on held-out training rows."""
        exponent: Annotated[Power | Literal["auto"], Choices(("auto", 0.0, 0.2, 0.4, 0.6))] = "auto"
        """Power of popularity between history and item: 0 to 0.6, or `auto` to choose like the rank."""
        n_iter: int = Field(default=3, ge=1, le=50)
        """Passes of the decomposition: 3, or more for digits that do not matter to rankings."""
        l2: Annotated[Amount | Literal["auto"], Choices(("auto", 0.0, 0.2))] = 0.0
        """How much components of smaller singular values count less: 0 to 0.4, or `auto`."""
        one_hop: Annotated[Amount | Literal["auto"], Choices(("auto", 0.0, 2.0))] = 0.0
        """Weight of the filter of one hop, a sparse part of the vectors: 0 (none) to 8, or `auto`."""
        user_power: Annotated[Power, Range(0.5, 1.0)] = 0.7
        """With `one_hop`: how much less a user with a long history counts, 0.5 to 1."""
        item_power: Annotated[Power | Literal["auto"], Choices(("auto", 0.2))] = "auto"
        """With `one_hop`: how much popularity is taken out of the score, 0 to 0.5, or `auto`."""
        neighbours: int = Field(default=400, ge=1)
        """With `one_hop`: items kept for each item of a history, 50 to 2,000."""
        recency: Annotated[
            Amount | Literal["auto"], Choices(("auto", 0.0, 0.4)), Needs("time", unless=("auto", 0.0))
        ] = "auto"
        """How fast entries of a history count less with age: 0 (not at all) to 1.5, or `auto`; needs an order."""
        held_out: float = Field(default=0.1, gt=0, lt=1)
        """Share of training rows held out where something is `auto`: 0.05 to 0.3."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_IR: Tensor
    history_IR: Tensor
    recency: Tensor | None
    table: SparseTable | None

    def dot_alone(self, task: str) -> bool:
        """Whether a sparse part may stand beside the dense one."""
        return bool(self.settings.one_hop)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then decompose all training rows.

        Raises:
            ConfigError: `recency` is given and there is no order to go by.
        """
        self.n_items = data.n_items
        if context.restoring:
            self._keep(np.zeros((data.n_items, 1), np.float32), np.zeros((data.n_items, 1), np.float32), 0.0)
            self.table = SparseTable() if self.settings.one_hop else None
            return
        require_order(self.settings.recency, ordered=data.ordered)
        chosen = self._choose(data, context)
        generator = context.numpy_generator("spectral")
        found = spectrum(data.train, chosen.rank, generator=generator, n_iter=self.settings.n_iter)
        self._keep(*filter_vectors(found, chosen), chosen.recency)
        self.table = SparseTable(self._weights(data.train, chosen)) if self.settings.one_hop else None

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR."""
        return torch.from_numpy(fold_in(self._aged(histories), self.history_IR.cpu().numpy()))

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_IR.cpu().square().sum(1) > 0

    def export_sparse_items(self) -> csr_matrix | None:
        """Return the weights by which items of a history speak for each item, II, or None without `one_hop`."""
        return None if self.table is None else self.table.matrix()

    def export_sparse_users(self, histories: Histories) -> csr_matrix | None:
        """Return the histories, UI, or None without `one_hop`."""
        return None if self.table is None else history_matrix(self._aged(histories))

    def _keep(self, item_IR: np.ndarray, history_IR: np.ndarray, recency: float) -> None:
        self.register_buffer("item_IR", torch.from_numpy(item_IR))
        self.register_buffer("history_IR", torch.from_numpy(history_IR))
        self.register_buffer("recency", torch.tensor(recency, dtype=torch.float64) if self.settings.recency else None)

    def _aged(self, histories: Histories) -> Histories:
        return histories if self.recency is None else aged(histories, float(self.recency))

    def _one_hop(self, histories: Histories, exponent: float) -> OneHop:
        return OneHop.of(histories, user_power=self.settings.user_power, history_power=exponent)

    def _weights(self, histories: Histories, chosen: Filter) -> csr_matrix:
        """Return the weights of one hop by which histories (columns) speak for each item (row), II."""
        hop = self._one_hop(histories, chosen.exponent)
        kept = self.settings.neighbours if chosen.one_hop else 0
        with np.errstate(over="ignore"):  # what is not finite is told where all vectors are looked at
            return (hop.weights(chosen.item_power, kept) * np.float32(chosen.one_hop)).T.tocsr()

    def _choose(self, data: TrainingData, context: Context) -> Filter:
        """Return what is given, and for what is not the best on training rows that are held out."""
        given = self.settings
        most = max(1, min(data.n_users, data.n_items) - 1)
        ranks = _up_to(RANKS, most) if given.rank == "auto" else [min(given.rank, most)]
        exponents = _tried(given.exponent, EXPONENTS)
        penalties, one_hops = _tried(given.l2, PENALTIES), _tried(given.one_hop, ONE_HOPS)
        powers = _tried(given.item_power, ITEM_POWERS) if any(one_hops) else [0.0]
        recencies = _tried(given.recency, RECENCIES) if data.ordered else [0.0]
        middle = Filter(
            rank=ranks[len(ranks) // 2],
            exponent=exponents[len(exponents) // 2],
            l2=penalties[0],
            one_hop=one_hops[0],
            item_power=powers[len(powers) // 2],
            recency=recencies[0],
        )
        if max(map(len, (ranks, exponents, penalties, one_hops, powers, recencies))) == 1:
            return middle if given.rank == "auto" else replace(middle, rank=given.rank)
        held = trial(data, context, "spectral", users=CHOOSING_USERS, share=given.held_out)
        if held is None:
            return middle
        found = spectrum(held.kept, ranks[-1], generator=context.numpy_generator("spectral"), n_iter=given.n_iter)
        best = best_of_spectrum(held, found, [replace(middle, exponent=exponent) for exponent in exponents], ranks)
        hop = self._one_hop(held.kept, best[1].exponent)
        pairs = [(g, q) for g, q in product(one_hops, powers) if g or q == powers[0]]
        if len(pairs) > 1:
            best = best_mixture(held, found, hop, [replace(best[1], one_hop=g, item_power=q) for g, q in pairs])
        if len(penalties) > 1:
            best = best_mixture(held, found, hop, [replace(best[1], l2=penalty) for penalty in penalties])
        if len(recencies) > 1:
            best = best_mixture(held, found, hop, [replace(best[1], recency=recency) for recency in recencies])
        context.say(_told(*best, given))
        return best[1]


def _tried(value: float | str, choices: Sequence[float]) -> Sequence[float]:
    return choices if isinstance(value, str) else [value]


def _told(value: float, chosen: Filter, given: Spectral.Settings) -> str:
    names = ["l2", *(["one_hop", "item_power"] if given.one_hop else []), "recency"]
    further = "".join(f", {name} {getattr(chosen, name)}" for name in names if getattr(given, name) == "auto")
    return (
        f"spectral: rank {chosen.rank}, exponent {chosen.exponent}{further} chosen "
        f"(ndcg@20 {value:.4f} on held-out training rows)"
    )


def _up_to(ranks: Sequence[int], most: int) -> list[int]:
    return [*[rank for rank in ranks if rank < most], min(most, ranks[-1])]
