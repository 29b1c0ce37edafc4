"""`auto`: a head on the CPU, the model itself on CUDA; wrong words are refused."""

from __future__ import annotations

import pytest

from reccli.errors import ConfigError
from reccli.nn import text_modes
from reccli.nn.text_modes import resolved_mode


@pytest.mark.parametrize(("train", "device", "mode"), [
    ("auto", "cpu", "frozen"),
    ("head", "cuda:0", "frozen"),
    ("last-2", "cpu", "last-2"),
    ("all", "cuda", "all"),
])  # fmt: skip
def test_modes(train: str, device: str, mode: str) -> None:
    assert resolved_mode(train, device) == mode


@pytest.mark.parametrize(("peft", "mode"), [(True, "lora"), (False, "last-2")])
def test_auto_on_cuda_depends_on_peft(monkeypatch: pytest.MonkeyPatch, peft: bool, mode: str) -> None:
    monkeypatch.setattr(text_modes, "has_peft", lambda: peft)
    assert resolved_mode("auto", "cuda:1") == mode


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="last-N"):
        resolved_mode("some", "cpu")
