"""A weighted sum of losses as one loss. B batch rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from reccli import registry
from reccli.api.batch import LossInputs, LossOutput
from reccli.api.loss import Loss
from reccli.training.parts import names_of, parts_of
from reccli.training.side_tasks import narrowed

__all__ = ["LossSum", "Traits", "build_loss", "traits_of"]


class Traits:
    """What several losses (classes or instances) ask of data and sampler together.

    Args:
        losses: At least one.
    """

    def __init__(self, losses: Sequence[Any]) -> None:
        self.losses = losses
        self.preferred_sampler = dict(losses[0].preferred_sampler) if len(losses) == 1 else {}
        self.in_batch = all(loss.in_batch for loss in losses)
        self.only_in_batch = any(loss.only_in_batch for loss in losses)
        self.uses_groups = all(loss.uses_groups for loss in losses)
        self.counts_negatives = all(loss.counts_negatives or "negatives" not in loss.needs for loss in losses)

    def needs_for(self, task: str) -> frozenset[str]:
        """Return all that any of them needs."""
        needs: frozenset[str] = frozenset().union(*(loss.needs_for(task) for loss in self.losses))
        return needs


def traits_of(text: str) -> Traits:
    """Return what the losses of a name as `infonce+directau:0.5` ask for."""
    return Traits([registry.load("loss", name) for name in names_of("loss", text)])


def build_loss(text: str, settings: Mapping[str, Any], task: str) -> Loss:
    """Build a loss, or the sum of several.

    Args:
        text: A name, or several with weights, as `infonce+directau:0.5`.
        settings: Settings by name; of several, see `parts_of`.
        task: What is trained for.
    """
    parts = parts_of("loss", text, settings)
    members = [(part.name, registry.create("loss", part.component, part.values), part.weight) for part in parts]
    return members[0][1] if len(members) == 1 else LossSum(members, task)


class LossSum(Loss):
    """The weighted sum of several losses over the same vectors.

    ::

        l_b = sum over losses m of  w_m * l_mb,    terms alike

    It needs what any of them needs, and each sees what it would see alone, except that scores are taken once per user
    (`uses_groups`) only where all of them can. The value of each (rows and terms, without its weight) is reported under
    its name.

    Args:
        members: Names, losses and weights.
        task: What is trained for, which decides what a loss needs.
    """

    def __init__(self, members: Sequence[tuple[str, Loss, float]], task: str) -> None:
        super().__init__()
        self.task, self.traits = task, Traits([loss for _, loss, _ in members])
        self.members = nn.ModuleDict({name: loss for name, loss, _ in members})
        self.weights = {name: weight for name, _, weight in members}
        self.masks_table = any(loss.masks_table for _, loss, _ in members)
        for trait in ("in_batch", "only_in_batch", "uses_groups", "counts_negatives"):
            setattr(self, trait, getattr(self.traits, trait))

    def needs_for(self, task: str) -> frozenset[str]:  # type: ignore[override]
        """Return all that its losses need."""
        return self.traits.needs_for(task)

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the sum, and each loss's own value as a part."""
        value_B = inputs.user_BD.new_zeros(len(inputs.user_BD))
        terms: dict[str, Tensor] = {}
        parts: dict[str, Tensor] = {}
        for name, loss, weight in self._weighed():
            output = loss(narrowed(inputs, loss.needs_for(self.task)))
            value_B = value_B + weight * output.value_B
            terms |= {f"{name}.{term}": weight * value for term, value in output.terms.items()}
            parts |= {f"{name}.{part}": value for part, value in output.parts.items()}
            parts[name] = output.total(inputs.weight_B.to(output.value_B.dtype))
        return LossOutput(value_B, terms, parts)

    def _weighed(self) -> Iterator[tuple[str, Loss, float]]:
        for name, loss in self.members.items():
            yield name, cast(Loss, loss), self.weights[name]
