"""The best items of a first run, put in order anew by a run that reads user and item together.

U users, K list length, N candidates of a user, R pairs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError, MissingArtifactError
from reccli.stages.serving import Served

__all__ = ["check_reranker", "reranked"]


def check_reranker(reranker: Served, first: Served) -> None:
    """Refuse a run that cannot put the items of another in order.

    Raises:
        ConfigError: Its encoder scores by vectors alone.
        MissingArtifactError: It was trained on other data.
    """
    if not reranker.facts.get("joint"):
        encoder = reranker.version.manifest.settings.get("encoder")
        raise ConfigError(
            f"--rerank: encoder '{encoder}' of run '{reranker.version.name}' does not read user and item together",
            hint="reccli finetune --encoder bert-cross --task rating",
        )
    if reranker.prepared.version.fingerprint != first.prepared.version.fingerprint:
        raise MissingArtifactError(
            f"--rerank: run '{reranker.version.name}' was trained on other prepared data",
            hint=f"reccli finetune --name {reranker.version.name}, with its settings, brings it up to date",
        )


def reranked(
    reranker: Served,
    code_U: npt.NDArray[np.int64],
    item_UN: npt.NDArray[np.int64],
    served_U: npt.NDArray[np.bool_],
    score_UN: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return candidates and scores in the order of what the run predicts, ties as they stood.

    Args:
        reranker: A run of a joint encoder.
        code_U: Codes of the users.
        item_UN: Candidates of each user, -1 where there are fewer.
        served_U: Users to do this for; the others keep their lists.
        score_UN: Scores of the candidates.
    """
    user_R, place_R = np.nonzero((item_UN >= 0) & served_U[:, None])
    if not len(user_R):
        return item_UN, score_UN
    item_R = item_UN[user_R, place_R]
    value_UN = np.full(item_UN.shape, -np.inf)
    value_UN[user_R, place_R] = reranker.pair_scores(code_U[user_R], item_R)
    order_UN = np.argsort(-value_UN, axis=1, kind="stable")
    order_UN[~served_U] = np.arange(item_UN.shape[1])
    value_UN[~served_U] = score_UN[~served_U]
    return (
        np.take_along_axis(item_UN, order_UN, axis=1),
        np.take_along_axis(value_UN, order_UN, axis=1).astype(np.float32),
    )
