from __future__ import annotations

import pytest
import torch

from reccli.errors import ConfigError, DeviceError
from reccli.training.device import resolve_device
from reccli.training.precision import Precision


@pytest.mark.fault(111)
def test_f111_absent_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError) as absent:
        resolve_device("cuda")
    assert absent.value.exit_code == 11
    assert absent.value.hint == "--device cpu"
    with pytest.raises(ConfigError, match="none of auto, cpu, cuda"):
        resolve_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="the last is cuda:1"):
        resolve_device("cuda:9")


@pytest.mark.fault(115)
def test_f115_half_precision_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="fp16 needs a CUDA device"):
        Precision("fp16", torch.device("cpu"))
    assert Precision("auto", torch.device("cpu")).name == "fp32"
