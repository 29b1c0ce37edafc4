"""A search over settings, kept in a journal, that any number of processes may work on, be killed, and go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from reccli import failpoint
from reccli.api.search import Choices
from reccli.errors import Interrupted, LockedError, ReccliError
from reccli.stages.tune_attempt import Attempt, Ended, Measured, attempt_of, values_of
from reccli.stages.tune_draws import drawn, pruner_of, sampler_of
from reccli.stages.tune_journal import Workers, open_journal
from reccli.training.search_space import Parameter

__all__ = ["Study"]

NAME = "tune"
JOURNAL = "journal.jsonl"
LOST = "lost"
Report = Callable[[int, float], None]
Objective = Callable[[Mapping[str, Any], Report], Measured]


class Study:
    """One search: asks for settings, measures them, and remembers.

    What it asks for in its n-th trial depends on the seed, on n and on what the trials before came to. A search that
    was killed and goes on therefore tries the same settings as one that was not; one that several processes share
    depends on which of them is faster.

    Args:
        folder: Where it is kept.
        parameters: What is searched.
        seed: Seed of the draws.
        higher_is_better: Which way.
        pruner: `median`, `hyperband` or `none`.
        first: Settings of the first trial; those that are left out are drawn.
        epochs: Most epochs of a trial.
        recoverable: Errors that end a trial, not the search.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Sequence[Parameter],
        *,
        seed: int,
        higher_is_better: bool,
        pruner: str = "median",
        first: Mapping[str, Any] | None = None,
        epochs: int = 1,
        recoverable: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.parameters, self.seed, self.recoverable = parameters, seed, recoverable
        self.higher_is_better = higher_is_better
        self.workers = Workers(folder)
        self._folder = folder
        self._setup = (pruner_of(pruner, epochs), dict(first or {}))
        self._study: optuna.Study | None = None

    def __enter__(self) -> Study:
        """Open the journal, and take up what killed processes left."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it tells of each trial; we do that ourselves
        with self.workers.alone():
            self.workers.enter()
            self.workers.sweep(self.drafts)
            self._open()
            self._bury()
        return self

    @property
    def drafts(self) -> Path:
        """Folder of what processes have at work, each in a folder of its worker's name."""
        return self._folder / "drafts"

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self.workers.close()

    def forget(self) -> None:
        """Begin anew; call before entering.

        Raises:
            LockedError: Another process works on it.
        """
        with self.workers.alone():
            if self.workers.others():
                raise LockedError(
                    "another process works on this search", hint="wait for it or stop it, or leave --restart out"
                )
            (self._folder / JOURNAL).unlink(missing_ok=True)

    def run(
        self,
        objective: Objective,
        most: int,
        *,
        timeout: float | None = None,
        stop: Callable[[], int | None] = lambda: None,
        done: Callable[[Attempt], None] = lambda attempt: None,
    ) -> int | None:
        """Make trials until there are enough.

        Args:
            objective: Measures settings; it reports its epochs as they end, and is ended by what `report` raises.
            most: Trials of the search, those of other processes among them, those that were lost not. Where there are
                choices alone, all of them are enough.
            timeout: Seconds after which none is begun.
            stop: Gives the signal number once a signal asked to stop.
            done: Told of each trial of this process when it is over.

        Returns:
            The signal that ended it, or None.
        """
        begun = time.monotonic()
        while timeout is None or time.monotonic() - begun < timeout:
            if (number := stop()) is not None:
                return number
            trial: Trial | None = None
            try:
                asked = self._ask(most)
                if asked is None:
                    return None
                trial, values = asked
                made = trial.number
                self._make(trial, values, objective)
                trial = None
                done(next(attempt for attempt in self.attempts() if attempt.number == made))
            except Interrupted as error:
                return error.exit_code - 128
            finally:
                if trial is not None:
                    self._lose(trial)
        return None

    def attempts(self) -> list[Attempt]:
        """Return all trials so far, in order; those that wait to be taken up are left out."""
        lost = self._lost()
        return [
            attempt_of(trial, self.parameters, lost=trial.number in lost)
            for trial in self._trials()
            if trial.state != TrialState.WAITING
        ]

    def best(self) -> Attempt | None:
        """Return the trial with the best value (the first of equal ones), or None."""
        complete = [attempt for attempt in self.attempts() if attempt.state == "complete"]
        sign = -1 if self.higher_is_better else 1
        return min(complete, key=lambda attempt: (sign * (attempt.value or 0.0), attempt.number), default=None)

    def _open(self) -> None:
        pruner, first = self._setup
        self._study = optuna.create_study(
            storage=open_journal(self._folder / JOURNAL),
            study_name=NAME,
            direction="maximize" if self.higher_is_better else "minimize",
            pruner=pruner,
            load_if_exists=True,
        )
        if not self._trials() and first:
            self._study.enqueue_trial(first)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    @property
    def study(self) -> optuna.Study:
        """The search as Optuna sees it; inside `with` alone."""
        if self._study is None:
            raise RuntimeError("open the study first: with Study(...) as study")
        return self._study

    def _bury(self) -> None:
        """Give trials of processes that are no more to those that are."""
        for trial in self._trials():
            if trial.state == TrialState.RUNNING and not self.workers.lives(trial.user_attrs.get("worker")):
                self._give_back(trial)

    def _lose(self, trial: Trial) -> None:
        """Leave a trial of this process to be made again, unless it is over."""
        with self.workers.alone():
            if not self._trials()[trial.number].state.is_finished():
                self._give_back(trial)

    def _give_back(self, trial: Trial | FrozenTrial) -> None:
        self.study.set_user_attr(f"{LOST} {trial.number}", True)
        self.study.tell(trial.number, state=TrialState.FAIL)
        self.study.enqueue_trial(dict(trial.params))

    def _lost(self) -> set[int]:
        """Return numbers of trials that were lost with their processes."""
        return {int(name.removeprefix(LOST)) for name in self.study.user_attrs if name.startswith(LOST)}

    def _ask(self, most: int) -> tuple[Trial, dict[str, Any]] | None:
        """Return the next trial and its settings, or None where there are enough."""
        with self.workers.alone():
            self._bury()
            lost = self._lost()
            made = [t for t in self._trials() if t.state != TrialState.WAITING and t.number not in lost]
            if len(made) >= most or self._exhausted(made):
                return None
            self.study.sampler = sampler_of(self.seed, len(made))
            trial = self.study.ask()
            trial.set_user_attr("worker", self.workers.name)
            values = {parameter.name: drawn(trial, parameter) for parameter in self.parameters}
        failpoint.hit("tune.asked")
        return trial, values

    def _exhausted(self, made: Sequence[FrozenTrial]) -> bool:
        """Whether all there is has been tried: where there is nothing but choices, they come to an end."""
        spaces = [parameter.space for parameter in self.parameters]
        most = math.prod(len(space.values) if isinstance(space, Choices) else math.inf for space in spaces)
        return len({tuple(values_of(trial, self.parameters).values()) for trial in made}) >= most

    def _make(self, trial: Trial, values: Mapping[str, Any], objective: Objective) -> None:
        before = self._same(trial.number, values)
        if before is not None:
            self._repeat(trial, before)
            return
        begun = time.monotonic()

        def report(epoch: int, value: float) -> None:
            trial.report(value, epoch)
            failpoint.hit("tune.reported")
            if trial.should_prune():
                raise Ended

        try:
            found = objective(values, report)
        except Ended:
            self._tell(trial, TrialState.PRUNED, {}, begun)
        except self.recoverable as error:
            self._tell(trial, TrialState.FAIL, {"message": _line(error), "kind": getattr(error, "kind", "")}, begun)
        except ReccliError:
            raise  # a signal, a full disk, a device that is gone: no fault of these settings
        except Exception as error:
            self._tell(trial, TrialState.FAIL, {"message": f"{type(error).__name__}: {_line(error)}"}, begun)
            raise
        else:
            failpoint.hit("tune.measured")
            self._tell(trial, TrialState.COMPLETE, {"epoch": found.epoch, "epochs": found.epochs}, begun, found.value)

    def _tell(
        self, trial: Trial, state: TrialState, facts: Mapping[str, Any], begun: float, value: float | None = None
    ) -> None:
        for name, fact in {**facts, "seconds": round(time.monotonic() - begun, 3)}.items():
            trial.set_user_attr(name, fact)
        self.study.tell(trial, value, state=state)
        failpoint.hit("tune.told")

    def _same(self, number: int, values: Mapping[str, Any]) -> FrozenTrial | None:
        """Return a trial of the same settings that is over: trainings repeat themselves to the last bit."""
        lost = self._lost()
        for trial in self._trials():
            over = trial.state.is_finished() and trial.number not in lost and trial.number != number
            if over and values_of(trial, self.parameters) == dict(values):
                return trial
        return None

    def _repeat(self, trial: Trial, before: FrozenTrial) -> None:
        begun = time.monotonic()
        for epoch, reported in sorted(before.intermediate_values.items()):
            trial.report(reported, epoch)
        kept = ("epoch", "epochs", "kind")
        facts: dict[str, Any] = {name: fact for name, fact in before.user_attrs.items() if name in kept}
        failed = f": {before.user_attrs['message']}" if before.state == TrialState.FAIL else ""
        facts["message"] = f"the same settings as trial {before.number}{failed}"
        value = before.value if before.state == TrialState.COMPLETE else None
        self._tell(trial, before.state, facts, begun, value)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
