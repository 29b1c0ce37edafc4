"""The recommend stage: exact top-k lists for all users, given users, or a history.

U users asked for, I items, K list length, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.artifacts import PARTS, Prepared
from reccli.errors import DataError, one_of
from reccli.manifest import Manifest
from reccli.settings import RecommendSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.stages.explain import reasons_for
from reccli.stages.serving import Served, open_run, popularity_scores
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    import polars as pl

__all__ = ["recommend"]

KNOWN_PARTS = {"now": PARTS, "test": ("train", "valid"), "valid": ("train",)}
HISTORY_USER = "history"


@dataclass(frozen=True)
class _Asked:
    """Who gets a list: their ids, known interactions and vectors, row by row."""

    ids: Sequence[str]
    histories: Histories
    vector_UD: npt.NDArray[np.float32]
    served_U: npt.NDArray[np.bool_]


def recommend(workspace: Workspace, settings: RecommendSettings, control: Control) -> StageResult:
    """List the best items.

    Users whose history the run cannot use get the popularity list, and the result says how many. Items that the run
    has no vector for are never listed, and counted too.

    Raises:
        MissingArtifactError: No finetune run.
        ConfigError: A history is given to an encoder that knows only its training users.
        DataError: A user or item id is not in the prepared data.
    """
    from reccli.training.device import resolve_device

    device = resolve_device(settings.device)
    served = open_run(workspace, settings.run, KNOWN_PARTS[settings.as_of], control, device=str(device))
    run = served.version
    facts: dict[str, Any] = {}

    def build(draft: Draft, manifest: Manifest) -> None:
        with control.task(f"recommend {run.name}", 3) as progress:
            asked = _ask(served, settings)
            progress.update(1)
            frame = _lists(served, asked, settings, str(device))
            progress.update(2)
            draft.write("recommendations", frame)
            progress.update(3)
        facts.update(_facts(served, asked, frame, settings))
        manifest.facts = facts
        manifest.device = str(device)
        manifest.counts = {"users": len(asked.ids), "rows": frame.height}

    status, version, why = run_stage(
        workspace,
        "recommend",
        run.name,
        settings=settings.determinants() | {"run": run.name},
        parents=[run, served.prepared.version],
        control=control,
        build=build,
    )
    shown = facts or (dict(version.manifest.facts) if version else {})
    lines = _lines(workspace, run, version, shown, status, settings)
    return StageResult("recommend", status, version, why, lines, shown)


def _ask(served: Served, settings: RecommendSettings) -> _Asked:
    prepared = served.prepared
    if settings.history:
        codes = _codes(prepared, "item", settings.history)
        order = np.arange(len(codes))  # the order given is the order in time
        histories = Histories.from_arrays(
            np.zeros(len(codes)), codes, n_users=1, n_items=prepared.items.height, time_E=order
        )
        return _Asked([HISTORY_USER], histories, served.encode(histories), np.ones(1, np.bool_))
    codes = _codes(prepared, "user", settings.users) if settings.users else np.arange(prepared.users.height)
    ids = prepared.users["user_id"].gather(codes).to_list()
    return _Asked(ids, served.histories.rows(codes), served.user_UD[codes], served.reachable_U[codes])


def _codes(prepared: Prepared, kind: str, ids: Sequence[str]) -> npt.NDArray[np.int64]:
    frame = prepared.users if kind == "user" else prepared.items
    known = frame[f"{kind}_id"].to_list()
    code_of = dict(zip(known, range(len(known)), strict=True))
    missing = [name for name in ids if name not in code_of]
    if missing:
        error = one_of(kind, missing[0], known, error=DataError)
        error.message = error.message.split(" (")[0]
        error.args = (error.message,)
        error.hint = (
            "an unseen user is served from a history: reccli recommend --history ITEM,ITEM" if kind == "user" else None
        )
        raise error
    return np.array([code_of[name] for name in ids], dtype=np.int64)


def _allowed(served: Served, settings: RecommendSettings) -> npt.NDArray[np.bool_]:
    allowed_I = served.reachable_I.copy()
    if settings.items_allow is not None:
        listed = np.zeros_like(allowed_I)
        listed[_codes(served.prepared, "item", settings.items_allow)] = True
        allowed_I &= listed
    if settings.items_deny:
        allowed_I[_codes(served.prepared, "item", settings.items_deny)] = False
    return allowed_I


def _lists(served: Served, asked: _Asked, settings: RecommendSettings, device: str) -> pl.DataFrame:
    import polars as pl

    from reccli.retrieval.topk import top_k

    allowed_I = _allowed(served, settings)
    seen = None if settings.include_seen else asked.histories
    item_UK, score_UK = top_k(
        asked.vector_UD, served.item_ID, k=settings.k, seen=seen, allowed_I=allowed_I, device=device
    )
    fallback = np.flatnonzero(~asked.served_U)
    if len(fallback):
        popular_ID = popularity_scores(served.histories)
        one_UD = np.ones((len(fallback), 1), np.float32)
        masked = None if seen is None else seen.rows(fallback)
        item_UK[fallback], score_UK[fallback] = top_k(
            one_UD, popular_ID, k=settings.k, seen=masked, allowed_I=allowed_I, device=device
        )
    row, rank = np.nonzero(item_UK >= 0)
    code = item_UK[row, rank]
    reason: Any = [None] * len(row)
    if settings.explain:
        titles = served.prepared.items.select(pl.coalesce("title", "item_id"))["title"].to_list()
        reason = reasons_for(item_UK, asked.histories, served.item_ID, titles)[row, rank].tolist()
    reason = pl.Series(reason, dtype=pl.String)
    if len(fallback):
        popular = ~asked.served_U[row]
        reason = pl.select(pl.when(pl.Series(popular)).then(pl.lit("popularity")).otherwise(reason)).to_series()
    return pl.DataFrame(
        {
            "user_id": pl.Series(asked.ids, dtype=pl.String).gather(row),
            "rank": (rank + 1).astype(np.uint32),
            "item_id": served.prepared.items["item_id"].gather(code),
            "title": served.prepared.items["title"].gather(code),
            "score": score_UK[row, rank],
            "reason": reason,
        }
    )


def _facts(served: Served, asked: _Asked, frame: pl.DataFrame, settings: RecommendSettings) -> dict[str, Any]:
    reachable = served.reachable_I
    return {
        "run": served.version.name,
        "users": len(asked.ids),
        "k": settings.k,
        "rows": frame.height,
        "as_of": settings.as_of,
        "refitted": set(served.parts) <= set(served.trained_parts),
        "popularity_users": int((~asked.served_U).sum()),
        "unreachable_items": int((~reachable).sum()),
        "catalogue": len(reachable),
    }


def _lines(
    workspace: Workspace,
    run: Version,
    version: Version | None,
    facts: dict[str, Any],
    status: str,
    settings: RecommendSettings,
) -> tuple[str, ...]:
    if not facts:
        return ()
    lines = [f"recommended by {run.name}  {facts['users']:,} users x {facts['k']}  {facts['rows']:,} rows"]
    if facts["popularity_users"]:
        lines.append(f"{facts['popularity_users']:,} users without a usable history got the popularity list")
    if not facts["refitted"]:
        lines.append(
            f"run {run.name} was not refitted on all that is known: it cannot reach {facts['unreachable_items']:,} of "
            f"{facts['catalogue']:,} items and {facts['popularity_users']:,} users; reccli finetune --refit mends that"
        )
    if version is not None and status == "done":
        lines.append(f"wrote {workspace.path}/recommend/{version.name} ({version.manifest.seconds:.1f} s)")
    return tuple(lines)
