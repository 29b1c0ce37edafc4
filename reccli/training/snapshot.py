"""Between a running loop and a checkpoint's tensors and plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reccli.errors import DamagedArtifactError
from reccli.nn.constants import changing, constant
from reccli.training.randomness import load_random, random_state

if TYPE_CHECKING:
    from reccli.training.loop import Loop

__all__ = ["freeze", "restore"]


def freeze(loop: Loop) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Tensor]]:
    """Return all that the loop needs to go on as if it had never stopped: tensors, plain values, and constants."""
    tensors = {f"model/{name}": value for name, value in changing(loop.task.module).items()}
    tensors |= {f"average/{name}": value for name, value in loop.average.state().items()}
    tensors |= {f"best/{name}": value for name, value in loop.best_weights.tensors.items()}
    optimizer_plain: dict[str, dict[str, Any]] = {}
    for number, entries in loop.optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{number}/{name}"] = value
            else:
                optimizer_plain.setdefault(str(number), {})[name] = value
    random_tensors, random_plain = random_state(loop.task.module, loop.task.generators, loop.plan.device)
    tensors |= {f"random/{name}": value for name, value in random_tensors.items()}
    state = {
        "epoch": loop.epoch,
        "position": loop.position,
        "loss_sum": loop.loss_sum,
        "loss_count": loop.loss_count,
        "terms": loop.terms.state(),
        "best": loop.best.state(),
        "collapsed": loop.collapsed,
        "rows": loop.rows,
        "optimizer": optimizer_plain,
        "scaler": loop.precision.state(),
        "random": random_plain,
        "device": str(loop.plan.device),
        "threads": torch.get_num_threads(),
    }
    return tensors, state, constant(loop.task.module)


def restore(loop: Loop) -> bool:
    """Take up the newest whole checkpoint; return whether there was one.

    Raises:
        DamagedArtifactError: It is whole, and yet of another model.
    """
    if loop.checkpoints is None:
        return False
    found = loop.checkpoints.load()
    if found is None:
        if loop.checkpoints.some:
            loop.monitor.say("no checkpoint there is whole and of this version: training begins anew")
            loop.checkpoints.drop_steps()  # whose higher numbers would outlive those to come
        return False
    state = found.state
    try:
        loop.task.module.load_state_dict({**_part(found.tensors, "model/"), **found.constants})
        loop.average.load(_part(found.tensors, "average/"))
        _load_optimizer(loop, _part(found.tensors, "optimizer/"), state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise DamagedArtifactError(
            f"the checkpoint of step {found.step} is of another model: {str(error).splitlines()[0]}",
            hint="begin anew with --restart",
        ) from error
    loop.best_weights.load(_part(found.tensors, "best/"), loop.plan.device)
    loop.best.load(state["best"])
    loop.collapsed = state.get("collapsed")
    loop.precision.load(state["scaler"])
    module, device = loop.task.module, loop.plan.device
    load_random(module, loop.task.generators, device, _part(found.tensors, "random/"), state["random"])
    loop.epoch, loop.position, loop.step = state["epoch"], state["position"], found.step
    loop.loss_sum, loop.loss_count = state["loss_sum"], state["loss_count"]
    loop.terms.load(state.get("terms", {}))
    loop.rows = [(int(epoch), str(name), float(value)) for epoch, name, value in state["rows"]]
    if state["device"] != str(device) or state["threads"] != torch.get_num_threads():
        loop.monitor.say("the checkpoint was made on another device or with other threads: digits may differ")
    return True


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load_optimizer(loop: Loop, tensors: dict[str, Tensor], plain: dict[str, dict[str, Any]]) -> None:
    state: dict[int, dict[str, Any]] = {int(number): dict(values) for number, values in plain.items()}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = value
    loop.optimizer.load_state_dict({"state": state, "param_groups": loop.optimizer.state_dict()["param_groups"]})
