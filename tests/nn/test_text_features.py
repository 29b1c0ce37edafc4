"""Features of texts: products that are the kernel where every item is a landmark."""

from __future__ import annotations

import numpy as np
import torch

from reccli.nn.text_features import WIDTH, TextFeatures

torch.set_num_threads(1)


def test_products_are_the_kernel() -> None:
    rng = np.random.default_rng(0)
    base_IT = torch.from_numpy(rng.standard_normal((40, 8)).astype(np.float32))
    texts = [f"title{number} author{number % 7}" for number in range(40)]
    features = TextFeatures()
    features.fit(base_IT, texts, torch.ones(40, dtype=torch.bool), 40, np.random.default_rng(1))
    got_IF = features(base_IT, texts)
    unit_IT = torch.nn.functional.normalize(base_IT, dim=1)
    word_IL = torch.from_numpy(features.words.vectors(texts))
    wanted_II = sum(torch.exp((unit @ unit.T - 1) / WIDTH) for unit in (unit_IT, word_IL)) / 2
    torch.testing.assert_close(got_IF @ got_IF.T, wanted_II, atol=2e-3, rtol=0)
    torch.testing.assert_close(features(base_IT[3:5], texts[3:5]), got_IF[3:5])


def test_landmarks_come_from_what_training_saw_and_twins_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    base_IT = torch.from_numpy(rng.standard_normal((20, 8)).astype(np.float32))
    base_IT[1:10] = base_IT[0]
    texts = ["one text"] * 10 + [f"word{number % 3} other" for number in range(10)]
    warm_I = torch.arange(20) < 15
    features = TextFeatures()
    features.fit(base_IT, texts, warm_I, 64, np.random.default_rng(1))
    assert len(features.text_MT) == 15
    got_IF = features(base_IT, texts)
    assert bool(got_IF.isfinite().all())
    assert got_IF.shape[1] == 6  # distinct texts among the landmarks
