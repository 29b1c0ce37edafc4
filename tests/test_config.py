"""Settings: every source, their order, and errors that name the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.config import resolve
from reccli.errors import ConfigError

TOML = """
[finetune]
epochs = 7
batch_size = 64
[finetune.loss]
name = "bpr"
temperature = 0.3
[prepare]
ratios = [0.6, 0.2, 0.2]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(TOML)
    return path


def test_flags_beat_sets_beat_the_environment_beats_the_file_beats_defaults(config: Path) -> None:
    resolved = resolve(
        "finetune",
        flags={"epochs": "10", "seed": None},
        sets=["epochs=9", "batch_size=32", "loss.temperature=0.5"],
        config=config,
        environment={"RECCLI_FINETUNE_EPOCHS": "8", "RECCLI_FINETUNE_LEARNING_RATE": "0.1", "RECCLI_PREPARE_SEED": "3"},
    )
    settings = resolved.settings
    assert (settings.epochs, settings.batch_size, settings.learning_rate, settings.seed) == (10, 32, 0.1, 42)
    assert settings.loss == "bpr"
    assert settings.loss_settings == {"temperature": 0.5}
    assert resolved.sources["epochs"] == "flag"
    assert resolved.sources["batch_size"] == "--set"
    assert resolved.sources["learning_rate"] == "RECCLI_FINETUNE_LEARNING_RATE"
    assert resolved.sources["loss"] == str(config)
    assert resolved.sources["seed"] == "default"


@pytest.mark.parametrize("key", ["loss.temperature", "finetune.loss.temperature", "loss_settings.temperature"])
def test_component_settings_have_one_meaning(key: str) -> None:
    assert resolve("finetune", sets=[f"{key}=0.05"], environment={}).settings.loss_settings == {"temperature": 0.05}


def test_set_values_are_typed() -> None:
    sets = ["encoder.a=1", "encoder.b=true", "encoder.c=word", "encoder.d=[1, 2]", "encoder.e='7'"]
    settings = resolve("finetune", sets=sets, environment={}).settings.encoder_settings
    assert settings == {"a": 1, "b": True, "c": "word", "d": [1, 2], "e": "7"}


def test_a_file_is_found_in_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "reccli.toml").write_text(TOML)
    assert resolve("finetune", workspace=tmp_path / "ws", environment={}).settings.epochs == 7
    (tmp_path / "reccli.toml").write_text("[finetune]\nepochs = 3\n")
    assert resolve("finetune", workspace=tmp_path / "ws", environment={}).settings.epochs == 3


@pytest.mark.parametrize(
    ("text", "field", "wanted"),
    [
        ("8:1:1", "ratios", (0.8, 0.1, 0.1)),
        ("0.6,0.2,0.2", "ratios", (0.6, 0.2, 0.2)),
        ("5", "core", (5, 5)),
        ("5,10", "core", (5, 10)),
        ("view=1,cart=3", "event_weights", {"view": 1.0, "cart": 3.0}),
    ],
)
def test_texts_of_lists_and_tables(text: str, field: str, wanted: object) -> None:
    found = getattr(resolve("prepare", flags={field: text}, environment={}).settings, field)
    assert found == (pytest.approx(wanted) if field == "ratios" else wanted)


@pytest.mark.parametrize(
    ("stage", "arguments", "message"),
    [
        (
            "finetune",
            {"flags": {"epochs": "many"}},
            r"finetune\.epochs='many' \(flag\): input should be a valid integer",
        ),
        ("finetune", {"sets": ["epoch=3"]}, r"--set: no setting of finetune called 'epoch'; did you mean 'epochs'\?$"),
        ("finetune", {"sets": ["epochs"]}, r"--set epochs: expected name=value"),
        ("finetune", {"flags": {"optimizer": "adm"}}, r"finetune\.optimizer='adm'"),
        ("prepare", {"flags": {"ratios": "8:1"}}, r"ratios: '8:1' is not three shares"),
        ("recommend", {"flags": {"weights": ["1", "x"]}}, r"^recommend\.weights='x' \(flag\): .*number"),
        ("prepare", {"flags": {"event_weights": "view=x"}}, r"^prepare\.event_weights\.view='x' \(flag\): "),
        (
            "prepare",
            {"flags": {"event_weights": "view=1,hide=-1"}},
            r"^prepare\.event_weights\.hide='-1' \(flag\): input should be greater than or equal to 0$",
        ),
        (
            "prepare",
            {"flags": {"event_weights": "hide=-inf"}},
            r"^prepare\.event_weights\.hide='-inf' \(flag\): input should be a finite number$",
        ),
        ("prepare", {"flags": {"event_weights": "buy=inf"}}, r"^prepare\.event_weights\.buy='inf' \(flag\): .*finite"),
        ("prepare", {"flags": {"event_weights": "buy=nan"}}, r"^prepare\.event_weights\.buy='nan' \(flag\): .*finite"),
        (
            "prepare",
            {"flags": {"event_weights": "buy=1e40"}},
            r"event_weights\.buy='1e40' \(flag\): .*less than or equal",
        ),
        ("prepare", {"flags": {"core": "x"}}, r"^prepare\.core='x' \(flag\): input should be a valid integer"),
        ("prepare", {"flags": {"event_weights": "view"}}, r"event_weights: 'view' is not name=value"),
        (
            "finetune",
            {"environment": {"RECCLI_FINETUNE_EPOCS": "1"}},
            r"RECCLI_FINETUNE_EPOCS: no setting of finetune called 'epocs'; did you mean 'epochs'\?$",
        ),
        ("finetune", {"config": Path("absent.toml")}, r"--config absent\.toml: no such file"),
    ],
)
def test_errors_name_the_place(stage: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(stage, **{"environment": {}, **arguments})  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


@pytest.mark.fault(128)
@pytest.mark.parametrize(
    "text",
    [
        "[finetun]\n",
        "finetune = 3\n",
        "[finetune]\nepocs = 3\n",
        "[finetune\n",
        "x = " + "[" * 3000,
        pytest.param("# " + "x" * (2 << 20), id="large"),
    ],
)
def test_f128_a_bad_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        resolve("finetune", config=path, environment={})
