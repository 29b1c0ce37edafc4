"""The texts of items, also where the data has none. I items."""

from __future__ import annotations

import numpy as np

from reccli.api.component import Context
from reccli.api.data import TrainingData

__all__ = ["item_texts"]


def item_texts(data: TrainingData, context: Context) -> list[str]:
    """Return one text per item; made of attributes and codes, with one warning, where there are none at all."""
    if data.item_text_I is not None and any(text.strip() for text in data.item_text_I):
        return list(data.item_text_I)
    context.warn(
        "no item has a text: attributes and ids serve as text; for titles run reccli prepare RATINGS --items FILE, "
        "or read items as tokens: --encoder item-tokens"
    )
    return [_made_up(data, item) for item in range(data.n_items)]


def _made_up(data: TrainingData, item: int) -> str:
    found = [f"item {item}"]
    for name, column in data.item_attributes.items():
        value = column[item]
        if value is None or (isinstance(value, float) and np.isnan(value)):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if shown.strip():
            found.append(f"{name}: {shown}")
    return "; ".join(found)
