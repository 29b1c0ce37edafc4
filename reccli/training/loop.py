"""The only step loop. B batch rows."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reccli.errors import DivergedError, Interrupted
from reccli.nn.constants import changing, take_up
from reccli.training.adversary import Adversary
from reccli.training.averaging import EpochAverage, WeightAverage
from reccli.training.batching import steps_of
from reccli.training.best_weights import BestWeights
from reccli.training.checkpoint import Checkpoints
from reccli.training.collapse import collapse_error
from reccli.training.early_stopping import Best
from reccli.training.freed import give_back
from reccli.training.health_log import crowding
from reccli.training.optimizers import build_optimizer, set_rate
from reccli.training.precision import Precision
from reccli.training.randomness import load_random, random_state, seeded
from reccli.training.schedules import factor
from reccli.training.snapshot import freeze, restore
from reccli.training.task import Monitor, Outcome, Plan, TrainingTask
from reccli.training.term_means import TermMeans
from reccli.training.troubles import told

__all__ = ["Loop", "train"]

RESUME_HINT = "run the same command again to go on from the checkpoint, or with --restart to begin anew"
CHECKPOINT_SHARE = 0.1  # of the time at most
REPORT_SECONDS = 0.2


def train(
    task: TrainingTask,
    plan: Plan,
    monitor: Monitor,
    checkpoints: Checkpoints | None = None,
    adversary: Adversary | None = None,
) -> Outcome:
    """Train, resuming from the newest checkpoint where there is one, and leave the best weights in `task.module`.

    Args:
        task: What to train; its module is on `plan.device` already.
        plan: How.
        monitor: Takes progress, and says when to stop.
        checkpoints: Where to save, or None to keep nothing.
        adversary: Adds the loss at a worse place to each step, or None.

    Raises:
        DivergedError: A loss, gradient or weight is not finite, or vectors have collapsed.
        Interrupted: A signal asked to stop; a checkpoint is saved.
        OutOfMemoryError: The batch does not fit.
    """
    with seeded(plan.seed, plan.device):
        return Loop(task, plan, monitor, checkpoints, adversary).run()


class Loop:
    """State of one training run; `train` makes and runs it."""

    def __init__(
        self,
        task: TrainingTask,
        plan: Plan,
        monitor: Monitor,
        checkpoints: Checkpoints | None,
        adversary: Adversary | None = None,
    ) -> None:
        self.task, self.plan, self.monitor, self.checkpoints = task, plan, monitor, checkpoints
        self.adversary = adversary
        self.precision = Precision(plan.precision, plan.device)
        if self.precision.note:
            monitor.say(self.precision.note)
        self.optimizer = build_optimizer(
            plan.optimizer,
            task.parameter_groups(),
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
        )
        self.average: WeightAverage | EpochAverage = WeightAverage(task.module, plan.average)
        if plan.swa:
            self.average = EpochAverage(task.module, plan.swa)
        self.best = Best(task.higher_is_better, plan.patience)
        self.best_weights = BestWeights()
        self.collapsed: str | None = None
        self.epoch, self.position, self.step = 1, 0, 0
        self.rows: list[tuple[int, str, float]] = []
        self.loss_sum, self.loss_count = 0.0, 0
        self.terms = TermMeans()
        self.begun = self.last_saved = time.monotonic()
        self.save_seconds = 0.0
        planned = plan.epochs if plan.schedule_epochs is None else plan.schedule_epochs
        self.total_steps = max(1, planned * steps_of(task.n_rows, plan.batch_size))

    def run(self) -> Outcome:
        """Train to the end and put the best weights back."""
        give_back()
        restored = restore(self)
        if restored:
            self.monitor.say(f"resuming at epoch {self.epoch}, step {self.step}")
        else:
            self._validate(0)
        stopped = "epochs" if self.collapsed is None else "collapse"
        with self.monitor.task(self.task.label, self.plan.epochs, "epochs") as progress, told(self.plan):
            while self.epoch <= self.plan.epochs and stopped == "epochs":
                self._epoch(progress)
                stopped = self._end_epoch(progress) or stopped
        done, best = self.epoch - 1, self.best
        if self.collapsed is not None and not self.plan.limits.keep:
            self._save()
            rate = self.plan.learning_rate
            raise collapse_error(self.collapsed, epoch=done, best_epoch=best.epoch, learning_rate=rate)
        self.best_weights.put_back(self.task.module)
        if self.best.value is None:
            self.best.epoch = done
        first = next((value for epoch, name, value in self.rows if epoch == 0 and name == self.task.metric), None)
        seconds = time.monotonic() - self.begun
        return Outcome(done, self.step, self.best.epoch, self.best.value, first, stopped, self.rows, seconds)

    def _epoch(self, progress: Any) -> None:
        task = self.task
        task.module.train()
        self._begin_epoch()
        batches = task.batches(self.epoch)
        reported = time.monotonic()
        while self.position < len(batches):
            self._stop_if_asked()
            self._step(batches[self.position])
            self.position += 1
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                progress.update(self.epoch - 1 + self.position / len(batches), **self._facts())
            if self._out_of_time():
                break

    def _begin_epoch(self) -> None:
        """Begin an epoch, or take one up in the middle: what its beginning drew and changed is in the checkpoint."""
        if self.position == 0:
            self.task.begin_epoch(self.epoch)
            return
        task, device = self.task, self.plan.device
        state = random_state(task.module, task.generators, device)
        tensors = {name: value.detach().clone() for name, value in changing(task.module).items()}
        task.begin_epoch(self.epoch)  # for what it keeps outside the state; a table would be made of later weights
        take_up(task.module, tensors)
        load_random(task.module, task.generators, device, *state)

    def _step(self, row_B: Tensor) -> None:
        set_rate(self.optimizer, self._factor)
        with contextlib.nullcontext() if self.adversary is None else self.adversary.watching():
            value = self._backward(row_B, lambda: self._loss(row_B))
            if self.adversary is not None:
                again, weight = self.adversary.again, self.adversary.weight
                with self.adversary.moved():
                    self._backward(row_B, lambda: again() * weight)
        scaler: Any = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        self._check_gradients(row_B)
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()
        self.optimizer.zero_grad(set_to_none=True)  # at once: a validation needs the room
        self.step += 1
        self.average.update(self.step)
        self.loss_sum += value
        self.loss_count += 1

    def _loss(self, row_B: Tensor) -> Tensor:
        loss, terms = self.task.loss(row_B)
        self.terms.add(terms)
        return loss

    def _backward(self, row_B: Tensor, compute: Callable[[], Tensor]) -> float:
        """Compute a loss, add its gradients, and return its value."""
        with self.precision.autocast():
            loss = compute()
        value = float(loss.detach())
        if value != value or value in (float("inf"), float("-inf")):
            self._diverged("loss", value, row_B)
        scaler = self.precision.scaler
        (loss if scaler is None else scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        return value

    def _factor(self, warmup: float) -> float:
        """Return what a rate is multiplied by that warms up over a share of the steps, or longer as the plan says."""
        return factor(self.plan.schedule, self.step, self.total_steps, max(warmup, self.plan.warmup))

    def _check_gradients(self, row_B: Tensor) -> None:
        """Refuse gradients that are not finite (a scaler skips them by itself), and clip."""
        gradients = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not gradients:
            return
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.precision.scaler is None and not bool(norm.isfinite()):
            self._diverged("gradient norm", float(norm), row_B)
        if self.plan.clip:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.plan.clip, norm)

    def _end_epoch(self, progress: Any) -> str | None:
        """Log, validate and save; return why to stop, or None. A pass cut short by the clock counts as made."""
        done, late = self.epoch, self._out_of_time()
        self.average.end_epoch(done)
        if self.loss_count:
            self.rows.append((done, "loss", self.loss_sum / self.loss_count))
        self.rows.extend((done, f"loss.{name}", value) for name, value in self.terms.take())
        last = late or done == self.plan.epochs
        if last or done % self.plan.validate_every == 0:
            self._validate(done)
        facts = self._facts()
        progress.update(done, **facts)
        self.monitor.log("train.epoch", {"epoch": done, "step": self.step, **facts})
        self.epoch, self.position, self.loss_sum, self.loss_count = done + 1, 0, 0.0, 0
        if self.collapsed is not None:
            return "collapse"
        if late:
            return "time"
        if self.best.over:
            return "patience"
        if not last and done % self.plan.checkpoint_every == 0 and self._may_save():
            self._save()
        return None

    def _validate(self, epoch: int) -> None:
        module = self.task.module
        module.eval()
        give_back()  # a validation wants other sizes than a step, and would lie beside it
        with torch.no_grad(), self.average.in_place():
            metrics = self.task.validate()
            value, best = metrics.get(self.task.metric), self.best.value
            better = value is not None and self.best.offer(float(value), epoch)
            if better or (value is None and epoch):
                self.best_weights.take(module)
            if value is not None and not better and value != best:  # narrow vectors that rank ever better are none
                self.collapsed = self.plan.limits.broken(metrics)
        give_back()
        module.train()
        self.rows.extend((epoch, name, float(value)) for name, value in metrics.items())
        self.monitor.validated(epoch, metrics)

    def _facts(self) -> dict[str, float]:
        facts = {"loss": self.loss_sum / self.loss_count} if self.loss_count else {}
        last = next((value for _, name, value in reversed(self.rows) if name == self.task.metric), None)
        if last is not None and self.best.value is not None:
            facts |= {self.task.metric: last, "best": self.best.value}
        return facts | crowding(self.rows)

    def _out_of_time(self) -> bool:
        return self.plan.max_time is not None and time.monotonic() - self.begun > self.plan.max_time

    def _may_save(self) -> bool:
        """Saving may cost a tenth of the time: a large model with short epochs is not saved after each of them."""
        return time.monotonic() - self.last_saved >= self.save_seconds * (1 / CHECKPOINT_SHARE - 1)

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        begun = time.monotonic()
        self.checkpoints.save(self.step, *freeze(self))
        self.last_saved = time.monotonic()
        self.save_seconds = self.last_saved - begun

    def _stop_if_asked(self) -> None:
        number = self.monitor.stop()
        if number is not None:
            self._save()
            raise Interrupted(number, hint=RESUME_HINT if self.checkpoints is not None else None)

    def _diverged(self, what: str, value: float, row_B: Tensor) -> None:
        facts = {"what": what, "value": str(value), "epoch": self.epoch, "step": self.step, "rows": row_B.tolist()}
        rate = facts["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        where = ""
        if self.checkpoints is not None:
            if all(bool(p.isfinite().all()) for p in self.task.module.parameters()):
                self._save()  # the weights before the step, the last good ones
            where = f"; its rows are in {self.checkpoints.note('diverged.json', json.dumps(facts))}"
        raise DivergedError(
            f"{what} is {value} in step {self.step} (epoch {self.epoch}, learning rate {rate:.2g}){where}",
            hint=f"lower the rate: --learning-rate {self.plan.learning_rate / 10:.2g}, or clip gradients: --clip 1",
        )
