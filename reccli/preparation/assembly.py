"""From opened files to finished artifacts: the steps of `prepare` in their order, without any writing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError, DataError
from reccli.preparation import cleaning, coding, dividing, filtering, leakage
from reccli.preparation import facts as facts_of
from reccli.preparation.draws import digest_ids
from reccli.preparation.duplicates import has_repeats
from reccli.preparation.ledger import Ledger
from reccli.preparation.moments import Moments, read_times
from reccli.preparation.ordering import sort_rows
from reccli.preparation.reading import Raw, Source, locate, read_sources, require_same_roles
from reccli.preparation.requirements import check_settings
from reccli.preparation.splits import PARTS, TRAIN, Parts, SplitRows, part_of
from reccli.preparation.weights import event_weights, recency

if TYPE_CHECKING:
    import polars as pl

    from reccli.settings import PrepareSettings

__all__ = ["Interactions", "assemble"]


@dataclass(frozen=True)
class Interactions:
    """The interactions, finished.

    Args:
        frame: The `interactions` artifact; codes of items are places in `item_ids`.
        user_ids: Ids by user code.
        item_ids: Ids of the items that have interactions, sorted.
        rejected: The `rejected` artifact.
        leakage: The `leakage` artifact.
        division: How rows were divided.
        counts: Rows in, kept, per part, and dropped by reason.
        facts: What later stages need to know.
        source_rows: Rows of each file.
        notes: Lines for people: choices that the data made.
    """

    frame: pl.DataFrame
    user_ids: pl.Series
    item_ids: pl.Series
    rejected: pl.DataFrame
    leakage: pl.DataFrame
    division: dividing.Division
    counts: dict[str, int]
    facts: dict[str, Any]
    source_rows: list[int]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Work:
    """What the steps share: the files, the rows as read, the account."""

    sources: Sequence[Source]
    roles: Sequence[str]
    raw: Raw
    moments: Moments
    ledger: Ledger

    @property
    def given(self) -> bool:
        """Whether parts are given."""
        return "part" in self.roles


@dataclass(frozen=True)
class _Coded:
    """Rows with codes, before the split."""

    frame: pl.DataFrame
    user_ids: pl.Series
    item_ids: pl.Series


def assemble(
    sources: Sequence[Source], settings: PrepareSettings, *, check_stop: Callable[[], None] = lambda: None
) -> Interactions:
    """Read, clean, code, filter, divide and weight the interactions.

    Args:
        sources: The files with their roles.
        settings: Settings, with no choice left open but `split` and `task`.
        check_stop: Called between steps; raises to stop.

    Raises:
        ConfigError: Settings contradict the data.
        DataError: Rows are malformed, or none is left.
    """
    work = _read(sources, settings)
    check_stop()
    coded, repeats = _coded(work, settings)
    check_stop()
    rows = _split_rows(coded, settings)
    division = _divide(rows, coded, work, settings)
    report = leakage.leakage_report(rows, division.part_E, repeats=repeats, comparable_times=work.moments.comparable)
    check_stop()
    rejected = work.ledger.unplaced()
    work.ledger.settle(rejected, locate(sources, work.raw.start, rejected))
    split = {"method": division.method, "label": division.label, **division.facts}
    if division.method == "given" and _ordered(coded):
        split["future"] = leakage.hides_the_future(report)
    facts = {
        "ordered": _ordered(coded),
        "time_unit": work.moments.unit,
        "has_values": "value" in work.roles,
        "duplicates": "given" if work.given else settings.duplicates,
        "pairs": coded.frame.select("user", "item").n_unique() if repeats else coded.frame.height,
        "leakage": leakage.summary(report),
        "split": split,
    }
    return Interactions(
        frame=_finish(coded.frame, division.part_E, settings),
        user_ids=coded.user_ids,
        item_ids=coded.item_ids,
        rejected=work.ledger.frame(),
        leakage=report,
        division=division,
        counts=facts_of.row_counts(work.ledger, division.part_E),
        facts=facts | facts_of.value_facts(coded.frame, work.roles, settings),
        source_rows=[
            end - start + len(source.table.bad_rows)
            for source, start, end in zip(sources, work.raw.start[:-1], work.raw.start[1:], strict=True)
        ],
        notes=[
            *work.raw.notes,
            *facts_of.notes(coded.user_ids, coded.item_ids, settings, given=work.given),
            *facts_of.empty_parts(division),
        ],
    )


def _read(sources: Sequence[Source], settings: PrepareSettings) -> _Work:
    roles = require_same_roles(sources)
    check_settings(settings, roles)
    raw, moments = read_times(read_sources(sources, roles), sources, settings)
    if settings.recency_half_life is not None and not moments.comparable:
        raise ConfigError("--recency-half-life needs times, and positions have no age", hint="leave it out")
    ledger = Ledger(raw.frame.height + sum(len(source.table.bad_rows) for source in sources))
    if not ledger.rows_in:
        raise DataError(f"{sources[0].name} has no rows")
    return _Work(sources, roles, raw, moments, ledger)


def _coded(work: _Work, settings: PrepareSettings) -> tuple[_Coded, bool]:
    """Clean, code, filter and sort; say whether pairs of user and item still repeat."""
    coded = _code(_clean(work, settings), work.raw, settings, work.ledger)
    before = coded.frame.height
    coded, repeats = _filter(coded, work, settings)
    work.ledger.check(coded.frame.height)
    if not coded.frame.height:
        raise DataError("no interaction is left: " + facts_of.account(work.ledger), hint="loosen the filters")
    return _compact_sorted(coded, repeats, coded.frame.height < before, work.moments.step), repeats


def _ordered(coded: _Coded) -> bool:
    """Whether there is a real order: times, and not all the same."""
    time = coded.frame["time"]
    return not time.null_count() and time.min() != time.max()


def _divide(rows: SplitRows, coded: _Coded, work: _Work, settings: PrepareSettings) -> dividing.Division:
    moments = work.moments
    method = dividing.choose_split(settings, has_times=_ordered(coded), comparable=moments.comparable, given=work.given)
    part = coded.frame["part"].to_numpy() if work.given else None
    division = dividing.divide(rows, settings, method, given_E=part, moment=moments.point, show=moments.show)
    if not (division.part_E == TRAIN).any():
        raise DataError(f"split {division.label} leaves nothing to train on", hint="choose another split or ratios")
    return division


def _clean(work: _Work, settings: PrepareSettings) -> pl.DataFrame:
    """Number the rows and set the malformed ones aside."""
    import polars as pl

    raw, sources = work.raw, work.sources
    name = sources[0].roles.get("value", "value")
    bad = cleaning.find_bad_rows(raw, sources, value_name=name)
    if bad.count and not settings.drop_bad_rows:
        cleaning.refuse_bad_rows(bad, raw, sources)
    cleaning.drop_bad_rows(bad, work.ledger)
    frame = raw.frame.with_row_index("row")
    mask = bad.mask
    frame = frame if mask is None else frame.filter(~mask)
    if "value" not in frame.columns:
        frame = frame.with_columns(value=pl.lit(1.0, pl.Float32))
    return frame


def _code(frame: pl.DataFrame, raw: Raw, settings: PrepareSettings, ledger: Ledger) -> _Coded:
    """Code ids, weigh behaviours, read parts."""
    import polars as pl

    weight: pl.Series | None = None
    if "event" in frame.columns:
        frame, weight = _behaviours(frame, settings, ledger)
    present = raw.present if frame.height == raw.frame.height else {}
    user, user_ids = coding.rank_codes(frame["user"], present.get("user"))
    item, item_ids = coding.rank_codes(frame["item"], present.get("item"))
    columns = {"user": pl.Series(user), "item": pl.Series(item), "value": frame["value"]}
    if weight is not None:
        columns["weight"] = weight
    empty = pl.repeat(None, frame.height, dtype=pl.Int64, eager=True)
    columns |= {"time": frame["time"] if "time" in frame.columns else empty, "row": frame["row"]}
    if "part" in frame.columns:
        code, names = coding.rank_codes(frame["part"])
        parts = np.array([part_of(name, settings.split_column or "split") for name in names], np.uint8)
        columns["part"] = pl.Series(parts[code])
    return _Coded(pl.DataFrame(columns), user_ids, item_ids)


def _behaviours(frame: pl.DataFrame, settings: PrepareSettings, ledger: Ledger) -> tuple[pl.DataFrame, pl.Series]:
    """Give rows the weight of their kind of behaviour; kinds that are not named are dropped."""
    import polars as pl

    event = frame["event"].fill_null("")
    code, names = coding.rank_codes(event)
    known = event_weights(names.to_list(), settings.event_weights)
    unknown = set(settings.event_weights) - {name.strip() for name in names}
    if len(unknown) == len(settings.event_weights):
        raise ConfigError(
            f"none of the behaviours {', '.join(sorted(unknown))} is in the file, which has {', '.join(names[:10])}",
            hint="name them as in the file: --event-weights view=1,cart=3",
        )
    weight = pl.Series("weight", known[code])
    named = weight.is_not_nan()
    gone = frame["row"].filter(~named)
    ledger.drop("behaviour not named", len(gone), first_row=int(gone[0]) if len(gone) else None)
    return frame.filter(named), weight.filter(named)


def _filter(coded: _Coded, work: _Work, settings: PrepareSettings) -> tuple[_Coded, bool]:
    if work.given:
        return coded, has_repeats(coded.frame)

    def describe(first: int, later: int) -> str:
        places = locate(work.sources, work.raw.start, [first, later])
        return " and ".join(f"{place.file} line {place.line} ({place.text[:60]!r})" for place in places)

    filters = filtering.Filters(settings.duplicates, settings.min_rating, settings.max_interactions, settings.core)
    frame, repeats = filtering.apply_filters(coded.frame, filters, work.ledger, describe=describe)
    return _Coded(frame, coded.user_ids, coded.item_ids), repeats


def _compact_sorted(coded: _Coded, repeats: bool, filtered: bool, step: int) -> _Coded:
    """Close gaps in the codes and sort by user, time and item (and what else tells repeated pairs apart)."""
    import polars as pl

    frame = coded.frame.drop("row")
    user_ids, item_ids = coded.user_ids, coded.item_ids
    if filtered:
        user, kept_users = coding.compact(frame["user"].to_numpy(), len(user_ids))
        item, kept_items = coding.compact(frame["item"].to_numpy(), len(item_ids))
        user_ids, item_ids = user_ids.gather(kept_users), item_ids.gather(kept_items)
        frame = frame.with_columns(pl.Series("user", user), pl.Series("item", item))
    return _Coded(sort_rows(frame, repeats=repeats, step=step), user_ids, item_ids)


def _split_rows(coded: _Coded, settings: PrepareSettings) -> SplitRows:
    time = coded.frame["time"]
    return SplitRows(
        coded.frame["user"].to_numpy(),
        coded.frame["item"].to_numpy(),
        None if time.null_count() else time.to_numpy(),
        digest_ids(coded.user_ids),
        digest_ids(coded.item_ids),
        settings.seed,
    )


def _finish(frame: pl.DataFrame, part_E: Parts, settings: PrepareSettings) -> pl.DataFrame:
    """Finish the weights and name the parts."""
    import polars as pl

    weight: npt.NDArray[np.float32] = np.ones(frame.height, np.float32)
    if "weight" in frame.columns:
        weight = frame["weight"].to_numpy()
    if settings.value_as_weight:
        if (frame["value"] < 0).any():
            raise DataError("a value below 0 cannot be a weight", hint="leave out --value-as-weight")
        weight = weight * frame["value"].to_numpy()
    if settings.recency_half_life is not None:
        time = frame["time"].to_numpy()
        weight = weight * recency(time, int(time[part_E == TRAIN].max()), settings.recency_half_life)
    split = pl.Series("split", PARTS).gather(part_E)
    return frame.select("user", "item", "value", pl.Series("weight", weight), "time", split)
