"""The one place where errors become lines and exit codes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reccli.cli.output import talk
from reccli.errors import OutOfMemoryError, PluginError, ReccliError, StorageError

__all__ = ["guarded"]

EPIPE_EXIT = 141


def guarded(run: Callable[[], int], argv: Sequence[str]) -> int:
    """Run the command line and return the exit code; every error ends here.

    A `ReccliError` is one `error:` line and one `hint:` line (with `--json`, one JSON object) on stderr. Anything
    else is a bug: its traceback goes to a log file, whose path is the hint. `--debug` shows tracebacks of both.
    """
    try:
        code = run()
        sys.stdout.flush()
        return code
    except ReccliError as error:
        return _report(error, argv)
    except BrokenPipeError:
        return _closed_pipe()
    except MemoryError as error:
        return _report(OutOfMemoryError("out of memory", hint="use a smaller --batch-size"), argv, error)
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _closed_pipe()
        place = f": {error.filename}" if error.filename else ""
        _drop_stdout()  # what it still holds may be what could not be written
        return _report(StorageError(f"{error.strerror or error}{place}"), argv, error)
    except KeyboardInterrupt:
        talk("error: stopped by Ctrl-C; nothing is lost")
        return 130
    except SystemExit as stop:
        # Typer makes an exit code of 1 of a closed pipe.
        cause = stop.__context__
        if isinstance(cause, OSError) and cause.errno == errno.EPIPE:
            return _closed_pipe()
        raise
    except BaseException as error:
        known = _known(error)
        return _report(known or _bug(error, argv), argv, error)


def _known(error: BaseException) -> ReccliError | None:
    """Recognise library errors that have an exit code of their own, without importing the library."""
    name = f"{type(error).__module__}.{type(error).__name__}"
    if name.endswith("torch.OutOfMemoryError") or name.endswith("ArrowMemoryError"):
        return OutOfMemoryError(str(error).split("\n")[0], hint="use a smaller --batch-size")
    return None


def _bug(error: BaseException, argv: Sequence[str]) -> ReccliError:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    text = "".join(traceback.format_exception(error))
    path: Path | None = None
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=f"reccli-{stamp}-", suffix=".log")
        path = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"reccli {' '.join(argv[:1])}\n{text}")
    first = f"{type(error).__name__}: {error}".split("\n")[0]
    hint = f"traceback in {path}" if path else None
    owner = _owner(error)
    if owner is not None:
        return PluginError(f"plugin {owner} failed: {first}", hint=hint)
    return ReccliError(f"unexpected error, a bug in reccli or a plugin: {first}", hint=hint)


def _owner(error: BaseException) -> str | None:
    """Return the third-party package in whose code an error arose, with its version, or None."""
    from reccli import registry

    with contextlib.suppress(Exception):  # nothing may stand before the report
        entry = registry.owner_of(error)
        return None if entry is None else f"{entry.distribution} {entry.version}"
    return None


def _report(error: ReccliError, argv: Sequence[str], cause: BaseException | None = None) -> int:
    if "--debug" in argv:
        traceback.print_exception(cause or error)
    if "--json" in argv:
        body = {"code": error.exit_code, "kind": error.kind, "message": error.message, "hint": error.hint}
        talk(json.dumps({"error": body}, ensure_ascii=False))
    else:
        talk("error: " + " ".join(error.message.split()))
        if error.hint:
            talk("hint: " + " ".join(error.hint.split()))
    return error.exit_code


def _closed_pipe() -> int:
    _drop_stdout()  # the reader has gone (`| head`): nothing to say
    return EPIPE_EXIT


def _drop_stdout() -> None:
    """Let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
