"""Two projections: which one an item gets, and what each is."""

from __future__ import annotations

import torch

from reccli.nn.ridge import ridge
from reccli.nn.text_projection import TextProjection


def test_items_with_and_without_an_id() -> None:
    generator = torch.Generator().manual_seed(0)
    model = TextProjection(5, 3)
    text, table, vector = (torch.randn(20, size, generator=generator) for size in (5, 3, 3))
    model.start(text, table)
    model.fit(text, vector)
    has_id = torch.arange(20) % 3 > 0
    got = model(text, has_id).detach()
    for item in range(20):
        matrix = ridge(text, table) if has_id[item] else ridge(text, vector)
        torch.testing.assert_close(got[item], text[item] @ matrix)


def test_gradients_reach_the_one_alone_and_the_state_has_both() -> None:
    model = TextProjection(4, 2)
    model(torch.ones(3, 4), torch.tensor([True, False, True])).sum().backward()
    assert [name for name, _ in model.named_parameters()] == ["beside_TD"]
    assert model.beside_TD.grad is not None
    assert (model.beside_TD.grad == 2).all()
    assert set(model.state_dict()) == {"beside_TD", "instead_TD", "likeness"}


def test_cosines_of_items_without_an_id_are_lowered_to_what_is_expected() -> None:
    generator = torch.Generator().manual_seed(0)
    model = TextProjection(5, 3)
    text, vector = torch.randn(20, 5, generator=generator), torch.randn(20, 3, generator=generator)
    model.fit(text, vector)
    guess = text @ ridge(text, vector)
    cosines = [float(torch.cosine_similarity(guess[item], vector[item], dim=0)) for item in range(20)]
    torch.testing.assert_close(float(model.likeness), sum(cosines) / 20, atol=1e-4, rtol=1e-4)
    has_id = torch.arange(20) % 2 > 0
    user = torch.randn(3, generator=generator)
    got = model.doubted(guess, has_id)
    longer = torch.cat([user, torch.zeros(1)])
    for item in range(20):
        plain = torch.cosine_similarity(user, guess[item], dim=0)
        lowered = torch.cosine_similarity(longer, got[item], dim=0)
        torch.testing.assert_close(lowered, plain if has_id[item] else plain * model.likeness, atol=1e-5, rtol=1e-4)


def test_doubt_is_a_power_of_the_likeness() -> None:
    vector_ND, user_D = torch.randn(3, 4), torch.tensor([1.0, 0.5, -1.0, 2.0, 0.0])
    cosines = {}
    for doubt in (0.0, 0.5, 1.0):
        model = TextProjection(2, 4, doubt=doubt)
        model.likeness.fill_(0.25)
        seen_ND = model.doubted(vector_ND, torch.zeros(3, dtype=torch.bool))
        cosines[doubt] = torch.cosine_similarity(seen_ND, user_D[None], dim=1)
    torch.testing.assert_close(cosines[1.0], 0.25 * cosines[0.0])
    torch.testing.assert_close(cosines[0.5], 0.5 * cosines[0.0])
