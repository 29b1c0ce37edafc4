"""Every error that reccli raises on purpose, and the exit code it ends the process with.

::

    ReccliError (1)
    ├── ConfigError (2)            a flag, setting or combination is wrong        -> the user edits the command
    ├── DataError (3)              input data is refused                          -> the user edits the data
    ├── MissingArtifactError (4)   an earlier stage has not run, or is stale      -> the user runs that stage
    ├── DamagedArtifactError (5)   a file differs from what was committed         -> the user reruns with --force
    ├── LockedError (6)            another run holds the workspace                -> the user waits
    ├── DivergedError (7)          a number is not finite, or vectors collapsed   -> the user lowers a rate
    ├── PluginError (8)            a component is missing, broken or ambiguous    -> the plugin's author
    ├── StorageError (9)           disk full, read-only, permission, I/O          -> the machine's keeper
    ├── OutOfMemoryError (10)      host or device memory
    ├── DeviceError (11)           the device is absent or unsupported
    ├── OfflineError (12)          the network is needed and not allowed
    ├── GateError (13)             a quality gate failed
    ├── MissingExtraError (14)     an optional dependency is not installed
    └── Interrupted (129/130/143)  a signal asked the run to stop, and it cleaned up
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DamagedArtifactError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "GateError",
    "Interrupted",
    "LockedError",
    "MissingArtifactError",
    "MissingExtraError",
    "OfflineError",
    "OutOfMemoryError",
    "PluginError",
    "ReccliError",
    "StorageError",
    "one_of",
]


class ReccliError(Exception):
    """An error with a place, a cause and a next step.

    Args:
        message: One line: what is wrong, where, and the value that was met.
        hint: One line: what to do next, as a command where there is one.
        exit_code: Overrides the class's exit code.
    """

    exit_code: int = 1
    kind: str = "error"

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class ConfigError(ReccliError):
    """A flag, a setting or a combination of components is wrong."""

    exit_code = 2
    kind = "config"


class DataError(ReccliError):
    """Input data is refused."""

    exit_code = 3
    kind = "data"


class MissingArtifactError(ReccliError):
    """An earlier stage has not run, or its artifact is stale."""

    exit_code = 4
    kind = "missing"


class DamagedArtifactError(ReccliError):
    """An artifact differs from what was committed, or a newer reccli wrote it."""

    exit_code = 5
    kind = "damaged"


class LockedError(ReccliError):
    """Another run is writing to the workspace."""

    exit_code = 6
    kind = "locked"


class DivergedError(ReccliError):
    """A loss, gradient or weight is not finite, or all vectors have become alike."""

    exit_code = 7
    kind = "diverged"


class PluginError(ReccliError):
    """A component is missing, broken, ambiguous, or breaks its contract."""

    exit_code = 8
    kind = "plugin"


class StorageError(ReccliError):
    """The file system refused: full, read-only, no permission, I/O error."""

    exit_code = 9
    kind = "storage"


class OutOfMemoryError(ReccliError):
    """Host or device memory ran out."""

    exit_code = 10
    kind = "memory"


class DeviceError(ReccliError):
    """The device asked for is absent or unsupported."""

    exit_code = 11
    kind = "device"


class OfflineError(ReccliError):
    """The network is needed, and `--online` was not given."""

    exit_code = 12
    kind = "offline"


class GateError(ReccliError):
    """A quality gate failed."""

    exit_code = 13
    kind = "gate"


class MissingExtraError(ReccliError):
    """An optional dependency is not installed.

    Args:
        extra: Name of the extra, for the `pip install` line.
        purpose: What it is needed for.
    """

    exit_code = 14
    kind = "extra"

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the extra '{extra}', which is not installed",
            hint=f"pip install 'reccli[{extra}]'",
        )


class Interrupted(ReccliError):
    """A signal asked the run to stop; what had to be saved is saved.

    Args:
        signal_number: 1 (SIGHUP), 2 (SIGINT) or 15 (SIGTERM); the exit code is 128 more.
        hint: How to go on.
    """

    kind = "interrupted"

    def __init__(self, signal_number: int, *, hint: str | None = None) -> None:
        name = {1: "hangup", 2: "Ctrl-C", 15: "termination request"}.get(signal_number, f"signal {signal_number}")
        super().__init__(f"stopped by {name}; nothing is lost", hint=hint, exit_code=128 + signal_number)


def one_of(
    what: str, got: str, allowed: Iterable[str], *, error: type[ReccliError] = ConfigError, listed: bool = True
) -> ReccliError:
    """Build the error for a name that is not among the allowed ones, with the nearest name, and all where `listed`."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    guess = f"; did you mean '{near[0]}'?" if near else ""
    listing = f" ({', '.join(names) or 'none'})" if listed else ""
    return error(f"no {what} called '{got}'{guess}{listing}")
