"""A run that is several others mixed: it names them and their weights, and is asked like any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reccli.errors import ConfigError
from reccli.manifest import Manifest
from reccli.stages.common import Control, run_stage
from reccli.stages.ensemble import Ensemble
from reccli.stages.serving import Served
from reccli.workspace import Draft, Version, Workspace

__all__ = ["MIXTURE", "Mixture", "store_mixture"]

MIXTURE = "mixture"
"""The artifact that makes a version of finetune a mixture."""
ABILITIES = ("serves_new_users", "serves_new_items", "serves_user_texts", "users_by_text", "joint")


@dataclass(frozen=True)
class Mixture(Ensemble):
    """An ensemble that is stored as a run: name, version and facts are its own, vectors those of its runs."""

    # what it is called and known by is that of a run, not what follows from its members
    name, title, versions, facts = Served.name, Served.title, Served.versions, Served.facts


def store_mixture(
    workspace: Workspace,
    name: str,
    whole: Ensemble,
    *,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    control: Control,
) -> tuple[str, Version]:
    """Commit an ensemble as a run of its own; return what was done, and the run.

    Its files name runs and weights alone: vectors stay where they are.

    Args:
        workspace: Where its runs are.
        name: Of the new run.
        whole: Runs of one task and one set of parts, with weights above 0.
        settings: What determines it beside its runs.
        facts: What is known of it beside what follows from its runs.
        control: How to run; there is no plan of it, as its runs have to be there.

    Raises:
        ConfigError: It is to be planned.
    """
    import polars as pl

    versions: Sequence[Version] = whole.versions
    total = sum(whole.weights)
    weights = [round(weight / total, 9) for weight in whole.weights]
    table = pl.DataFrame(
        {
            "run": pl.Series([version.name for version in versions], dtype=pl.String),
            "fingerprint": pl.Series([version.fingerprint for version in versions], dtype=pl.String),
            "weight": pl.Series(weights, dtype=pl.Float64),
        }
    )

    def build(draft: Draft, manifest: Manifest) -> None:
        draft.write(MIXTURE, table)
        manifest.facts = _facts(whole) | {"mixture": dict(zip(table["run"], weights, strict=True))} | dict(facts)
        manifest.counts = {"runs": len(versions)}
        manifest.seed = versions[0].manifest.seed
        manifest.device = whole.device

    status, version, _ = run_stage(
        workspace,
        "finetune",
        name,
        settings={**settings, "weights": weights},
        parents=[*versions, whole.prepared.version],
        control=control,
        build=build,
    )
    if version is None:
        raise ConfigError("a mixture cannot be planned", hint="leave out --dry-run")
    return status, version


def _facts(whole: Ensemble) -> dict[str, Any]:
    """Return what other stages ask of a run, as far as it follows from the runs."""
    cold = int((~whole.reachable_I).sum())
    return {
        "task": whole.facts["task"],
        "similarity": "dot",
        "trainable": False,
        **{name: any(bool(member.facts.get(name)) for member in whole.members) for name in ABILITIES},
        "sparse_columns": None,
        "warm_items": len(whole.reachable_I) - cold,
        "cold_items": cold,
        "refit": any(bool(member.facts.get("refit")) for member in whole.members),
        "parts": list(whole.trained_parts),
        "best_epoch": 0,
        "epochs": 0,
        "stopped": MIXTURE,
    }
