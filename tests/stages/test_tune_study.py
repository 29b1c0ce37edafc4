"""A search with a known answer: found, resumed after kill -9 as if undisturbed, shared, cut short, and going on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import known_search
from known_search import FIRST, made, objective, study, value_of

from reccli.errors import DivergedError, Interrupted, LockedError, StorageError
from reccli.stages.tune_attempt import Measured

SCRIPT = known_search.__file__


def start(folder: Path, trials: int, *rest: str, failpoints: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RECCLI_FAILPOINTS": failpoints}
    command = [sys.executable, SCRIPT, str(folder), str(trials), *rest]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with study(folder) as opened:
        assert opened.run(objective, 25) is None
    return made(folder)


def test_the_known_answer_is_neared(undisturbed: list[tuple[Any, ...]]) -> None:
    assert len(undisturbed) == 25
    assert undisturbed[0] == ("complete", FIRST, value_of(FIRST))
    whole = [(value, values) for state, values, value in undisturbed if state == "complete"]
    best, values = max(whole, key=lambda pair: pair[0])
    assert best == value_of(values) > -0.5 > value_of(FIRST)
    assert values["kind"] == "good"
    later = [value_of(values) for _, values, _ in undisturbed[15:]]
    random = [value_of(values) for _, values, _ in undisturbed[1:10]]
    assert sorted(later)[len(later) // 2] > sorted(random)[len(random) // 2], "it learns where to look"


def test_trials_below_the_median_are_cut_short(undisturbed: list[tuple[Any, ...]]) -> None:
    pruned = [(values, value) for state, values, value in undisturbed if state == "pruned"]
    assert pruned
    assert all(value == pytest.approx(value_of(values) - 1 / 3) for values, value in pruned)


@pytest.mark.parametrize(("pruner", "epochs"), [("none", 6), ("median", 1)])
def test_without_a_pruner_or_epochs_all_are_whole(tmp_path: Path, pruner: str, epochs: int) -> None:
    with study(tmp_path, pruner=pruner, epochs=epochs) as opened:
        opened.run(objective, 12)
        assert {attempt.state for attempt in opened.attempts()} == {"complete"}


def test_hyperband_cuts_short_too(tmp_path: Path) -> None:
    with study(tmp_path, pruner="hyperband") as opened:
        opened.run(objective, 20)
        assert {attempt.state for attempt in opened.attempts()} == {"complete", "pruned"}


def test_another_seed_looks_elsewhere(tmp_path: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    with study(tmp_path, seed=2) as opened:
        opened.run(objective, 4)
    first, second, *_ = [values for _, values, _ in made(tmp_path)]
    assert first == FIRST
    assert second != undisturbed[1][1]


@pytest.mark.fault(6, 11)
@pytest.mark.parametrize("point", ["tune.asked#4", "tune.reported#9", "tune.measured#12", "tune.told#8"])
def test_f006_killed_and_started_again_it_tries_what_it_would_have(
    tmp_path: Path, undisturbed: list[tuple[Any, ...]], point: str
) -> None:
    killed = start(tmp_path, 25, failpoints=f"{point}=kill")
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    assert len(made(tmp_path)) < 25
    with study(tmp_path) as opened:
        assert [a.state for a in opened.attempts()].count("running") == 0
        opened.run(objective, 25)
    assert made(tmp_path) == undisturbed


@pytest.mark.fault(6)
def test_f006_half_a_line_of_the_journal_is_cut_off(tmp_path: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    with study(tmp_path) as opened:
        opened.run(objective, 9)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"op_code":4,"worker_id"')
    with study(tmp_path) as opened:
        opened.run(objective, 25)
    assert made(tmp_path) == undisturbed


@pytest.mark.fault(32)
def test_f032_two_processes_share_a_search(tmp_path: Path) -> None:
    both = [start(tmp_path, 16, "0.2") for _ in range(2)]
    ours = []
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        ours.append(json.loads(out))
    assert sorted(ours[0] + ours[1]) == list(range(16)), "each trial is made by one of them, and none is one too many"
    assert min(map(len, ours)) > 0
    assert len(made(tmp_path)) == 16


@pytest.mark.fault(33)
def test_f033_a_trial_of_a_process_that_lives_is_left_to_it(tmp_path: Path) -> None:
    other = start(tmp_path, 1, "5")
    try:
        while not (tmp_path / "journal.jsonl").is_file() or '"worker"' not in (tmp_path / "journal.jsonl").read_text():
            assert other.poll() is None
            time.sleep(0.05)
        with study(tmp_path) as opened:
            assert [attempt.state for attempt in opened.attempts()] == ["running"]
            assert opened.run(objective, 1) is None
            with pytest.raises(LockedError, match="another process works on this search"):
                study(tmp_path).forget()
        other.kill()
        other.communicate()
        with study(tmp_path) as opened:
            assert [attempt.state for attempt in opened.attempts()] == ["lost"]
            opened.run(objective, 1)
            assert [dict(attempt.values) for attempt in opened.attempts()] == [FIRST, FIRST]
    finally:
        if other.poll() is None:
            other.kill()
            other.communicate()


def test_a_failed_trial_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    def failing(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        if values["kind"] == "bad":
            raise DivergedError("loss is\nnan")
        return objective(values, report)

    with study(tmp_path, recoverable=(DivergedError,)) as opened:
        opened.run(failing, 12)
        attempts = opened.attempts()
    assert len(attempts) == 12
    assert {attempt.state for attempt in attempts} >= {"failed", "complete"}
    assert all((attempt.state == "failed") == (attempt.values["kind"] == "bad") for attempt in attempts)
    assert attempts[0].facts["message"] == "loss is nan"
    assert opened.best().values["kind"] == "good"


def test_a_repeated_failure_is_told_as_the_first_one(tmp_path: Path) -> None:
    def failing(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        raise DivergedError("loss is nan")

    whole = [known_search.Parameter("size", known_search.Range(1, 3), whole=True)]
    with known_search.Study(tmp_path, whole, seed=1, higher_is_better=True, recoverable=(DivergedError,)) as opened:
        opened.run(failing, 9)
        repeated = [a for a in opened.attempts() if a.facts["message"].startswith("the same settings as trial ")]
    assert repeated
    assert {attempt.facts["kind"] for attempt in repeated} == {"diverged"}
    assert all(attempt.facts["message"].endswith(": loss is nan") for attempt in repeated)


def test_a_bug_ends_the_search_and_is_not_tried_again(tmp_path: Path) -> None:
    def broken(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        raise KeyError("surprise")

    with pytest.raises(KeyError), study(tmp_path) as opened:
        opened.run(broken, 12)
    with study(tmp_path) as opened:
        assert [attempt.facts["message"] for attempt in opened.attempts()] == ["KeyError: 'surprise'"]
        opened.run(objective, 2)
        assert [attempt.state for attempt in opened.attempts()] == ["failed", "complete"]


@pytest.mark.parametrize("error", [Interrupted(2), StorageError("full")])
def test_what_is_no_fault_of_the_settings_is_tried_again(
    tmp_path: Path, undisturbed: list[tuple[Any, ...]], error: Exception
) -> None:
    def stopped(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        if len(opened.attempts()) == 5:
            raise error
        return objective(values, report)

    with study(tmp_path) as opened:
        if isinstance(error, Interrupted):
            assert opened.run(stopped, 25) == 2
        else:
            with pytest.raises(StorageError):
                opened.run(stopped, 25)
    with study(tmp_path) as opened:
        opened.run(objective, 25)
    assert made(tmp_path) == undisturbed


def test_a_signal_between_trials_and_the_clock_end_it(tmp_path: Path) -> None:
    answers = iter([None, None, 15])
    with study(tmp_path) as opened:
        assert opened.run(objective, 9, stop=lambda: next(answers)) == 15
        assert len(opened.attempts()) == 2
        assert opened.run(objective, 9, timeout=1e-9) is None
        assert len(opened.attempts()) == 2


def test_the_same_settings_are_not_trained_twice(tmp_path: Path) -> None:
    asked: list[Mapping[str, Any]] = []

    def counting(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        asked.append(dict(values))
        return objective({"heat": 1.0, "kind": "good", **values}, report)

    whole = [known_search.Parameter("size", known_search.Range(1, 3), whole=True)]
    with known_search.Study(tmp_path, whole, seed=1, higher_is_better=True, epochs=6) as opened:
        opened.run(counting, 9)
        attempts = opened.attempts()
    assert len(asked) == len({attempt.values["size"] for attempt in attempts}) <= 3
    assert len(attempts) == 9
    assert len({attempt.value for attempt in attempts}) == len(asked)
    assert attempts[8].facts["message"].startswith("the same settings as trial ")


def test_where_all_choices_have_been_tried_it_ends(tmp_path: Path) -> None:
    choices = [
        known_search.PARAMETERS[2],
        known_search.Parameter("size", known_search.Choices((5, 7))),
    ]
    with known_search.Study(tmp_path, choices, seed=1, higher_is_better=True, epochs=6) as opened:
        opened.run(lambda values, report: objective({"heat": 1.0, **values}, report), 500)
        attempts = opened.attempts()
        assert opened.best().values == {"kind": "good", "size": 7}
    assert len({tuple(attempt.values.values()) for attempt in attempts}) == 4
    assert len(attempts) < 500


def test_lower_can_be_better(tmp_path: Path) -> None:
    def negated(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        return Measured(-value_of(values))

    with study(tmp_path, higher_is_better=False) as opened:
        opened.run(negated, 12)
        best = opened.best()
        assert best is not None
        assert best.value == min(attempt.value for attempt in opened.attempts())


def test_forgotten_it_begins_anew(tmp_path: Path) -> None:
    with study(tmp_path) as opened:
        opened.run(objective, 3)
    study(tmp_path).forget()
    with study(tmp_path) as opened:
        assert opened.attempts() == []
