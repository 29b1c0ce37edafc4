"""One frozen settings class per stage: the single list of what can be set, with defaults and reasons.

Values come from, weakest first: these defaults, an encoder's own preferences, `reccli.toml`, environment variables
`RECCLI_<STAGE>_<FIELD>`, and flags (`reccli.config`). A docstring under each field is its help text.
"""

from __future__ import annotations

from reccli.settings.base import StageSettings
from reccli.settings.evaluate import EvaluateSettings
from reccli.settings.finetune import FinetuneSettings
from reccli.settings.prepare import PrepareSettings
from reccli.settings.pretrain import PretrainSettings
from reccli.settings.recommend import RecommendSettings
from reccli.settings.tune import TuneSettings

__all__ = [
    "EvaluateSettings",
    "FinetuneSettings",
    "PrepareSettings",
    "PretrainSettings",
    "RecommendSettings",
    "StageSettings",
    "TuneSettings",
]
