"""Whether the runs that a recipe tried are better mixed than the best of them alone, and the mixture as a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reccli.artifacts import Prepared
from reccli.stages.common import Control
from reccli.stages.ensemble import Ensemble, ensemble_of
from reccli.stages.ensemble_weights import AUTO, weights_of
from reccli.stages.mixture import store_mixture
from reccli.stages.opening import known_parts, opened
from reccli.workspace import Version, Workspace

__all__ = ["Mixing", "mixing_of", "store_mixing"]

WITHIN = 0.8
"""Share of the best metric from which a run may take part."""
MOST = 4
"""Runs that are mixed: each costs as much as one run alone wherever lists are made."""
GAIN = 0.01
"""What a mixture has to gain, as a share of the best run alone: less is not worth its cost, and may be chance."""


@dataclass(frozen=True)
class Mixing:
    """Runs that are better together.

    Args:
        places: Which of the runs given, those with a weight alone.
        weights: One for each, as they add up to 1.
        metric: Validation metric.
        value: Of the mixture.
        alone: Of the best run by itself.
    """

    places: tuple[int, ...]
    weights: tuple[float, ...]
    metric: str
    value: float
    alone: float


def mixing_of(
    workspace: Workspace,
    prepared: Prepared,
    versions: Sequence[Version],
    values: Sequence[float],
    *,
    device: str,
    control: Control,
) -> Mixing | None:
    """Return the best mixture of some runs on validation, or None where the best alone is as good.

    Weights are chosen on validation as those of any ensemble: a hundred mixtures at the most at first, then those
    beside the best.

    Args:
        workspace: Where the choice of weights is stored.
        prepared: What the runs were trained on.
        versions: Runs for rankings, the best first.
        values: Their metric on validation, of which more is better.
        device: Torch device name.
        control: How to run.
    """
    good = [place for place, value in enumerate(values) if value >= WITHIN * values[0]][:MOST]
    if len(good) < 2:
        return None
    control.say(f"mixing {len(good)} of them by their scores")
    known = known_parts(prepared, "train")
    members = [opened(workspace, versions[place], prepared, known, device=device) for place in good]
    chosen = weights_of(workspace, members, (AUTO,), "score", control)
    value, alone = float(chosen.facts["value"]), max(float(one) for one in chosen.facts["alone"].values())
    told = f"mixed: valid {chosen.facts['metric']} {value:.4f} against {alone:.4f} of the best alone"
    if value < (1 + GAIN) * alone:
        control.say(f"{told}, which is kept: less than {GAIN:.0%} better")
        return None
    control.say(told)
    part = [(place, weight) for place, weight in zip(good, chosen.values, strict=True) if weight > 0]
    places, weights = zip(*part, strict=True)
    return Mixing(places, weights, str(chosen.facts["metric"]), value, alone)


def store_mixing(
    workspace: Workspace,
    prepared: Prepared,
    name: str,
    versions: Sequence[Version],
    mixing: Mixing,
    *,
    control: Control,
) -> tuple[str, Version]:
    """Make the mixture of some runs a run.

    Args:
        workspace: Where they are.
        prepared: What they were trained on.
        name: Of the new run.
        versions: The runs that take part, in the order of the weights.
        mixing: Weights, and what they were chosen by.
        control: How to run.
    """
    parts = tuple(str(part) for part in versions[0].manifest.facts["parts"])
    device = versions[0].manifest.device or "cpu"
    members = [opened(workspace, version, prepared, parts, device=device) for version in versions]
    whole = ensemble_of(members, mixing.weights)
    if not isinstance(whole, Ensemble):
        raise TypeError("one run is no mixture")
    refit = bool(versions[0].manifest.facts["refit"])
    encoders = [str(version.manifest.settings["encoder"]) for version in versions]
    settings: dict[str, Any] = {
        "encoder": " + ".join(encoders),
        "metric": mixing.metric,
        "refit": refit,
        "as_of": versions[0].manifest.settings.get("as_of"),
    }
    facts: dict[str, Any] = {
        "metric": None if refit else mixing.metric,
        "best_value": None if refit else mixing.value,
        "first_value": None,
        "train_value": None,
        "recipe": [version.name for version in versions],
    }
    return store_mixture(workspace, name, whole, settings=settings, facts=facts, control=control)
