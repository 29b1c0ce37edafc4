"""`reccli doctor`: what a bug report needs."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from reccli.cli.options import JSON, WORKSPACE
from reccli.cli.output import result_json, result_line

__all__ = ["command"]


def command(workspace: WORKSPACE = Path("workspace"), as_json: JSON = False) -> None:
    """Show versions, devices, threads, free disk and third-party plugins.

    Example: reccli doctor --json
    """
    facts = _facts(workspace)
    if as_json:
        result_json(facts)
        return
    for name, value in facts.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        result_line(f"{name:<10} {text}")


def _facts(workspace: Path) -> dict[str, Any]:
    import torch

    from reccli import registry
    from reccli.manifest import versions

    place = next(path for path in (workspace.absolute(), *workspace.absolute().parents) if path.exists())
    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    third = sorted({f"{entry.distribution} {entry.version}" for entry in registry.entries() if not entry.builtin})
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": ", ".join(["cpu", *cards]),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "free disk": f"{shutil.disk_usage(place).free / 1e9:.1f} GB at {place}",
        "plugins": ", ".join(third) or "none",
        "offline": os.environ.get("HF_HUB_OFFLINE") == "1",
    }
