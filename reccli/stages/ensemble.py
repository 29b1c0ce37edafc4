"""Several runs as one: their scores, made comparable, added up.

U users, I items, N items or users given by text, D embedding of a run, S embedding of the ensemble.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.errors import ConfigError, MissingArtifactError
from reccli.retrieval.fusion import DEPTH, fused_top_k
from reccli.retrieval.topk import Found
from reccli.stages.ensemble_parts import Part, nothing_like, plain_part, scaled, scored_part, side_by_side
from reccli.stages.serving import Served, Stored

__all__ = ["Ensemble", "ensemble_of"]

ABILITIES = ("serves_new_users", "serves_new_items", "serves_user_texts")


@dataclass(frozen=True)
class Ensemble(Served):
    """Runs whose scores are added; it is asked like a run.

    ::

        s(u, i) = sum over runs r of w_r (s_r(u, i) - m_r(u)) / d_r(u)

    with `m_r(u)` and `d_r(u)` the mean and the standard deviation of a user's scores over the items that the run can
    reach. Of all ways to make scores of different encoders comparable this one keeps them dot products of vectors, so
    that search stays exact over the whole catalogue and explanations, new items and evaluation work as for one run:

    ::

        user [sqrt(w_r) a_r u_r / d_r(u)]_r      item [sqrt(w_r) (v_r - mean of v_r) / a_r]_r

    with `a_r` the typical length of a centred item vector. Where a run does not know an item or a user its term is 0,
    which is its mean. Predicted ratings, and the log odds of clicks, have one scale already: there it is the weighted
    mean of what the runs predict, of those that can where a user or an item came later.

    With `mix="rank"` scores do not count, but places in the lists of the runs: `fused_top_k`, which needs no scale at
    all. Lists alone are made so; explanations and scores of pairs stay those of the sum above.

    Args:
        members: The runs, opened on the same data.
        weights: One for each, not below 0; one of 0 takes no part.
        mix: `score` or `rank`.

    Paper:
        Lee: Analyses of Multiple Evidence Combination, SIGIR 1997, https://doi.org/10.1145/258525.258587 (adding
        normalised scores). Montague, Aslam: Relevance Score Normalization for Metasearch, CIKM 2001,
        https://doi.org/10.1145/502585.502657 (by mean and deviation).
    """

    members: tuple[Served, ...] = ()
    weights: tuple[float, ...] = ()
    mix: str = "score"

    @property
    def name(self) -> str:
        """Name of what is written by it."""
        return f"ensemble-{'-'.join(member.name for member in self.members)}"[:90]

    @property
    def title(self) -> str:
        """Name for people."""
        return " + ".join(member.title for member in self.members)

    @property
    def versions(self) -> tuple[Any, ...]:
        """All runs."""
        return tuple(version for member in self.members for version in member.versions)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What holds for the ensemble: it can do what one of its runs can."""
        found = dict(self.members[0].facts)
        for name in ("calibration", "health"):
            found.pop(name, None)  # that of one run is not that of a mean of several
        found |= {ability: any(member.facts.get(ability) for member in self.weighed) for ability in ABILITIES}
        return found

    @property
    def trained_parts(self) -> tuple[str, ...]:
        """Parts of the data that any of the runs learned from."""
        return tuple(dict.fromkeys(part for member in self.members for part in member.trained_parts))

    @cached_property
    def item_ID(self) -> Stored:
        """Item vectors, IS."""
        return side_by_side([part.items(part.served.item_ID, part.served.reachable_I) for part in self._parts])

    @cached_property
    def user_UD(self) -> Stored:
        """User vectors, US."""
        return side_by_side([part.users(part.served.user_UD, part.served.reachable_U) for part in self._parts])

    def encode(self, histories: Histories) -> Stored:
        """Return vectors of users given by history, of the runs that can.

        Raises:
            ConfigError: No run can.
        """
        return self._encode("serves_new_users", histories.n_users, lambda part: part.encode(histories), users=True)

    def encode_items(self, texts: Sequence[str]) -> Stored:
        """Return vectors of items given by text, of the runs that can.

        Raises:
            ConfigError: No run can.
        """
        return self._encode("serves_new_items", len(texts), lambda part: part.encode_items(texts), users=False)

    def encode_user_texts(self, texts: Sequence[str]) -> Stored:
        """Return vectors of users given by text, of the runs that can.

        Raises:
            ConfigError: No run can.
        """
        return self._encode("serves_user_texts", len(texts), lambda part: part.encode_user_texts(texts), users=True)

    def pair_scores(self, user_R: npt.NDArray[np.int64], item_R: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the scores of pairs, R; where a run reads them jointly, the weighted mean of what the runs predict."""
        if not any(member.facts.get("joint") for member in self.members):
            return super().pair_scores(user_R, item_R)
        parts = [member.pair_scores(user_R, item_R) for member in self.members]
        return np.average(parts, axis=0, weights=self.weights)

    @cached_property
    def reachable_I(self) -> npt.NDArray[np.bool_]:
        """Items that any run has a vector of its own for."""
        return np.asarray(np.any([member.reachable_I for member in self.weighed], axis=0))

    @cached_property
    def reachable_U(self) -> npt.NDArray[np.bool_]:
        """Users that any run has a vector of its own for."""
        return np.asarray(np.any([member.reachable_U for member in self.weighed], axis=0))

    def knowing(self, parts: tuple[str, ...]) -> Served:
        """Return the same runs, asked for users as of other parts."""
        return replace(self, parts=parts, members=tuple(member.knowing(parts) for member in self.members))

    @property
    def weighed(self) -> list[Served]:
        """The runs that take part."""
        return [member for member, weight in zip(self.members, self.weights, strict=True) if weight > 0]

    def terms(self) -> list[tuple[Stored, Stored]]:
        """Return vectors of users and items for each run whose products are its z-scores: what the weights weigh."""
        parts = [scored_part(member, 1.0) for member in self.members]
        return [
            (
                part.users(part.served.user_UD, part.served.reachable_U),
                part.items(part.served.item_ID, part.served.reachable_I),
            )
            for part in parts
        ]

    def lists(
        self,
        row_V: npt.NDArray[np.int64],
        *,
        k: int,
        seen: Histories,
        allowed_I: npt.NDArray[np.bool_],
        pairs: Histories | None = None,
    ) -> Found:
        """Return the best items of some users, by scores or by places."""
        if self.mix == "score":
            return super().lists(row_V, k=k, seen=seen, allowed_I=allowed_I, pairs=pairs)
        lists = self.member_lists(row_V, k=k, seen=seen, allowed_I=allowed_I)
        return Found(*fused_top_k(lists, self.weights, k))

    def member_lists(
        self, row_V: npt.NDArray[np.int64], *, k: int, seen: Histories, allowed_I: npt.NDArray[np.bool_]
    ) -> list[npt.NDArray[np.int64]]:
        """Return each run's own list of some users, VN: long enough to be fused, -1 where the run knows nothing."""
        found = []
        for member in self.members:
            allowed = allowed_I & member.reachable_I
            item_VN = member.lists(row_V, k=max(k, DEPTH), seen=seen, allowed_I=allowed).item_UK
            item_VN[~member.reachable_U[row_V]] = -1
            found.append(item_VN)
        return found

    def _encode(self, ability: str, rows: int, encode: Callable[[Served], Stored], *, users: bool) -> Stored:
        self.require(ability)
        able_M = [bool(part.served.facts.get(ability)) for part in self._parts]
        parts = []
        for part, able in zip(self._parts, able_M, strict=True):
            vectors = encode(part.served) if able else nothing_like(part.served.item_ID, rows)
            known_N = np.full(rows, able)
            parts.append(part.users(vectors, known_N) if users else part.items(vectors, known_N))
        joined = side_by_side(parts)
        if self._values:  # a mean over those that predict something
            joined = scaled(
                joined, 1.0 / sum(part.weight for part, able in zip(self._parts, able_M, strict=True) if able)
            )
        return joined

    @property
    def _values(self) -> bool:
        """Whether scores are values on one scale."""
        return self.facts.get("task") != "ranking"

    @cached_property
    def _parts(self) -> list[Part]:
        total = sum(self.weights)
        return [
            plain_part(member, weight / total) if self._values else scored_part(member, weight / total)
            for member, weight in zip(self.members, self.weights, strict=True)
        ]


def ensemble_of(members: Sequence[Served], weights: Sequence[float] = (), mix: str = "score") -> Served:
    """Return some runs as one; a single run stays what it is.

    Args:
        members: Opened runs.
        weights: One for each; equal ones without any.
        mix: `score` or `rank`.

    Raises:
        ConfigError: Tasks differ, a run is named twice, weights do not fit, or values are to be mixed by rank.
        MissingArtifactError: The runs were trained on different prepared data.
    """
    if weights and len(weights) != len(members):
        raise ConfigError(f"weights: {len(weights)} for {len(members)} runs", hint="give one for each --run")
    if len(members) == 1:
        return members[0]
    first = members[0]
    if len({member.name for member in members}) < len(members):
        raise ConfigError(
            "an ensemble takes each run once", hint="to count a run more give it a weight: --weight 2 --weight 1"
        )
    for member in members[1:]:
        if member.prepared.version.fingerprint != first.prepared.version.fingerprint:
            raise MissingArtifactError(
                f"runs '{first.name}' and '{member.name}' were trained on different prepared data",
                hint=f"reccli finetune --name {first.name}, with its settings, brings it up to date",
            )
        if member.facts.get("task") != first.facts.get("task"):
            raise ConfigError(f"runs '{first.name}' and '{member.name}' have different tasks")
    if mix == "rank" and first.facts.get("task") != "ranking":
        raise ConfigError(
            f"a run for the task {first.facts.get('task')} predicts values, not places", hint="--mix score"
        )
    given = tuple(weights) or (1.0,) * len(members)
    return Ensemble(first.version, first.prepared, first.parts, first.device, tuple(members), given, mix)
