"""Names, weights and settings of several components of a kind."""

from __future__ import annotations

import pytest

from reccli.errors import ConfigError
from reccli.training.parts import all_settings, names_of, parts_of, split_sum, together


def test_names_and_weights():
    assert split_sum("loss", "infonce + reccli-dcl:dcl:0.5+reccli:directau") == [
        ("infonce", None),
        ("reccli-dcl:dcl", 0.5),
        ("reccli:directau", None),
    ]
    assert names_of("loss", "infonce+directau:2") == ["infonce", "directau"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("infonce++bpr", "has an empty name"),
        ("infonce+reccli:infonce:2", "names 'infonce' twice"),
        ("infonce+bpr:0", "loss bpr: weight=0.0: expected a number above 0"),
        ("infonce+bpr:-1", "expected a number above 0"),
        ("infonce+bpr:nan", "expected a number above 0"),
        ("infonce:0.5", "beside another loss alone"),
    ],
)
def test_what_is_no_sum_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        split_sum("loss", text)


def test_settings_go_where_they_belong():
    values = {"temperature": 0.3, "directau.gamma": 2.0, "directau": {"weight": 0.7}, "infonce.temperature": 0.1}
    infonce, bce, directau = parts_of("loss", "infonce+bce:3+directau:0.5", values)
    assert (infonce.values, infonce.weight) == ({"temperature": 0.1}, 1.0)
    assert (bce.values, bce.weight) == ({"temperature": 0.3}, 3.0)
    assert (directau.values, directau.weight) == ({"gamma": 2.0}, 0.7)
    again = parts_of("loss", "infonce+bce+directau", together([infonce, bce, directau]))
    assert [(part.values, part.weight) for part in again] == [
        (part.values, part.weight) for part in (infonce, bce, directau)
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gama": 1}, "no setting of losses infonce and directau called 'gama'; did you mean 'gamma'"),
        ({"dirctau.gamma": 1}, "no loss of this run called 'dirctau'; did you mean 'directau'"),
        ({"directau.weight": True}, "loss.directau.weight=True"),
    ],
)
def test_settings_that_nobody_has_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        parts_of("loss", "infonce+directau", values)


@pytest.mark.parametrize(
    ("kind", "text", "name"), [("loss", "infonce+directau:0.5", "directau"), ("aux", "sgl", "sgl")]
)
def test_a_weight_of_one_stands_against_what_text_and_class_say(kind, text, name):
    """Read once more from what is stored, it is what was set."""
    given = {f"{name}.weight": 1.0}
    for values in (together(parts_of(kind, text, given)), all_settings(kind, text, given)):
        assert [part.weight for part in parts_of(kind, text, values) if part.name == name] == [1.0]


def test_a_dash_may_be_an_underscore():
    (_, part) = parts_of("loss", "infonce+nt-xent", {"nt_xent.temperature": 0.5})
    assert part.values == {"temperature": 0.5}


def test_all_settings_are_the_given_ones_and_the_defaults_of_the_rest():
    from reccli.losses.infonce import InfoNCE

    alone = all_settings("loss", "infonce", {"temperature": 0.3})
    assert alone == InfoNCE.Settings(temperature=0.3).model_dump(mode="json")
    assert len(alone) == len(InfoNCE.Settings.model_fields) > 1
    both = all_settings("loss", "infonce+directau:0.5", {"directau.gamma": 2.0})
    assert (both["directau.gamma"], both["directau.weight"]) == (2.0, 0.5)
    assert both["infonce.temperature"] == InfoNCE.Settings().temperature
    again = parts_of("loss", "infonce+directau", both)
    assert [part.weight for part in again] == [1.0, 0.5]
    assert "sgl.weight" in all_settings("aux", "sgl:0.7", {})
    with pytest.raises(ConfigError, match="temperature"):
        all_settings("loss", "infonce", {"temperature": -1})
