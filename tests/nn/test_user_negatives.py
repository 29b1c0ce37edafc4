"""Scores once per user are those of the rows."""

from __future__ import annotations

from dataclasses import replace

import torch

from reccli.api import UserGroups
from reccli.nn.user_negatives import negative_scores, to_rows
from reccli.testing.inputs import loss_inputs


def test_groups_and_rows_agree():
    inputs = loss_inputs(similarity="cosine")
    place_B = torch.tensor([1, 0, 1, 1, 0])
    user_GD, known_GN = inputs.user_BD[:2].detach(), inputs.known_BN[:2]
    grouped = replace(inputs, user_BD=user_GD[place_B], known_BN=None, groups=UserGroups(user_GD, place_B, known_GN))
    plain = replace(grouped, known_BN=known_GN[place_B], groups=None)
    (score_GN, mask_GN), (score_BN, mask_BN) = negative_scores(grouped), negative_scores(plain)
    assert score_GN.shape == (2, 6)
    torch.testing.assert_close(to_rows(score_GN, grouped), to_rows(score_BN, plain))
    assert torch.equal(to_rows(mask_GN, grouped), mask_BN)
