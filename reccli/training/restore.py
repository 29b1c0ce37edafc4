"""Open a finished run again: the fitted model, rebuilt from settings, data and weights.

U users, I items, N texts, S stored vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from reccli import registry
from reccli.api.component import Context
from reccli.api.data import Histories
from reccli.api.similarity import Similarity
from reccli.api.vectors import MixedVectors
from reccli.artifacts import Prepared
from reccli.errors import ConfigError, DamagedArtifactError, MissingArtifactError
from reccli.training.component_data import component_data, positives
from reccli.training.model import ScoringModel
from reccli.training.pretrained import read_features
from reccli.workspace import Version, Workspace

__all__ = ["Fitted", "load_encoder"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A run's model, ready to encode.

    Args:
        model: The model with its weights, in evaluation mode.
        data_task: Task of the prepared data.
        run_task: Task that the run was trained for.
    """

    model: ScoringModel
    data_task: str
    run_task: str

    def user_vectors(self, histories: Histories) -> Float32 | MixedVectors:
        """Return stored vectors of users given by history, US."""
        return self.model.user_vectors(positives(histories, self.data_task, self.run_task))

    def item_vectors(self) -> Float32 | MixedVectors:
        """Return stored vectors of the catalogue, IS."""
        return self.model.item_vectors()

    def text_vectors(self, texts: Sequence[str]) -> Float32:
        """Return stored vectors of items given by text alone, NS (encoders that serve new items)."""
        self.model.eval()
        item_NS = self.model.similarity.stored_items(self.model.encoder.encode_texts(texts))
        if self.model.values is not None:
            item_NS = torch.cat([item_NS, torch.ones(len(item_NS), 1), torch.zeros(len(item_NS), 1)], dim=1)
        return item_NS.float().numpy()

    def pair_scores(
        self, user_R: npt.NDArray[np.int64], item_R: npt.NDArray[np.int64], histories: Histories
    ) -> npt.NDArray[np.float64]:
        """Return what a joint encoder adds to the product of stored vectors of pairs, R."""
        return self.model.pair_scores(user_R, item_R, positives(histories, self.data_task, self.run_task))

    def user_text_vectors(self, texts: Sequence[str]) -> Float32:
        """Return stored vectors of users given by text alone, NS (encoders that serve texts of users)."""
        self.model.eval()
        return self.model.stored(self.model.encoder.encode_user_texts(texts), None).float().numpy()


def load_encoder(version: Version, prepared: Prepared, *, device: str = "cpu") -> Fitted:
    """Rebuild a finetune run's model; nothing is solved or trained again.

    Raises:
        DamagedArtifactError: The weights do not fit what the settings and the data build, or the encoder has lost a
            setting.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = version.manifest
    settings, facts = manifest.settings, manifest.facts
    run_task = str(facts.get("task", "ranking"))
    features, folder = _features(version)
    data = component_data(prepared, run_task, parts=tuple(facts["parts"]), features=features)
    context = Context(
        seed=int(settings.get("seed", 42)),
        device=device,
        online=bool(settings.get("online", False)),
        cache=_root(version).cache,
        pretrained=folder,
        restoring=True,
    )
    registry.load("encoder", settings["encoder"])
    try:
        encoder = registry.create("encoder", settings["encoder"], settings.get("encoder_settings"))
    except ConfigError as error:
        raise DamagedArtifactError(
            f"run '{version.name}' was trained with settings that its encoder no longer takes: {error.message}",
            hint="train it anew: reccli finetune --force",
        ) from error
    encoder.setup(data, context)
    model = ScoringModel(encoder, None, Similarity(str(facts.get("similarity", "dot"))), data)
    file = version.file("weights.safetensors")
    try:
        weights = load_file(file)
        weights = {name: value for name, value in weights.items() if not name.startswith("loss.")}
        _fit_sizes(model, weights)
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, OSError, KeyError) as error:
        raise DamagedArtifactError(
            f"{file} does not fit encoder '{settings['encoder']}': {str(error).splitlines()[0]}",
            hint="rebuild it: reccli finetune --force",
        ) from error
    if not encoder.serves_new_items:
        warm_I = encoder.warm_items()  # of the weights just loaded
        model.warm_I = model.warm_I if warm_I is None else warm_I
    return Fitted(model.to(device).eval(), prepared.task, run_task)


def _root(version: Version) -> Workspace:
    return Workspace(version.path.parent.parent.parent, verify=False)


def _features(version: Version) -> tuple[dict[str, Float32], Any]:
    """Return the features and the folder of the pretrain version the run started from, where it is still there."""
    for parent, fingerprint in version.manifest.parents.items():
        stage, _, name = parent.partition("/")
        if stage == "pretrain":
            try:
                found = _root(version).find(stage, name, fingerprint)
            except MissingArtifactError:
                found = None
            if found is not None:
                return read_features(found), found.path
    return {}, None


def _fit_sizes(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Give parameters and buffers the sizes of what is to be loaded: setup may not have known them."""
    state = model.state_dict(keep_vars=True)
    for name, value in weights.items():
        present = state.get(name)
        if present is not None and present.shape != value.shape:
            present.data = torch.zeros_like(value)
