"""Text models by the name of a hub: fetched once, when the network is allowed, and only at a commit that is named."""

from __future__ import annotations

import re
from pathlib import Path

from reccli.errors import ConfigError, OfflineError, ReccliError

__all__ = ["fetch_model", "hub_name", "is_hub_name"]

NAME = re.compile(r"[\w][\w.-]{0,95}(/[\w][\w.-]{0,95})?(@[\w./-]{1,100})?")
COMMIT = re.compile(r"[0-9a-f]{40}")
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is fetched: no pickles, no code."""


def is_hub_name(path: str) -> bool:
    """Whether a text may be a name as `org/model@commit`."""
    return NAME.fullmatch(path) is not None


def fetch_model(path: str, *, online: bool) -> Path:
    """Return the folder of a model of the hub; what was fetched once needs no network.

    A name stands for another model whenever its owner pushes. A commit is a digest of the content, so that a run that
    names it can be repeated, and nobody can slip weights in.

    Args:
        path: `org/model@commit`, all 40 digits of the commit.
        online: Whether the network may be used.

    Raises:
        OfflineError: It has to be fetched and may not, or cannot.
        ConfigError: No commit is named.
    """
    name, _, revision = path.partition("@")
    pinned = COMMIT.fullmatch(revision) is not None
    found = _snapshot(name, revision, online=False) if pinned else None
    if found is not None:
        return found
    if not online:
        raise OfflineError(
            f"'{path}' is neither a folder here nor may it be fetched: the network is off by default",
            hint=f"add --online to fetch it once: --encoder-path {path if pinned else f'{name}@COMMIT'} --online",
        )
    if not pinned:
        what = f"revision '{revision}' is no commit" if revision else "no revision is named"
        commit = _commit(name, revision or None)
        raise ConfigError(
            f"'{path}': {what}, so that what it stands for may change",
            hint=f"pin it: --encoder-path {name}@{commit} --online",
        )
    fetched = _snapshot(name, revision, online=True)
    if fetched is None:
        raise OfflineError(f"cannot fetch '{path}'", hint="check the name and the network, or give a folder")
    return fetched


def hub_name(folder: Path) -> str | None:
    """Return `org/model@commit` of a folder that was fetched, or None for any other one."""
    place = folder.parent.parent.name
    if folder.parent.name == "snapshots" and place.startswith("models--") and COMMIT.fullmatch(folder.name):
        return f"{place.removeprefix('models--').replace('--', '/')}@{folder.name}"
    return None


def _snapshot(name: str, commit: str, *, online: bool) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=commit, allow_patterns=list(FILES), local_files_only=not online))
    except ReccliError:  # a signal that came meanwhile
        raise
    except Exception as error:  # the hub client raises errors of many kinds for one cause: it did not work
        if not online:
            return None
        raise OfflineError(
            f"cannot fetch '{name}@{commit}': {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="check the name and the network, or give a folder",
        ) from error


def _commit(name: str, revision: str | None) -> str:
    """Return the commit that a name stands for now, for a hint; a placeholder where that cannot be found out."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(name, revision=revision).sha or "COMMIT")
    except ReccliError:
        raise
    except Exception:  # a hint must not fail
        return "COMMIT"
