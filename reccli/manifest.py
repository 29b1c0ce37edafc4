"""The manifest of a committed version: what made it, from what, and what exactly it holds."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reccli.errors import DamagedArtifactError

__all__ = ["FORMAT", "Input", "Manifest", "Output", "digest_json", "sha256_file", "versions"]

FORMAT = 1
"""Version of the artifacts' format; raised when an older reccli could misread what a newer one writes."""
MAX_BYTES = 8 << 20
LIBRARIES = ("reccli", "numpy", "polars", "pyarrow", "scikit-learn", "scipy", "torch", "transformers")


class Output(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(strict=True)

    bytes: int
    sha256: str
    rows: int | None = None
    columns: dict[str, str] | None = None


class Input(BaseModel):
    """One thing that went in: a file as given, or a parent version."""

    model_config = ConfigDict(strict=True)

    sha256: str
    path: str | None = None
    rows: int | None = None


class Manifest(BaseModel):
    """Record of one version; `outputs` are verified when it is read. Unknown fields are kept out, not refused."""

    model_config = ConfigDict(extra="ignore")

    stage: str
    fingerprint: str
    format: int = FORMAT
    settings: dict[str, Any] = {}
    """Resolved settings of the stage."""
    inputs: dict[str, Input] = {}
    """Input files by role (prepare), so that a change can be noticed."""
    parents: dict[str, str] = {}
    """Parent versions as stage/name -> fingerprint."""
    parent_contents: dict[str, str] = {}
    """The same as stage/name -> digest of the content: a forced run of other code may differ under one fingerprint."""
    components: dict[str, str] = {}
    """kind:name -> distribution and version."""
    facts: dict[str, Any] = {}
    """What later stages need to know (prepare: ordered, task, columns; finetune: warm items, best epoch ...)."""
    counts: dict[str, int] = {}
    """Row counts, dropped rows by reason among them."""
    seed: int | None = None
    device: str | None = None
    threads: int | None = None
    started: str = ""
    finished: str = ""
    seconds: float = 0.0
    python: str = platform.python_version()
    platform: str = platform.platform()
    libraries: dict[str, str] = {}
    outputs: dict[str, Output] = {}

    @property
    def content(self) -> str:
        """Digest of all outputs."""
        return digest_json({name: output.sha256 for name, output in self.outputs.items()})[:16]

    def add_output(self, file: Path, name: str) -> None:
        """Record a finished file; Parquet files with rows and columns."""
        rows, columns = None, None
        if name.endswith(".parquet"):
            import pyarrow.parquet as pq

            with pq.ParquetFile(file) as parquet:
                rows = parquet.metadata.num_rows
                columns = {field.name: str(field.type) for field in parquet.schema_arrow}
        self.outputs[name] = Output(bytes=file.stat().st_size, sha256=sha256_file(file), rows=rows, columns=columns)

    def to_json(self) -> str:
        """Serialise with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path, stage: str) -> Manifest:
        """Read and validate.

        Raises:
            DamagedArtifactError: It is missing, not valid, of another stage, or of a newer format.
        """
        hint = f"rebuild it: reccli {stage} --force"
        try:
            if path.is_symlink() or path.stat().st_size > MAX_BYTES:
                raise DamagedArtifactError(f"{path} is not a manifest", hint=hint)
            data = json.loads(path.read_text(encoding="utf-8"))
            newer = isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > FORMAT
            if newer:
                writer = data.get("libraries", {}).get("reccli", "?")
                raise DamagedArtifactError(
                    f"{path} was written by reccli {writer}", hint="pip install --upgrade reccli"
                )
            manifest = cls.model_validate(data)
        except DamagedArtifactError:
            raise
        except (OSError, ValueError, RecursionError, ValidationError, AttributeError) as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else "is not valid"
            raise DamagedArtifactError(f"{path} {what}", hint=hint) from error
        if manifest.stage != stage:
            raise DamagedArtifactError(f"{path} belongs to stage '{manifest.stage}'", hint=hint)
        for name in manifest.outputs:
            if name.startswith("/") or ".." in Path(name).parts:
                raise DamagedArtifactError(f"{path} names a file outside its version: {name!r}", hint=hint)
        return manifest


def sha256_file(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """Hex digest of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Installed versions of the libraries that results depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
