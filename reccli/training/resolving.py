"""From settings with gaps to a complete recipe: an encoder's preferences fill in, and what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reccli import registry
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.training.auxiliaries import check_views, resolve_auxiliaries
from reccli.training.fitting import (
    VALUE_NEEDS,
    check_encoder,
    check_parts,
    check_settings,
    is_trainable,
    listed,
    misfit,
)
from reccli.training.loss_sum import traits_of
from reccli.training.parts import all_settings, names_of, parts_of, together
from reccli.training.tasks import VALUE_LOSSES, Side, parse_tasks, resolve_sides
from reccli.training.validation import KINDS, parse_metric

__all__ = ["Recipe", "resolve"]

GENERAL: dict[str, Any] = {
    "similarity": "dot",
    "epochs": 30,
    "batch_size": 1024,
    "learning_rate": 1e-3,
    "optimizer": "adamw",
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "patience": 5,
    "average": 0.0,
}
SMALL = 25_000  # items up to which scores of the whole catalogue are cheap


@dataclass(frozen=True)
class Recipe:
    """A complete recipe.

    Args:
        settings: Settings without gaps.
        task: What is trained for: `ranking`, `rating` or `ctr`.
        trainable: Whether there is anything to train.
        chosen: Names of settings that nobody set, with the values that were filled in.
        sides: Tasks trained beside the first.
    """

    settings: FinetuneSettings
    task: str
    trainable: bool
    chosen: Mapping[str, Any]
    sides: tuple[Side, ...] = ()

    @property
    def run_name(self) -> str:
        """Name of the run: as given, or the names of encoder and loss; a refit's ends so."""
        given = self.settings
        own = [*_names("loss", given.loss), *(side.loss for side in self.sides), *_names("aux", given.aux)]
        parts = (given.encoder, *own)
        name = given.name or "-".join(map(_plain, parts))
        suffix = ("-refit" if given.as_of == "now" else "-refit-test") if given.refit else ""
        return name + suffix

    @property
    def auxiliaries(self) -> list[str]:
        """Names of the auxiliary tasks."""
        return [_plain(name) for name in _names("aux", self.settings.aux)]

    @property
    def components(self) -> list[tuple[str, str]]:
        """Kind and name of each component."""
        given = self.settings
        used = [("encoder", given.encoder)]
        for kind in ("loss", "sampler", "aux"):
            used += [(kind, name) for name in _names(kind, getattr(given, kind))]
        return used + [("loss", side.loss) for side in self.sides]

    def determinants(self) -> dict[str, Any]:
        """Return all settings that results depend on, those that nobody set with their defaults of today.

        A run can so be opened again, and is known to be out of date, after a default has changed.
        """
        found = self.settings.determinants()
        for kind in ("encoder", "loss", "sampler", "aux"):
            name = getattr(self.settings, kind)
            if name is not None:
                found[f"{kind}_settings"] = all_settings(kind, name, getattr(self.settings, f"{kind}_settings"))
        if self.sides:
            found["side_settings"] = {side.task: all_settings("loss", side.loss, side.settings) for side in self.sides}
        return found


def resolve(
    settings: FinetuneSettings,
    data_task: str,
    provides: frozenset[str],
    *,
    n_items: int = SMALL + 1,
    device: str = "cpu",
) -> Recipe:
    """Fill the gaps and check that all parts fit.

    Args:
        settings: As given.
        data_task: Task of the data: the first one asked for, else that of the prepared data.
        provides: What the data provides, see `TrainingData.provides`.
        n_items: Size of the catalogue.
        device: Where it is trained.

    Raises:
        ConfigError: An unknown component or setting, or parts that do not fit; the message names those that would.
    """
    encoder = registry.load("encoder", settings.encoder)
    check_views(settings)
    settings = resolve_auxiliaries(settings)
    check_encoder(settings.encoder, encoder, data_task, provides)
    if not encoder.trainable:
        return _closed_form(settings, encoder, provides, device)
    circumstances = provides | ({"small"} if n_items <= SMALL else frozenset())
    preferred = _preferred(encoder, circumstances)
    ranking_loss = str(preferred.get("loss", encoder.default_loss))
    loss_name, task = _loss(settings, ranking_loss, data_task, provides)
    sides = resolve_sides(settings.task, preferred, ranking_loss, provides | {"negatives", "table"})
    if sides and encoder.joint:
        raise ConfigError(
            f"encoder '{settings.encoder}' has no vectors that a second task could share", hint=f"--task {task}"
        )
    preferred |= encoder.defaults.get(task, {})
    preferred = {"sampler": encoder.default_sampler, **preferred}
    if preferred["sampler"] == "in-batch" and not (settings.sampler or settings.memory):  # which has no settings itself
        preferred |= traits_of(loss_name).preferred_sampler
    preferred_sampler = str(preferred["sampler"])
    drawing = next((side for side in sides if "negatives" in _needs_for(side.loss, side.task)), None)
    if drawing is None or "negatives" in _needs_for(loss_name, task):
        sampler = _sampler(settings, preferred_sampler, loss_name, task)
    else:
        sampler = _sampler(settings, preferred_sampler, drawing.loss, drawing.task)
    chosen: dict[str, Any] = {"loss": loss_name, "sampler": sampler}
    for name, general in GENERAL.items():
        chosen[name] = preferred.get(name, general)
    chosen["metric"] = preferred.get("metric", KINDS[task][1])
    chosen = {name: value for name, value in chosen.items() if getattr(settings, name) is None and value is not None}
    if settings.swa:
        if settings.average:
            raise ConfigError("swa and average are two means of weights: choose one", hint="--set average=0")
        chosen.pop("average", None)
        settings = settings.model_copy(update={"average": 0.0})
    filled = settings.model_copy(update=chosen)
    filled = _component_settings(filled, preferred, chosen)
    check_settings(filled, provides)
    check_parts(filled, task, device)
    parse_metric(str(filled.metric), task)
    return Recipe(filled, task, True, chosen, sides)


def _needs_for(loss: str, task: str) -> frozenset[str]:
    return traits_of(loss).needs_for(task)


def _preferred(encoder: type[Any], circumstances: frozenset[str]) -> dict[str, Any]:
    """Return an encoder's preferences, those for small catalogues and for ordered data among them."""
    preferred = dict(encoder.defaults)
    for circumstance in ("small", "time"):
        if circumstance in circumstances:
            preferred |= encoder.defaults.get(circumstance, {})
    return preferred


def _closed_form(settings: FinetuneSettings, encoder: type[Any], provides: frozenset[str], device: str) -> Recipe:
    """Return the recipe of an encoder without training; what only training could use is refused."""
    if settings.task is not None and settings.task != "ranking":
        fitting = [name for name in registry.names("encoder") if is_trainable(name)]
        raise misfit(f"encoder '{settings.encoder}' is solved in closed form, and ranks", "encoder", fitting)
    for kind in ("loss", "sampler"):
        given = getattr(settings, kind)
        if given is not None:
            for name in names_of(kind, given):
                registry.find(kind, name)
            fitting = [name for name in registry.names("encoder") if is_trainable(name)]
            raise misfit(
                f"encoder '{settings.encoder}' is solved in closed form: no training that {kind} '{given}' could steer",
                "encoder",
                fitting,
            )
    chosen = {"similarity": encoder.defaults.get("similarity", "dot"), "metric": "ndcg@10", "epochs": 0}
    chosen = {name: value for name, value in chosen.items() if getattr(settings, name) is None}
    filled = _component_settings(settings.model_copy(update=chosen), {}, chosen)
    check_settings(filled, provides)
    check_parts(filled, "ranking", device)
    parse_metric(str(filled.metric), "ranking")
    return Recipe(filled, "ranking", False, chosen)


def _loss(settings: FinetuneSettings, preferred: str, data_task: str, provides: frozenset[str]) -> tuple[str, str]:
    """Return the loss and the task that it is for."""
    name = settings.loss or VALUE_LOSSES.get(data_task, preferred)
    needs = _needs_for(name, data_task)
    offered = provides | {"negatives", "table"}
    missing = needs - offered
    if missing:
        fitting = [
            other for other in registry.names("loss") if not registry.load("loss", other).needs_for(data_task) - offered
        ]
        hint = "reccli prepare --task rating" if "ratings" in missing else None
        lacking = next(part for part in names_of("loss", name) if _needs_for(part, data_task) - offered)
        error = misfit(f"loss '{lacking}' needs {listed(missing)}, which the data has not", "loss", fitting)
        error.hint = f"{error.hint}; or {hint}" if hint else error.hint
        raise error
    task = next((task for need, task in VALUE_NEEDS.items() if need in needs), "ranking")
    wanted = data_task if settings.task is None else next(iter(parse_tasks(settings.task)))
    if settings.task is not None and task != wanted:
        fitting = [VALUE_LOSSES[wanted]] if wanted in VALUE_LOSSES else [preferred]
        raise misfit(f"loss '{name}' is for the task {task}, and the task is {wanted}", "loss", fitting)
    return name, task


def _sampler(settings: FinetuneSettings, preferred: str, loss_name: str, task: str) -> str | None:
    """Return the sampler, or None where the loss uses none."""
    loss = traits_of(loss_name)
    if "negatives" not in loss.needs_for(task):
        if settings.sampler is not None:
            fitting = [
                name for name in registry.names("loss") if "negatives" in registry.load("loss", name).needs_for(task)
            ]
            raise misfit(
                f"loss '{loss_name}' uses no negatives: sampler '{settings.sampler}' would draw for nothing",
                "loss",
                fitting,
            )
        return None
    if loss.only_in_batch:
        if settings.sampler not in (None, "in-batch"):
            raise misfit(f"loss '{loss_name}' needs the batch's own items as negatives", "sampler", ["in-batch"])
        return "in-batch"
    if settings.sampler is None:
        return preferred if loss.in_batch or preferred != "in-batch" else "uniform"
    registry.load("sampler", settings.sampler)
    if settings.sampler == "in-batch" and not loss.in_batch:
        others = [name for name in registry.names("sampler") if name != "in-batch"]
        raise misfit(f"loss '{loss_name}' cannot use the batch's own positives as negatives", "sampler", others)
    return settings.sampler


def _component_settings(
    settings: FinetuneSettings, preferred: Mapping[str, Any], chosen: dict[str, Any]
) -> FinetuneSettings:
    """Fill the components' settings from the encoder's preferences, and validate them.

    Preferences for a loss (a temperature) hold for the similarity that the encoder prefers, not for another. Of several
    losses each gets those that it has a setting for.
    """
    update: dict[str, Any] = {}
    same_similarity = settings.similarity == preferred.get("similarity", settings.similarity)
    for kind in ("encoder", "sampler", "loss"):
        name, values = getattr(settings, kind), getattr(settings, f"{kind}_settings")
        if name is None:
            if values:
                raise ConfigError(f"--set {kind}.…: this run has no {kind}")
            continue
        parts = parts_of(kind, name, values)
        for key, value in preferred.items():
            head, _, field = key.partition(".")
            usable = kind != "loss" or (
                same_similarity and (field != "log_q" or _gives_log_q(settings.sampler, update))
            )
            for part in parts if head == kind and usable else ():
                if field in part.cls.Settings.model_fields and field not in part.values:
                    part.values[field] = value
                    chosen[key] = value
        if kind == "encoder" and settings.encoder_path is not None:
            if "path" not in parts[0].cls.Settings.model_fields:
                raise ConfigError(f"--encoder-path: encoder '{name}' reads no text model", hint="--encoder bert")
            parts[0].values.setdefault("path", settings.encoder_path)
        for part in parts:
            registry.settings_of(kind, part.component, part.values)
        update[f"{kind}_settings"] = parts[0].values if len(parts) == 1 else together(parts)
    return settings.model_copy(update=update)


def _gives_log_q(sampler: str | None, update: Mapping[str, Any]) -> bool:
    """Return whether the draws come with probabilities, so that a preference for the correction can hold."""
    return sampler is None or bool(registry.create("sampler", sampler, update["sampler_settings"]).gives_log_q)


def _names(kind: str, text: str | None) -> list[str]:
    return [] if text is None else names_of(kind, text)


def _plain(name: str) -> str:
    return name.rpartition(":")[2]
