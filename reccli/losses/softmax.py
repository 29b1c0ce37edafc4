"""Cross-entropy over the whole catalogue. B batch rows, D embedding, I items."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import PluginError
from reccli.nn.log_sum import log_sum_exp
from reccli.nn.tables import look_up

__all__ = ["Softmax"]


class Softmax(Loss):
    """Pick a user's positive out of the whole catalogue (full softmax, multinomial likelihood).

    ::

        l_b = -s_b / t + log( sum over items i, without the user's other positives, of exp(s_bi / t) )

    with `s_bi` the similarity of user b and item i, `s_b` that of its positive, `t` the temperature.

    Args:
        settings.temperature: What similarities are divided by; 0.05 to 0.3 for cosines, about 1 for dot products.
        settings.mask_known: Leave the user's other positives out of the sum.
        settings.block: Scores held at a time; above it, blocks of rows are computed one after the other.

    Shapes:
        user_BD, table_ID, item_B, known_BI -> value_B.

    Notes:
        The positive's score is taken from `table_ID`, not from `positive_BD`. Above `block` scores, those of a block
        are thrown away and computed again in the backward pass: the scores in memory are bounded whatever the size of
        batch and catalogue, for a third more arithmetic. Not so the mask of known items: a byte for each row and item,
        unless rows share user vectors or `mask_known` is off.

        Where rows share user vectors (`groups`), the other positives in the batch stay in the sum and only those that
        the user vector was made of are left out.

    Paper:
        Liang, Krishnan, Hoffman, Jebara: Variational Autoencoders for Collaborative Filtering, WWW 2018,
        https://arxiv.org/abs/1802.05814, equation 2, one term per interaction.

    Pairs well with:
        Catalogues up to some 100,000 items; above that `infonce` with shared negatives. No sampler is used.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> import torch
        >>> table = torch.eye(3)
        >>> rest = torch.arange(3), torch.ones(3), torch.ones(3)
        >>> inputs = LossInputs(table, table, Similarity(), *rest, table_ID=table)
        >>> Softmax(Softmax.Settings(temperature=0.1))(inputs).value_B.round(decimals=3)
        tensor([0., 0., 0.])
    """

    class Settings(ComponentSettings):
        """Settings of `softmax`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What similarities are divided by: 0.05 to 0.3 for cosines, about 1 for dot products."""
        mask_known: bool = True
        """Leave the user's other positives out of the sum over the catalogue."""
        block: int = Field(default=1 << 24, ge=1)
        """Scores (rows times items) in memory at a time; 16,777,216 are 64 MiB in float32."""

    needs: ClassVar[frozenset[str]] = frozenset({"table"})
    uses_groups: ClassVar[bool] = True

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        self.masks_table = bool(self.settings.mask_known)

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's negative log probability of its positive."""
        if inputs.table_ID is None:
            raise PluginError("loss Softmax was called without table_ID, which its needs name")
        # Stored vectors rank and normalise once for all blocks; what they lack is constant per user and cancels.
        table_ID = inputs.similarity.stored_items(inputs.table_ID)
        groups, block = inputs.groups, self.settings.block
        user_RD, known_RI = (inputs.user_BD, inputs.known_BI) if groups is None else (groups.user_GD, groups.known_GN)
        user_RD = inputs.similarity.stored_users(user_RD) / self.settings.temperature
        total_R = log_sum_exp(user_RD, table_ID, None, known_RI if self.masks_table else None, block=block)
        if groups is not None:
            # Positives of the batch are not in the mask: together they are one multinomial draw, as in the paper.
            total_R, user_RD = total_R.index_select(0, groups.place_B), look_up(user_RD, groups.place_B)
        return LossOutput(total_R - (user_RD * look_up(table_ID, inputs.item_B)).sum(1))
