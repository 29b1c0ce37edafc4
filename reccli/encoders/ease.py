"""EASE as vectors: the item-item ridge regression without its diagonal, solved in the spectrum of the interactions.

U users, I items, R components, V words, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from reccli.api import Context, Encoder, Histories, TrainingData
from reccli.nn.collective_ease import CollectiveEase
from reccli.nn.ease_settings import EaseSettings

__all__ = ["Ease"]


class Ease(CollectiveEase, Encoder):
    r"""Predict each item from the rest of the history by ridge regression, with an item never predicting itself.

    ::

        B = argmin |X' - X' B|^2 + l |B|^2   with diag(B) = 0      score(u, i) = sum over j in the history of c_j B_ji

        X' = [D_u^(-p) X ; T] ~ P S V^T       f_r = s_r^2 / (s_r^2 + l)
        user = sum over the history of c_j f^(1/2) v_j    item_i = f^(1/2) v_i / (1 - sum over r of f_r v_ir^2)

    with `X` the weighted interactions, `T` the words of the items' texts (below), `v_i` the item's row of the right
    singular vectors, `s` the singular values, `l` the penalty (`settings.l2` times the largest `s^2`), `p` the power
    of the users' degrees, and `c_j` the weight of the entry, where there is an order times `(1 + a_j)^(-r)`, with `a_j`
    the entries that came after it and `r` the setting `recency`. For every item that is not in the history, the dot
    product of user and item IS EASE's score: the inverse of the regularised Gram matrix is `(1 - V f V^T) / l`, and its
    unit part only reaches items of the history. So with all components this is the exact closed form, without an I x I
    matrix; with fewer it is the closed form of the truncated Gram matrix.

    Where items have texts, each word is one more row, as a user who has met the items whose texts have it: row w of `T`
    holds the weight of w in each text (`reccli.nn.vocabulary`, unit texts), so scaled that a whole text counts as much
    as `settings.words` interactions. Items with few interactions borrow from those with the same words, and items that
    nobody met are predicted by their words alone. An item that comes later is no column of `X'`, so nothing of it is to
    be taken out: it is predicted from all items there are, as one more column would be:

    ::

        item = f^(1/2) v        v = t T' P / s

    Args:
        settings.rank: Components; with at least as many as users or items, exact.
        settings.l2: Penalty relative to the largest eigenvalue of the Gram matrix, 0.0005 to 0.1, or `auto`.
        settings.user_power: How much less a row of a user with a long history counts, 0 to 0.5, or `auto`.
        settings.words: How many interactions the words of an item count as, 2 to 32, 0 for none, or `auto`.
        settings.recency: How fast entries of a history count less with age, 0 to 1.5, or `auto`; needs an order.
        settings.vocabulary: Words kept, those that most texts have.
        settings.n_iter: Passes of the decomposition.

    Shapes:
        histories -> UR; items -> IR; texts of new items -> NR.

    Raises:
        ConfigError: `words` is a number above 0, and the items have no texts; `recency` is, and there is no order.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth of the training
        rows out (the newest where there is an order) and compares by NDCG@20; validation and test parts are never seen.
        Powers are compared with up to 1,024 components, where users are few and without an order on three such draws;
        words, and penalties of more components, on the first, and `recency` last. Of penalties and ages those beside
        the best so far are tried, as long as that gains. Items with neither interactions nor a known word get zeros.
        The first paper has p = 0, no words and no ages. Where the spectrum of a large catalogue does not end with
        `rank`, `slim` keeps the strongest weights instead.

    Paper:
        Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, https://arxiv.org/abs/1905.03375,
        equations 6 to 8. Words as rows: Jeunen, Van Balen, Goethals: Closed-Form Models for Collaborative Filtering
        with Side-Information, RecSys 2020, https://doi.org/10.1145/3383313.3418480 (Collective EASE).

    Pairs well with:
        Nothing: it has no loss.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Ease(Ease.Settings(l2=0.1, user_power=0.0))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 2), (2, 2))
    """

    class Settings(EaseSettings):
        """Settings of `ease`."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True

    @property
    def serves_new_items(self) -> bool:  # type: ignore[override]
        """Whether words count, in what was solved or loaded."""
        return self.knows_words

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then solve on all training rows."""
        self.n_items = data.n_items
        self.solve(data, context, self.settings)

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR."""
        return self.of_histories(histories)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, NR on the CPU."""
        return self.of_texts(texts)

    def warm_items(self) -> Tensor:
        """Return which items have been met in training, or have known words."""
        return self.item_IR.cpu().square().sum(1) > 0
