"""Search spaces: what texts mean, what components declare, what is refused, and what becomes of settings."""

from __future__ import annotations

from typing import Any

import pytest

from reccli import registry
from reccli.api import Choices, Range
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.training.resolving import resolve
from reccli.training.search_space import FIXED, Parameter, applied, default_values, space_of

PROVIDES = frozenset({"history", "graph"})


def recipe_of(settings: FinetuneSettings) -> Any:
    return resolve(settings, "ranking", PROVIDES, n_items=100)


def space(*texts: str, **values: Any) -> list[Parameter]:
    settings = FinetuneSettings(**values)
    return space_of(texts, settings, recipe_of(settings), PROVIDES, recipe_of)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loss.temperature=0.05..1", Parameter("loss.temperature", Range(0.05, 1))),
        ("finetune.loss.temperature=5e-2..1.:log", Parameter("loss.temperature", Range(0.05, 1, log=True))),
        ("loss.temperature = 0.05 .. 1 : log", None),
        ("loss.temperature=.05..1:log", Parameter("loss.temperature", Range(0.05, 1, log=True))),
        ("loss.temperature=.05...5", Parameter("loss.temperature", Range(0.05, 0.5))),
        ("loss.temperature", Parameter("loss.temperature", Range(0.05, 1, log=True))),
        ("encoder.dim", Parameter("encoder.dim", Choices((64, 128, 256, 512)))),
        ("encoder.dim=64,128", Parameter("encoder.dim", Choices((64, 128)))),
        ("encoder.dim=64..512:log", Parameter("encoder.dim", Range(64, 512, log=True), whole=True)),
        ("encoder.start=spectrum,random", Parameter("encoder.start", Choices(("spectrum", "random")))),
        ("batch-size=256..1024", Parameter("batch_size", Range(256, 1024), whole=True)),
        ("learning_rate=1e-4,1e-3", Parameter("learning_rate", Choices((1e-4, 1e-3)))),
        ("mask_twins=true,false", Parameter("mask_twins", Choices((True, False)))),
        ("loss=softmax,infonce", Parameter("loss", Choices(("softmax", "infonce")))),
        ("similarity=dot,cosine", Parameter("similarity", Choices(("dot", "cosine")))),
        ("dropout=0..0.5", Parameter("dropout", Range(0, 0.5))),
    ],
)
def test_texts(text: str, expected: Parameter | None) -> None:
    if expected is None:
        with pytest.raises(ConfigError):
            space(text)
    else:
        assert space(text) == [expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss.temperature=1..0.05", "the low end must be below the high end"),
        ("loss.temperature=1..1", "the low end must be below the high end"),
        ("loss.temperature=0..1:log", "a log range begins above 0"),
        ("loss.temperature=-1..1", r"loss\.temperature=-1\.0: input should be greater than 0"),
        ("loss.temperature=a..b", "'a..b' is not two numbers"),
        ("loss.temperature=...5", "'...5' is not two numbers"),
        ("loss.temperature=nan..1", "the low end must be below the high end"),
        ("loss.temperature=0.1..inf", "the low end must be below the high end"),
        ("loss.temperature=0.1", "a search needs two different values"),
        ("loss.temperature=0.1,0.10", "a search needs two different values"),
        ("loss.temperature=0.1,0", "greater than 0"),
        ("loss.temperature=", "valid number"),
        ("loss.temprature=1..2", "no setting of loss 'softmax' called 'temprature'; did you mean 'temperature'"),
        ("encoder.dim=1.5..3", "takes whole numbers"),
        ("encoder.dim=a,b", "valid integer"),
        ("encoder.start=1..2", "it is no number, so it has no range"),
        ("encoder.start=spectrum,sun", "spectrum"),
        ("encoder.std", "where to search is not declared"),
        ("sampler.count=1..2", "this run has no sampler"),
        ("seed=1,2", "it is not searched"),
        ("metric=ndcg@10,ndcg@20", "it is not searched"),
        ("epoch=1,2", "no setting of finetune to search called 'epoch'; did you mean 'epochs'"),
        ("learning_rate=-1..1", "learning_rate=-1.0: input should be greater than 0"),
        ("similarity=dot,cosin", "cosin"),
        ("loss=softmax,sofmax", "did you mean 'softmax'"),
        ("encoder.mask=0.2..0.4", "it is set as well"),
        ("dropout=0..0.5", "it is set as well"),
        ("encoder_settings=1,2", "it is not searched"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        space(text, encoder_settings={"mask": 0.3}, dropout=0.1)
    assert refused.value.exit_code == 2
    assert "\n" not in refused.value.message


def test_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--param loss\.temperature: it is given twice"):
        space("loss.temperature=1..2", "loss.temperature=2..3")


def test_without_texts_all_that_is_declared_and_open_is_searched() -> None:
    found = {parameter.name: parameter.space for parameter in space(encoder="history", loss="infonce")}
    assert found == {
        "encoder.dim": Choices((64, 128, 256, 512)),
        "encoder.mask": Range(0.3, 0.7),
        "encoder.dropout": Range(0.0, 0.5),
        "loss.temperature": Range(0.05, 1.0, log=True),
        "learning_rate": Range(0.001, 0.025, log=True),
    }
    given = {"encoder_settings": {"dim": 32}, "loss_settings": {"temperature": 0.1}, "learning_rate": 0.01}
    left = [parameter.name for parameter in space(encoder="history", loss="infonce", **given)]
    assert left == ["encoder.mask", "encoder.dropout"]


def test_several_losses_are_searched_each_by_its_name() -> None:
    names = [parameter.name for parameter in space(encoder="mf", loss="infonce+directau:0.5", sampler="uniform")]
    assert names == ["encoder.dim", "loss.infonce.temperature", "loss.directau.gamma", "sampler.count", "learning_rate"]
    given = {"loss_settings": {"infonce": {"temperature": 0.2}, "directau.gamma": 1.0}}
    names = [parameter.name for parameter in space(encoder="mf", loss="infonce+directau:0.5", **given)]
    assert not [name for name in names if name.startswith("loss")]
    assert space("loss.directau.gamma=1..2", encoder="mf", loss="infonce+directau")[0].space == Range(1, 2)


def test_names_with_dashes_are_searched_as_settings_have_them() -> None:
    found = {one.name: one for one in space(encoder="mf", loss="nt-xent+directau:0.5")}
    assert found["loss.nt_xent.temperature"].space == Range(0.05, 1, log=True)
    for name in ("loss.nt-xent.temperature", "loss.nt_xent.temperature"):
        assert space(f"{name}=0.1..1", encoder="mf", loss="nt-xent+directau")[0].name == "loss.nt_xent.temperature"
    for given in ({"nt-xent": {"temperature": 0.2}}, {"nt-xent.temperature": 0.2}, {"nt_xent.temperature": 0.2}):
        names = [one.name for one in space(encoder="mf", loss="nt-xent+directau", loss_settings=given)]
        assert not [name for name in names if "temperature" in name]
        with pytest.raises(ConfigError, match="it is set as well"):
            space("loss.nt-xent.temperature=0.1..1", encoder="mf", loss="nt-xent+directau", loss_settings=given)
    with pytest.raises(ConfigError, match="it is set as well"):
        space("loss.nt-xent.weight=0.1..1", encoder="mf", loss="nt-xent:0.3+directau")
    settings = FinetuneSettings(encoder="mf", loss="nt-xent+directau")
    first = default_values([found["loss.nt_xent.temperature"]], recipe_of(settings))
    assert first == {"loss.nt_xent.temperature": 0.1}
    trial = applied(settings, {"loss.nt_xent.temperature": 0.4})
    assert recipe_of(trial).settings.loss_settings["nt-xent.temperature"] == 0.4


@pytest.mark.parametrize("given", [{"infonce": {"temperature": 0.3}}, {"infonce.temperature": 0.3}])
def test_a_shared_name_is_set_where_all_that_have_it_say_it_themselves(given: dict[str, Any]) -> None:
    for loss in ("infonce+directau", "infonce"):
        with pytest.raises(ConfigError, match=r"--param loss\.temperature: it is set as well"):
            space("loss.temperature=0.1..1", encoder="mf", loss=loss, loss_settings=given)
        names = [one.name for one in space(encoder="mf", loss=loss, loss_settings=given)]
        assert not [name for name in names if "temperature" in name]
    (found,) = space("loss.temperature=0.1..1", encoder="mf", loss="infonce+bpr", loss_settings=given)
    assert found.name == "loss.temperature"  # bpr takes it


def test_what_the_data_lacks_is_not_searched() -> None:
    def names(provides: frozenset[str]) -> set[str]:
        settings = FinetuneSettings(encoder="ease")
        recipe = resolve(settings, "ranking", provides, n_items=100)
        return {one.name for one in space_of((), settings, recipe, provides, recipe_of)}

    always = {"encoder.l2", "encoder.user_power"}
    assert names(PROVIDES) == always
    both = PROVIDES | {"text", "time"}
    settings = FinetuneSettings(encoder="ease")
    recipe = resolve(settings, "ranking", both, n_items=100)
    found = space_of((), settings, recipe, both, lambda given: None)
    assert {one.name for one in found} == always | {"encoder.words", "encoder.recency"}
    for name in ("spectral", "slim", "item-knn", "hybrid"):
        provides = PROVIDES | {"text"}
        settings = FinetuneSettings(encoder=name)
        found = space_of((), settings, resolve(settings, "ranking", provides), provides, lambda given: None)
        assert "encoder.recency" not in {one.name for one in found}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("encoder.words=8,32", r"encoder\.words=8\.0 needs texts of items, which the data has not"),
        ("encoder.words=0,32", r"encoder\.words=32\.0 needs texts of items"),
        ("encoder.words", r"encoder\.words=2\.0 needs texts of items"),
        ("encoder.recency=0..1", r"encoder\.recency=1\.0 needs an order, and a split that hides what came later"),
    ],
)
def test_what_is_asked_for_and_the_data_lacks_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        space(text, encoder="ease")


def test_a_weight_without_a_name_is_refused_with_the_name() -> None:
    for values, wanted in (
        ({"encoder": "lightgcn", "aux": "simgcl"}, "--param aux.simgcl.weight=0.01..1:log"),
        ({"encoder": "mf", "loss": "nt-xent+directau"}, "--param loss.nt_xent.weight=0.01..1:log"),
    ):
        with pytest.raises(ConfigError, match="a weight is that of one component") as refused:
            space(f"{'aux' if 'aux' in values else 'loss'}.weight=0.1..1", **values)
        assert refused.value.hint == wanted
        assert space(wanted.removeprefix("--param "), **values)[0].space == Range(0.01, 1, log=True)
    with pytest.raises(ConfigError, match="no setting of loss 'softmax' called 'weight'"):
        space("loss.weight=0.1..1", encoder="mf", loss="softmax")


def test_a_weight_in_the_text_is_that_of_its_task_alone() -> None:
    names = [one.name for one in space(encoder="lightgcn", loss="softmax", aux="simgcl+xsimgcl:0.1")]
    assert "aux.simgcl.weight" in names
    assert "aux.xsimgcl.weight" not in names


def test_weights_beside_the_loss_are_searched() -> None:
    found = {parameter.name: parameter.space for parameter in space(encoder="lightgcn", loss="softmax", aux="simgcl")}
    weight = registry.load("aux", "simgcl").default_weight
    assert found["aux.simgcl.weight"] == Range(weight / 5, weight * 5, log=True)
    assert found["aux.noise"] == Range(0.02, 0.5, log=True)
    given = [parameter.name for parameter in space(encoder="lightgcn", loss="softmax", aux="simgcl:0.3")]
    assert "aux.simgcl.weight" not in given
    assert space("aux.simgcl.weight=0.01..1:log", encoder="lightgcn", aux="simgcl")[0].space == Range(0.01, 1, log=True)
    assert space("loss.directau.weight=0.1,1", encoder="mf", loss="infonce+directau")[0].space == Choices((0.1, 1.0))
    with pytest.raises(ConfigError, match="expected a number above 0"):
        space("loss.directau.weight=-1..1", encoder="mf", loss="infonce+directau")
    with pytest.raises(ConfigError, match="this run has no aux"):
        space("aux.simgcl.weight=0.1..1", encoder="lightgcn")
    settings = FinetuneSettings(encoder="lightgcn", loss="softmax", aux="simgcl")
    trial = applied(settings, {"aux.simgcl.weight": 0.4, "aux.noise": 0.2})
    assert recipe_of(trial).settings.aux_settings == {"simgcl.noise": 0.2, "simgcl.weight": 0.4}


def test_what_an_encoder_prefers_is_always_in_its_space() -> None:
    for name in registry.names("encoder"):
        settings = FinetuneSettings(encoder=name)
        provides = PROVIDES | {"text", "time", "ratings"}
        try:
            recipe = resolve(settings, "rating" if name == "tastes" else "ranking", provides, n_items=100)
        except ConfigError:
            continue  # needs what no ranking has
        if name == "popularity":
            with pytest.raises(ConfigError, match="encoder 'popularity' declares nothing to search"):
                space_of((), settings, recipe, provides, lambda given: None)
            continue
        found = space_of((), settings, recipe, provides, lambda given: None)
        assert default_values(found, recipe).keys() == {parameter.name for parameter in found}, name


def test_values_are_put_into_settings_and_the_rest_stays() -> None:
    given = FinetuneSettings(encoder="mf", epochs=3, loss_settings={"temperature": 0.5})
    trial = applied(given, {"encoder.dim": 64, "learning_rate": 0.01, "loss.mask_known": False})
    assert trial.encoder_settings == {"dim": 64}
    assert trial.loss_settings == {"temperature": 0.5, "mask_known": False}
    assert (trial.learning_rate, trial.epochs) == (0.01, 3)
    assert trial.model_fields_set == given.model_fields_set | {"encoder_settings", "learning_rate"}
    assert given.loss_settings == {"temperature": 0.5}


def test_values_are_readable_and_inside() -> None:
    heat = Parameter("heat", Range(0.12344, 1))
    assert heat.rounded(0.987654321) == 0.9877
    assert heat.rounded(0.123441) == 0.12344
    assert Parameter("size", Range(1, 99999), whole=True).rounded(98765) == 98765
    assert Parameter("kind", Choices(("a", 0.123456))).rounded(0.123456) == 0.123456


def test_a_default_outside_of_the_space_is_left_to_the_search() -> None:
    recipe = recipe_of(FinetuneSettings(encoder="mf"))
    parameters = [Parameter("encoder.dim", Choices((8, 16))), Parameter("learning_rate", Range(1e-4, 1))]
    assert default_values(parameters, recipe) == {"learning_rate": 0.005}


def test_what_is_fixed_exists() -> None:
    assert FinetuneSettings.model_fields.keys() >= FIXED
