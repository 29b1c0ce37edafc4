"""One committed version of a stage's output: what it is called, and how it is opened, checked and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli.errors import DamagedArtifactError, MissingArtifactError
from reccli.manifest import FORMAT, Manifest, digest_json, sha256_file

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Version", "damaged", "fingerprint", "open_version"]


@dataclass(frozen=True)
class Version:
    """One committed version of a stage's output."""

    path: Path
    manifest: Manifest

    @property
    def fingerprint(self) -> str:
        """The version's directory name: a digest of everything that determines its content."""
        return self.path.name

    @property
    def name(self) -> str:
        """Name of the run, as in `--name`."""
        return self.path.parent.name

    @property
    def key(self) -> str:
        """Stage and run name, as manifests name parents."""
        return f"{self.manifest.stage}/{self.name}"

    def file(self, name: str) -> Path:
        """Path of one of its files.

        Raises:
            MissingArtifactError: The version has no such file.
        """
        if name not in self.manifest.outputs:
            raise MissingArtifactError(f"{self.manifest.stage}/{self.name} has no {name}")
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether the version has a file of this name."""
        return name in self.manifest.outputs

    def read(self, artifact: str, columns: list[str] | None = None) -> pl.DataFrame:
        """Read one Parquet artifact (checked against its schema when read whole)."""
        import polars as pl

        from reccli.schemas import check_frame

        try:
            frame = pl.read_parquet(self.file(f"{artifact}.parquet"), columns=columns)
        except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
            raise damaged(self.path / f"{artifact}.parquet", f"cannot be read: {error}", self.manifest.stage) from error
        return frame if columns is not None else check_frame(artifact, frame)


def open_version(path: Path, stage: str, *, verify: bool) -> Version:
    """Open a committed version.

    Args:
        path: Its directory.
        stage: Whose output it is.
        verify: Check sha256 of every file; sizes are checked always.

    Raises:
        DamagedArtifactError: It differs from its manifest.
    """
    manifest = Manifest.read(path / "manifest.json", stage)
    if manifest.fingerprint != path.name:
        raise damaged(path / "manifest.json", f"belongs to version {manifest.fingerprint}", stage)
    for name, output in manifest.outputs.items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            raise damaged(file, "is missing", stage)
        size = file.stat().st_size
        if size != output.bytes:
            raise damaged(file, f"has {size} bytes, committed with {output.bytes}", stage)
        if verify and sha256_file(file) != output.sha256:
            raise damaged(file, "differs from what was committed (sha256)", stage)
    return Version(path, manifest)


def damaged(path: Path, what: str, stage: str) -> DamagedArtifactError:
    """Return an error that says what is wrong with a file of a version."""
    return DamagedArtifactError(f"{path} {what}", hint=f"rebuild it: reccli {stage} --force")


def fingerprint(stage: str, determinants: Mapping[str, Any]) -> str:
    """Digest everything that determines a version's content: settings that matter, inputs, code versions, seed."""
    return digest_json({"format": FORMAT, "stage": stage, **determinants})[:16]
