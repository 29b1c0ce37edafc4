"""Training on pairs of texts: reccli's `neighbours` against sentence-transformers; weights, batches, length alike.

usage: training_steps.py ITEMS [--column title] [--by author] [--rival-python PYTHON] [--batch 64] [--steps 40]

ITEMS is Parquet or CSV; two texts with the same value of `--by` are a pair. Both train all weights of MiniLM with
dropout, AdamW and gradients clipped to norm 1, on the same pairs in the same order: reccli by its own loop and
objective, the rival by its trainer with its symmetric MultipleNegativesRankingLoss. Prints the loss and the norm of the
gradients of the first batch without dropout (they must agree), then, after three steps of warming up, steps a second by
the clock, and seconds of CPU a step (all threads together; they vary less on a machine that others use too), in turns,
best of `--rounds`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

WARM = 3
RIVAL = """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import TrainerCallback

given = json.load(open(sys.argv[1]))
model = SentenceTransformer(given["model"], device="cpu")
model.max_seq_length = given["max_length"]
loss = MultipleNegativesRankingLoss(
    model, scale=1 / given["temperature"], directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
)
size = given["batch"]

model.eval()
first = [model.preprocess(given[side][:size]) for side in ("anchor", "positive")]
value = loss(first, None)
value.backward()
norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
model.zero_grad()


def in_order(dataset, batch_size, drop_last, **_):
    return DefaultBatchSampler(torch.utils.data.SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)


class Clock(TrainerCallback):
    times = []

    def on_step_begin(self, *_, **__):
        self.times.append((time.perf_counter(), time.process_time()))

    on_train_end = on_step_begin


arguments = SentenceTransformerTrainingArguments(
    sys.argv[2], num_train_epochs=1, per_device_train_batch_size=size, learning_rate=2e-5, lr_scheduler_type="constant",
    max_grad_norm=1.0, batch_sampler=in_order, use_cpu=True, report_to="none", disable_tqdm=True,
    save_strategy="no", logging_strategy="no", seed=1,
)
SentenceTransformerTrainer(
    model=model, args=arguments, train_dataset=Dataset.from_dict({k: given[k] for k in ("anchor", "positive")}),
    loss=loss, callbacks=[Clock()],
).train()
print(json.dumps({"loss": value.item(), "norm": norm.item(), "times": Clock.times}))
"""


def main() -> None:
    """Run both in turns; print rates and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path)
    parser.add_argument("--column", default="title")
    parser.add_argument("--by", default="author")
    parser.add_argument("--rival-python")
    parser.add_argument("--batch", type=int, default=64, help="pairs of a step")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--max-length", type=int, default=64)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"reccli": [], "sentence-transformers": []}
    for _ in range(given.rounds):
        begun = time.perf_counter()
        task = pairs_of(given)
        ready = time.perf_counter() - begun
        first, told = first_step(task), told_to_rival(task, given)
        texts = len(set(told["anchor"] + told["positive"]))
        print(f"{len(told['anchor']):,} pairs of {texts:,} texts, tokenised and ready in {ready:.1f} s")
        found["reccli"].append(shown("reccli", first | {"times": times_of(task, given)}))
        if given.rival_python is not None:
            other = run_rival(given.rival_python, told)
            found["sentence-transformers"].append(shown("sentence-transformers", other))
            print(f"  first losses apart by {abs(other['loss'] - first['loss']):.1e}", flush=True)
    if given.rival_python is not None:
        clock, cpu = ([max(pair[place] for pair in pairs) for pairs in found.values()] for place in (0, 1))
        print(
            f"best of {given.rounds}: ratio {clock[0] / clock[1]:.2f} by the clock, {cpu[0] / cpu[1]:.2f} by CPU time"
        )


def shown(name: str, facts: dict[str, Any]) -> tuple[float, float]:
    """Print what was measured; return steps a second by the clock and by CPU time."""
    times = np.array(facts["times"])[WARM:]
    clock, cpu = (len(times) - 1) / (times[-1] - times[0])
    print(f"{name}: {clock:.3f} steps/s, {1 / cpu:.3f} CPU s a step; first loss {facts['loss']:.6f}, "
          f"norm of gradients {facts['norm']:.5f}", flush=True)  # fmt: skip
    return float(clock), float(cpu)


def pairs_of(given: argparse.Namespace) -> Any:
    """Return the objective `neighbours` as a task for the loop: who wrote two books is a user who read both."""
    import polars as pl

    from reccli.api import Context, Histories, TrainingData
    from reccli.objectives.neighbours import Neighbours
    from reccli.training.pretraining import PretrainTask

    read = pl.read_parquet if given.items.suffix == ".parquet" else pl.read_csv
    table = read(given.items).drop_nulls([given.column, given.by])
    user_E = table[given.by].rank("dense").to_numpy() - 1
    n_users, n_items = int(user_E.max()) + 1, len(table)
    histories = Histories.from_arrays(user_E, np.arange(n_items), n_users=n_users, n_items=n_items)
    data = TrainingData(
        train=histories,
        task="ranking",
        item_text_I=table[given.column].to_list(),
    )
    settings = Neighbours.Settings(train="all", most=given.steps * given.batch, max_length=given.max_length)
    context = Context(seed=1)
    objective = Neighbours(settings)
    objective.setup(data, context)
    objective.begin_epoch(1)
    objective.held_pairs = np.zeros(0, np.int64), np.zeros(0, np.int64)  # what is measured between epochs is no step
    return PretrainTask(objective, context, batch_size=given.batch)


def first_step(task: Any) -> dict[str, float]:
    """Return loss and gradient norm of the first batch without dropout, where no pair is known but the own."""
    import torch

    from reccli.objectives.neighbours import neighbour_loss

    objective, row = task.objective, task.batches(1)[0].numpy()
    objective.eval()
    size = len(row)
    texts = np.concatenate([objective.first_A[row], objective.second_A[row]])
    first_BD, second_BD = objective.trunk(texts).chunk(2)
    nothing = torch.zeros((2, size, size), dtype=torch.bool), objective.settings.temperature, torch.zeros(2, size)
    loss = neighbour_loss(first_BD, second_BD, *nothing).mean()
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in objective.parameters() if p.grad is not None])
    objective.zero_grad()
    return {"loss": loss.item(), "norm": norm.item()}


def told_to_rival(task: Any, given: argparse.Namespace) -> dict[str, Any]:
    """Return the epoch's pairs in the order in which reccli takes them, and what else the rival must know."""
    from reccli.nn.text_folder import offline_model

    objective = task.objective
    row_A = np.concatenate([row_B.numpy() for row_B in task.batches(1)])
    texts = objective.trunk.texts
    return {
        "model": str(offline_model()),
        "max_length": given.max_length,
        "temperature": objective.settings.temperature,
        "batch": given.batch,
        "anchor": [texts[text] for text in objective.first_A[row_A]],
        "positive": [texts[text] for text in objective.second_A[row_A]],
    }


def times_of(task: Any, given: argparse.Namespace) -> list[tuple[float, float]]:
    """Train an epoch by the loop of `reccli pretrain`; return clock and CPU time at the beginning of each step."""
    from reccli.training.loop import train
    from reccli.training.task import Plan

    times: list[tuple[float, float]] = []
    compute = task.loss

    def loss(row_B: Any) -> Any:
        times.append((time.perf_counter(), time.process_time()))
        return compute(row_B)

    task.loss = loss
    silent = SimpleNamespace(
        say=lambda *_: None,
        log=lambda *_: None,
        stop=lambda: None,
        task=lambda *_: nullcontext(SimpleNamespace(update=lambda *_, **__: None)),
    )
    train(task, Plan(epochs=1, batch_size=given.batch, learning_rate=2e-5, clip=1.0, seed=1), silent)
    return times


def run_rival(python: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return what the rival measured."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "given.json").write_text(json.dumps(told), encoding="utf-8")
        arguments = [python, "-c", RIVAL, str(place / "given.json"), str(place / "out")]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


if __name__ == "__main__":
    main()
