"""Tastes over texts: what texts say to a user, of items with ratings and of new ones."""

from __future__ import annotations

import numpy as np
import torch

from reccli.api import Context, Histories
from reccli.nn.text_tastes import TextTastes

torch.set_num_threads(1)


def test_it_predicts_ratings_of_texts_it_has_seen_and_of_new_ones() -> None:
    rng = np.random.default_rng(0)
    genre_I = np.arange(60) % 3
    rating_UI = rng.choice([-1.0, 1.0], (30, 3))[:, genre_I]
    known_UI = rng.random((30, 60)) < 0.4
    known_UI[:, 50:] = False
    user_E, item_E = np.nonzero(known_UI)
    train = Histories.from_arrays(user_E, item_E, value_E=3 + rating_UI[user_E, item_E], n_users=30, n_items=60)
    base_IT = torch.from_numpy(rng.standard_normal((60, 8)).astype(np.float32))  # a model that sees noise
    texts = [f"film{number} genre{genre}" for number, genre in enumerate(genre_I)]
    tastes = TextTastes(train)
    assert tastes.of_texts(base_IT[:2], texts[:2]).tolist() == [[0.0], [0.0]]
    assert tastes.fit(base_IT, texts, dim=32, context=Context(seed=1)) < 0.7  # of a spread of 1
    item_ID = tastes.of_items(torch.arange(60))
    predicted_UI = (tastes.of_histories(train) @ item_ID.T).numpy()
    for items in (slice(0, 50), slice(50, 60)):
        assert np.corrcoef(predicted_UI[:, items].ravel(), rating_UI[:, items].ravel())[0, 1] > 0.85
    torch.testing.assert_close(tastes.of_texts(base_IT[50:], texts[50:]), item_ID[50:], atol=1e-4, rtol=1e-4)
