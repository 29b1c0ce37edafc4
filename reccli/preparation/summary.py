"""What `prepare` says about its result, from the manifest's facts and counts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["result_lines"]

GAP = "   "
ROLES = ("user", "item", "value", "time", "event", "part")


def result_lines(facts: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """Write the result for people: the files, the account of rows, the split and what leaks."""
    lines = [GAP.join(_file(entry) for entry in facts["files"])]
    density = f"{100 * facts['density']:.2f} %"
    lines.append(
        f"kept {counts['kept']:,}  dropped {counts['dropped']:,}{_reasons(counts)}{GAP}"
        f"{facts['n_users']:,} users  {facts['items_with_interactions']:,} items  density {density}"
    )
    first, *rest = facts["leakage"]
    lines.append(f"split {facts['split']['label']}, {first}")
    lines += rest
    parts = [f"{name} {counts[name]:,}" for name in ("train", "valid", "test", "history") if counts.get(name)]
    lines.append(f"task {facts['task']}{GAP}" + "  ".join(parts))
    return lines


def _file(entry: Mapping[str, Any]) -> str:
    """One file: rows, delimiter, and the columns with their roles."""
    if entry["kind"] == "items":
        text = f"text from {', '.join(entry['text'])}" if entry["text"] else "no text"
        return f"{entry['name']}  {entry['rows']:,} items, {text}"
    if entry["kind"] in ("users", "triples"):
        return f"{entry['name']}  {entry['rows']:,} {entry['kind']}"
    pieces = [entry["name"], f"{entry['rows']:,} rows"]
    pieces += [entry["found"][key] for key in ("delimiter",) if entry["found"].get(key)]
    return "  ".join(
        [*pieces, " ".join(_role(role, entry["roles"][role], entry) for role in ROLES if role in entry["roles"])]
    )


def _role(role: str, column: str, entry: Mapping[str, Any]) -> str:
    if role == "time":
        return f"{column}({entry['time_unit']})"
    if role in ("user", "item"):
        return column if column == role else f"{column}>{role}"
    return column


def _reasons(counts: Mapping[str, int]) -> str:
    reasons = {name.removeprefix("dropped."): count for name, count in counts.items() if name.startswith("dropped.")}
    return f" ({', '.join(f'{reason} {count:,}' for reason, count in reasons.items())})" if reasons else ""
