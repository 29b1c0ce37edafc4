"""Whether pre-training helped, told from a comparison of a run that started from it with one that did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reccli.manifest import Manifest

__all__ = ["transfer_facts", "transfer_line"]

PREFERRED = ("ndcg", "recall", "hit", "mrr")
OWN = frozenset({"name", "pretrained", "encoder_path", "path"})
"""Settings in which a run with and one without pre-training differ by themselves: which weights they start from."""


def transfer_facts(runs: Sequence[tuple[str, Manifest]]) -> dict[str, Any]:
    """Return which of two runs started from pre-training, from which, and in what else they differ; else nothing.

    Args:
        runs: Name and manifest of each run that is compared.
    """
    started = [manifest.facts.get("pretrained") for _, manifest in runs]
    if len(runs) != 2 or sum(name is not None for name in started) != 1:
        return {}
    place = 0 if started[0] is not None else 1
    one, other = (_flat(manifest.settings) for _, manifest in runs)
    # A setting that one run does not know is of another version of reccli.
    foreign = (key for key in one.keys() & other.keys() if key not in OWN)
    differing = sorted(key for key in foreign if one[key] != other[key])
    return {
        "with": runs[place][0],
        "without": runs[1 - place][0],
        "pretrained": started[place],
        "differing": differing,
    }


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the model's folder taken out of those of components."""
    return {
        key: {inner: entry for inner, entry in value.items() if inner not in OWN} if isinstance(value, dict) else value
        for key, value in settings.items()
    }


def transfer_line(facts: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]) -> str | None:
    """Return one sentence: whether pre-training helped, hurt, or neither beyond chance, and by how much.

    Args:
        facts: Of `transfer_facts`.
        differences: Rows of the artifact `differences`, of the first run to the second.
    """
    rows = [row for row in differences if {row["run"], row["against"]} == {facts.get("with"), facts.get("without")}]
    row = min(rows, key=_rank, default=None)
    if row is None or row["low"] is None or row["high"] is None:
        return None
    sign = 1.0 if row["run"] == facts["with"] else -1.0
    low, high = sorted((sign * row["low"], sign * row["high"]))
    verdict = "helped" if low > 0 else "hurt" if high < 0 else "made no difference beyond chance"
    metric = row["metric"] if row["k"] is None else f"{row['metric']}@{row['k']}"
    line = (
        f"pre-training ({facts['pretrained']}) {verdict}: {metric} {sign * row['difference']:+.4f} "
        f"[{low:+.4f} {high:+.4f}] of {facts['with']} over {facts['without']}"
    )
    if facts["differing"]:
        line += f"; they differ in {', '.join(facts['differing'])} too, so it need not be the reason"
    return line


def _rank(row: Mapping[str, Any]) -> tuple[int, int]:
    metric = row["metric"]
    return (PREFERRED.index(metric) if metric in PREFERRED else len(PREFERRED), row["k"] or 0)
