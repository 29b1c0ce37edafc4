"""Several objectives of pre-training as one task for the loop. B rows of a member's batch, N rows of a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reccli.api.component import Context
from reccli.api.objective import Objective, Pretrained
from reccli.errors import PluginError
from reccli.training.batching import row_batches, steps_of

__all__ = ["CombinedTask", "Member", "merged"]

SUM = "held_out_loss"


@dataclass(frozen=True)
class Member:
    """One objective of a combination.

    Args:
        name: Its name, without a distribution.
        objective: Set up before the task is made.
        weight: Factor on its loss.
        batch_size: Rows of its part of a step.
        rate: Factor on the learning rate.
        component: Its full name, as it is registered.
    """

    name: str
    objective: Objective
    weight: float = 1.0
    batch_size: int = 256
    rate: float = 1.0
    component: str = field(default="")


class CombinedTask:
    """The weighted sum of the members' losses; an epoch is one pass over the rows of each of them.

    ::

        loss of a step = sum over its members m of  weight_m * mean of m's losses on its own batch

    The member with the most batches takes part in every step; the batches of the others are spread evenly over the
    epoch. Every member's held-out metrics are reported under its name, and the weighted sum of the first ones chooses
    the epoch.

    Args:
        members: Trained objectives, set up; submodules that several of them share are held once.
        context: Seeds.
        label: What the progress display says.
    """

    def __init__(self, members: Sequence[Member], context: Context, *, label: str = "pretrain") -> None:
        self.members, self.context, self.label = members, context, label
        _hold_once([member.objective for member in members])
        self.module: nn.Module = nn.ModuleDict({member.name: member.objective for member in members})
        self.generators: Mapping[str, torch.Generator] = {}
        self.batch_size = max(member.batch_size for member in members)
        steps = max(steps_of(member.objective.n_rows, member.batch_size) for member in members)
        self.n_rows = steps * self.batch_size
        self.metric, self.higher_is_better = SUM, False

    def parameter_groups(self) -> Iterable[Mapping[str, Any]]:
        """Return the members' groups; what several of them train goes at the first one's rate."""
        seen: set[int] = set()
        for member in self.members:
            for group in member.objective.parameter_groups():
                own = [parameter for parameter in group["params"] if id(parameter) not in seen]
                seen.update(id(parameter) for parameter in own)
                yield {**group, "params": own, "lr_scale": group.get("lr_scale", 1.0) * member.rate}

    def begin_epoch(self, epoch: int) -> None:
        """Let every member begin."""
        for member in self.members:
            member.objective.begin_epoch(epoch)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Return the epoch's steps, each N2: which member, and which of its rows."""
        batches = [self._batches_of(member, epoch) for member in self.members]
        steps = max(map(len, batches), default=0)
        parts: list[list[Tensor]] = [[] for _ in range(steps)]
        for number, own in enumerate(batches):
            for place, row_B in enumerate(own):
                parts[place * steps // len(own)].append(torch.stack([torch.full_like(row_B, number), row_B], 1))
        return [torch.cat(step) for step in parts]

    def _batches_of(self, member: Member, epoch: int) -> list[Tensor]:
        generator = self.context.generator(f"{member.name} order of epoch {epoch}")
        batches = row_batches(torch.arange(member.objective.n_rows), member.batch_size, generator)
        return [row_B for row_B in batches if len(row_B) > 1 or len(batches) == 1]

    def loss(self, row_N2: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the weighted sum, and each member's loss."""
        losses: dict[str, Tensor] = {}
        total = torch.zeros(())
        for number, member in enumerate(self.members):
            row_B = row_N2[row_N2[:, 0] == number, 1]
            if not len(row_B):
                continue
            output = member.objective.loss(row_B)
            losses[member.name] = output.total(torch.ones_like(output.value_B))
            total = total.to(output.value_B.device) + member.weight * losses[member.name]
        return total, losses

    def validate(self) -> Mapping[str, float]:
        """Return the weighted sum of what the members measure on rows kept out, and all of that by member."""
        found: dict[str, float] = {}
        total, known = 0.0, False
        for member in self.members:
            metrics = member.objective.held_out()
            found |= {f"{member.name}.{name}": value for name, value in metrics.items()}
            for name, value in list(metrics.items())[:1]:
                known = True
                total += member.weight * (value if name.endswith("loss") else -value)
        return {SUM: total, **found} if known else found


def _hold_once(objectives: Sequence[Objective]) -> None:
    """Leave a submodule that several objectives have in the state of the first alone; the others keep a plain link."""
    seen: set[int] = set()
    for objective in objectives:
        for name, child in list(objective.named_children()):
            if id(child) in seen:
                delattr(objective, name)
                object.__setattr__(objective, name, child)
            seen.add(id(child))


def merged(found: Mapping[str, Pretrained]) -> Pretrained:
    """Return what several objectives hand on, as one; weights and metrics get the objective's name before theirs.

    Raises:
        PluginError: Two of them make different features of one name.
    """
    if len(found) == 1:
        return next(iter(found.values()))
    features: dict[str, dict[str, Any]] = {"item": {}, "user": {}}
    owner: dict[tuple[str, str], str] = {}
    tables: dict[str, Mapping[str, Sequence[Any]]] = {}
    for name, one in found.items():
        for kind, arrays in (("item", one.item_features), ("user", one.user_features)):
            for feature, array in arrays.items():
                if features[kind].setdefault(feature, array) is not array:
                    raise PluginError(
                        f"objectives '{owner[kind, feature]}' and '{name}' both make the {kind} feature '{feature}'",
                        hint="pre-train them in two runs",
                    )
                owner.setdefault((kind, feature), name)
        for table, columns in one.tables.items():
            if tables.setdefault(table, columns) is not columns:
                raise PluginError(f"objective '{name}' makes the artifact '{table}', which another one makes too")
    return Pretrained(
        item_features=features["item"],
        user_features=features["user"],
        weights={f"{name}.{key}": value for name, one in found.items() for key, value in one.weights.items()},
        metrics={f"{name}.{key}": value for name, one in found.items() for key, value in one.metrics.items()},
        tables=tables,
    )
