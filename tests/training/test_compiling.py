from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.api import Context
from reccli.encoders.bert import Bert
from reccli.errors import ConfigError, DeviceError, Interrupted
from reccli.testing import checkerboard
from reccli.training import compiling
from reccli.training.compiling import compile_parts, compiling_errors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forget():
    yield
    torch.compiler.reset()


def bert(folder: Path, train: str = "all") -> Bert:
    encoder = Bert(Bert.Settings(path=str(tiny_bert(folder / "tiny", dropout=0.0)), train=train))
    encoder.setup(checkerboard(users=8, items=8).data, Context(seed=3))
    return encoder


def same_vectors_and_gradients(folder: Path, backend: str) -> None:
    encoder = bert(folder)
    encoder.begin_epoch(1)
    results = []
    for compiled in (False, True):
        if compiled:
            names = list(encoder.state_dict())
            compile_parts(encoder, CPU, backend=backend)
            assert list(encoder.state_dict()) == names
        encoder.train()
        for codes in (torch.arange(6), torch.arange(3)):
            vector = encoder.items(codes)
        encoder.zero_grad()
        vector.sin().sum().backward()
        gradients = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
        results.append((vector.detach(), gradients))
    torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-4, atol=1e-5)
    for first, second in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-5)


def test_compiled_is_the_same(tmp_path: Path) -> None:
    same_vectors_and_gradients(tmp_path, "aot_eager")


@pytest.mark.slow
def test_compiled_to_machine_code_is_the_same(tmp_path: Path) -> None:
    same_vectors_and_gradients(tmp_path, "inductor")


def test_each_part_is_compiled_once_whatever_the_sizes(tmp_path: Path) -> None:
    made: list[int] = []

    def counting(graph: Any, inputs: Any) -> Any:
        made.append(len(inputs))
        return graph.forward

    encoder, said = bert(tmp_path), list[str]()
    tower = encoder.source.tower
    tokens = tower.tokenise(["a", *("film " * length for length in (7, 3, 1, 5, 9, 2))])
    plain = tower.encode(tokens, np.arange(7)).detach()
    compile_parts(encoder, CPU, backend=counting, say=said.append)
    assert said == [
        "compiling the text model within the first step, a minute of work or more, less when done before; "
        "on a CPU it has been measured to bring nothing"
    ]
    for _ in range(2):
        encoder.train()
        for texts in (np.arange(7), np.array([0]), np.array([1, 5]), np.array([3, 4, 6])):
            found = tower.encode(tokens, texts)
            torch.testing.assert_close(found.detach(), plain[texts])
            found.sum().backward()
        tower.encode(tokens, np.arange(7), micro_batch=3).sum().backward()
        encoder.eval()
        encoder.export_items()
    assert len(made) == 1


def test_encoders_without_such_parts_are_refused(tmp_path: Path) -> None:
    encoder = registry.create("encoder", "mf")
    encoder.setup(checkerboard(users=8, items=8).data, Context())
    with pytest.raises(ConfigError, match="encoder 'MF' has nothing to compile"):
        compile_parts(encoder, CPU)
    with pytest.raises(ConfigError, match="'Bert' has nothing to compile as it is set"):
        compile_parts(bert(tmp_path, "head"), CPU)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = bert(tmp_path)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match=r"needs a C\+\+ compiler"):
        compile_parts(encoder, CPU)
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="needs triton"):
        compile_parts(encoder, torch.device("cuda"))


def test_what_fails_at_the_first_step_is_told_in_one_line(tmp_path: Path) -> None:
    def broken(graph: object, inputs: object) -> object:
        raise ValueError("no such operation\nand more")

    encoder = bert(tmp_path)
    for part in encoder.compiled_parts():
        part.compile(backend=broken)
    encoder.train()
    with pytest.raises(DeviceError, match="cannot be compiled here") as told, compiling_errors():
        encoder.items(torch.arange(4))
    assert "\n" not in told.value.message
    with pytest.raises(ZeroDivisionError), compiling_errors():
        _ = 1 / 0


def test_a_signal_that_comes_while_torch_compiles_stops_the_run_as_a_signal(tmp_path: Path) -> None:
    def slow(graph: object, inputs: object) -> object:
        raise Interrupted(15)

    encoder = bert(tmp_path)
    for part in encoder.compiled_parts():
        part.compile(backend=slow)
    encoder.train()
    with pytest.raises(Interrupted) as told, compiling_errors():
        encoder.items(torch.arange(4))
    assert told.value.exit_code == 143
