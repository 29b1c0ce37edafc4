"""A world whose users follow authors, whom words name and sentence vectors do not."""

from __future__ import annotations

import numpy as np
import torch

from reccli.api import Histories

__all__ = ["AUTHORS", "world"]

AUTHORS = 20


def world(seed: int = 0, *, told: bool = True) -> tuple[torch.Tensor, list[str], Histories]:
    """Each user likes two authors; authors are words of the texts, and the sentence model sees noise.

    Without `told` it is the other way round.
    """
    rng = np.random.default_rng(seed)
    author_I = rng.integers(0, AUTHORS, 300)
    likes_UA = np.stack([np.isin(np.arange(AUTHORS), rng.choice(AUTHORS, 2, replace=False)) for _ in range(120)])
    likes_UI = likes_UA[:, author_I] & (rng.random((120, 300)) < 0.5)
    likes_UI[:, 280:] = False
    user, item = np.nonzero(likes_UI)
    base_ID = torch.from_numpy(rng.standard_normal((300, 8)).astype(np.float32))
    texts = [f"title{rng.integers(10**6)} author{author}" for author in author_I]
    if not told:
        centre_AD = rng.standard_normal((AUTHORS, 8))
        base_ID = torch.from_numpy((centre_AD[author_I] + 0.1 * base_ID.numpy()).astype(np.float32))
        texts = [f"title{number} author{rng.integers(AUTHORS)}" for number in range(300)]
    return base_ID, texts, Histories.from_arrays(user, item, n_users=120, n_items=300)
