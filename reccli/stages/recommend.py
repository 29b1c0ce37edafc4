"""The recommend stage: exact top-k lists for all users, given users, a history, or a user who says what is wanted.

U users asked for, J items (those of the catalogue, and new ones behind it), K list length, D embedding.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.artifacts import PARTS
from reccli.errors import ConfigError
from reccli.manifest import Input, Manifest
from reccli.retrieval.fusion import DEPTH, fused_top_k
from reccli.settings import RecommendSettings
from reccli.stages.asking import Asked, ask, codes_of
from reccli.stages.common import Control, StageResult, run_stage
from reccli.stages.ensemble import Ensemble, ensemble_of
from reccli.stages.ensemble_weights import weights_of
from reccli.stages.explain import reasons_for
from reccli.stages.new_items import NewItems, Shelf, read_new_items, shelf
from reccli.stages.opening import open_run
from reccli.stages.reranking import check_reranker, reranked
from reccli.stages.serving import Served, popularity_scores
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    import polars as pl

__all__ = ["recommend"]

KNOWN_PARTS = {"now": PARTS, "test": ("train", "valid"), "valid": ("train",)}


def recommend(workspace: Workspace, settings: RecommendSettings, control: Control) -> StageResult:
    """List the best items, by one run or by an ensemble of several.

    Users whose history the run cannot use get the popularity list, and the result says how many. Items that the run
    has no vector for are never listed, and counted too. Items that came after training are listed by their texts.

    Raises:
        MissingArtifactError: No finetune run, or runs of different prepared data.
        ConfigError: Settings contradict each other, or ask for what the run's encoder cannot: a history or a text
            of a user, or new items.
        DataError: A user or item id is not in the prepared data, or the file of new items is refused.
    """
    from reccli.training.device import resolve_device

    _check(settings)
    device = resolve_device(settings.device)
    parts = KNOWN_PARTS[settings.as_of]
    members = [open_run(workspace, run, parts, control, device=str(device)) for run in settings.run or (None,)]
    weights = weights_of(workspace, members, settings.weights, settings.mix, control)
    served = ensemble_of(members, weights.values, settings.mix)
    if weights.told is not None:
        control.say(weights.told)
    reranker = _reranker(workspace, served, settings, control, str(device))
    new = _new_items(served, settings, control)
    facts: dict[str, Any] = {}

    def build(draft: Draft, manifest: Manifest) -> None:
        with control.task(f"recommend {served.title}", 3) as progress:
            asked = ask(served, settings)
            progress.update(1)
            stock = shelf(served, new, only_new=settings.only_new)
            frame = _lists(served, asked, stock, settings, str(device), reranker, new)
            progress.update(2)
            draft.write("recommendations", frame)
            progress.update(3)
        facts.update(_facts(served, asked, stock, frame, settings))
        manifest.facts = facts
        manifest.device = str(device)
        manifest.counts = {"users": len(asked.ids), "rows": frame.height}

    status, version, why = run_stage(
        workspace,
        "recommend",
        served.name,
        settings=settings.determinants()
        | {"run": [run.name for run in served.versions], "weights": list(weights.values)},
        inputs={} if new is None else {"new items": Input(sha256=new.sha256, path=str(new.path))},
        parents=[*served.versions, *([] if reranker is None else reranker.versions), served.prepared.version],
        control=control,
        build=build,
    )
    shown = facts or (dict(version.manifest.facts) if version else {})
    lines = _lines(workspace, served, version, shown, status, settings)
    return StageResult("recommend", status, version, why, lines, shown)


def _check(settings: RecommendSettings) -> None:
    given = [name for name in ("users", "history", "user_text") if getattr(settings, name)]
    if len(given) > 1:
        flags = {"users": "--user", "history": "--history", "user_text": "--user-text"}
        raise ConfigError(f"{' and '.join(flags[name] for name in given)} say who gets a list: give one of them")
    if settings.user_text is not None and not settings.user_text.strip():
        raise ConfigError("--user-text is empty", hint="say what is wanted: --user-text 'films about space'")
    if settings.only_new and settings.new_items is None:
        raise ConfigError("--only-new lists new items, and none are given", hint="reccli recommend --items FILE")
    if settings.rerank is not None and (settings.history or settings.user_text or settings.new_items):
        raise ConfigError("--rerank needs users and items of the data: not --history, --user-text or --items")


def _reranker(
    workspace: Workspace, served: Served, settings: RecommendSettings, control: Control, device: str
) -> Served | None:
    if settings.rerank is None:
        return None
    found = open_run(workspace, settings.rerank, KNOWN_PARTS[settings.as_of], control, device=device)
    check_reranker(found, served)
    return found


def _new_items(served: Served, settings: RecommendSettings, control: Control) -> NewItems | None:
    if settings.new_items is None:
        return None
    served.require("serves_new_items")
    with tempfile.TemporaryDirectory(prefix="reccli-") as scratch:
        new = read_new_items(Path(settings.new_items), served.prepared, scratch=Path(scratch))
    for line in new.notes:
        control.warn(line)
    return new


def _allowed(stock: Shelf, settings: RecommendSettings) -> npt.NDArray[np.bool_]:
    allowed_J = stock.reachable_J.copy()
    if settings.items_allow is not None:
        listed = np.zeros_like(allowed_J)
        listed[codes_of("item", settings.items_allow, stock.ids)] = True
        allowed_J &= listed
    if settings.items_deny:
        allowed_J[codes_of("item", settings.items_deny, stock.ids)] = False
    return allowed_J


def _lists(
    served: Served,
    asked: Asked,
    stock: Shelf,
    settings: RecommendSettings,
    device: str,
    reranker: Served | None,
    new: NewItems | None,
) -> pl.DataFrame:
    import polars as pl

    from reccli.retrieval.topk import top_k

    allowed_J = _allowed(stock, settings)
    seen = None if settings.include_seen else replace(asked.histories, n_items=stock.n_items)
    k = settings.k if reranker is None else max(settings.k, settings.rerank_depth)
    if isinstance(served, Ensemble) and served.mix == "rank":
        item_UK, score_UK = _by_rank(served, settings, new, allowed_J, k, device)
    else:
        item_UK, score_UK = top_k(asked.vector_UD, stock.vector_JD, k=k, seen=seen, allowed_I=allowed_J, device=device)
    fallback = np.flatnonzero(~asked.served_U)
    if len(fallback):
        popular_JD = popularity_scores(replace(served.histories, n_items=stock.n_items))
        one_UD = np.ones((len(fallback), 1), np.float32)
        masked = None if seen is None else seen.rows(fallback)
        item_UK[fallback], score_UK[fallback] = top_k(
            one_UD, popular_JD, k=k, seen=masked, allowed_I=allowed_J, device=device
        )
    if reranker is not None and asked.code_U is not None:
        item_UK, score_UK = reranked(reranker, asked.code_U, item_UK, asked.served_U, score_UK)
        item_UK, score_UK = item_UK[:, : settings.k], score_UK[:, : settings.k]
    row, rank = np.nonzero(item_UK >= 0)
    code = item_UK[row, rank]
    reason: Any = [None] * len(row)
    if settings.explain:
        titles = pl.select(pl.coalesce(stock.titles, stock.ids)).to_series().to_list()
        reason = reasons_for(item_UK, asked.histories, stock.vector_JD, titles)[row, rank].tolist()
    reason = pl.Series(reason, dtype=pl.String)
    if len(fallback):
        popular = ~asked.served_U[row]
        reason = pl.select(pl.when(pl.Series(popular)).then(pl.lit("popularity")).otherwise(reason)).to_series()
    return pl.DataFrame(
        {
            "user_id": pl.Series(asked.ids, dtype=pl.String).gather(row),
            "rank": (rank + 1).astype(np.uint32),
            "item_id": stock.ids.gather(code),
            "title": stock.titles.gather(code),
            "score": score_UK[row, rank],
            "reason": reason,
        }
    )


def _by_rank(
    served: Ensemble,
    settings: RecommendSettings,
    new: NewItems | None,
    allowed_J: npt.NDArray[np.bool_],
    k: int,
    device: str,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return lists by the places of items in the lists of the runs, of those that can make one."""
    from reccli.retrieval.topk import top_k

    need = "serves_user_texts" if settings.user_text is not None else "serves_new_users" if settings.history else None
    lists, weights = [], []
    for member, weight in zip(served.members, served.weights, strict=True):
        if need is not None and not member.facts.get(need):
            continue
        asked = ask(member, settings)
        stock = shelf(member, new if member.facts.get("serves_new_items") else None, only_new=settings.only_new)
        allowed_I = allowed_J[: stock.n_items] & stock.reachable_J
        seen = None if settings.include_seen else replace(asked.histories, n_items=stock.n_items)
        depth = max(k, DEPTH)
        item_UN, _ = top_k(asked.vector_UD, stock.vector_JD, k=depth, seen=seen, allowed_I=allowed_I, device=device)
        item_UN[~asked.served_U] = -1
        lists.append(item_UN)
        weights.append(weight)
    return fused_top_k(lists, weights, k)


def _facts(
    served: Served, asked: Asked, stock: Shelf, frame: pl.DataFrame, settings: RecommendSettings
) -> dict[str, Any]:
    reachable = served.reachable_I
    return {
        "run": served.title,
        "runs": [run.name for run in served.versions],
        "reranked_by": settings.rerank,
        "users": len(asked.ids),
        "k": settings.k,
        "rows": frame.height,
        "as_of": settings.as_of,
        "refitted": set(served.parts) <= set(served.trained_parts),
        "popularity_users": int((~asked.served_U).sum()),
        "unreachable_items": int((~reachable).sum()),
        "catalogue": len(reachable),
        "new_items": stock.n_new,
        "new_items_listed": int(frame["item_id"].is_in(stock.ids.tail(stock.n_new).implode()).sum()),
    }


def _lines(
    workspace: Workspace,
    served: Served,
    version: Version | None,
    facts: dict[str, Any],
    status: str,
    settings: RecommendSettings,
) -> tuple[str, ...]:
    if not facts:
        return ()
    lines = [f"recommended by {served.title}  {facts['users']:,} users x {facts['k']}  {facts['rows']:,} rows"]
    if facts["popularity_users"]:
        lines.append(f"{facts['popularity_users']:,} users without a usable history got the popularity list")
    if facts["reranked_by"]:
        lines.append(f"the first {max(settings.k, settings.rerank_depth)} put in order anew by {facts['reranked_by']}")
    if facts["new_items"]:
        among = "" if settings.only_new else f" among {facts['catalogue']:,} of the catalogue"
        lines.append(f"{facts['new_items']:,} new items by their texts{among}, in {facts['new_items_listed']:,} rows")
    if not facts["refitted"]:
        lines.append(_unfitted(served, facts))
    if version is not None and status == "done":
        lines.append(f"wrote {workspace.path}/recommend/{version.name} ({version.manifest.seconds:.1f} s)")
    return tuple(lines)


def _unfitted(served: Served, facts: dict[str, Any]) -> str:
    """Say what a run misses that has not seen all that is known."""
    missed = []
    if facts["unreachable_items"]:
        missed.append(f"{facts['unreachable_items']:,} of {facts['catalogue']:,} items")
    if facts["popularity_users"]:
        missed.append(f"{facts['popularity_users']:,} users")
    cost = f"it cannot reach {' and '.join(missed)}" if missed else "it has not learned from the held-out rows"
    return f"run {served.title} was not refitted on all that is known: {cost}; its finetune with --refit mends that"
