"""A version while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli import failpoint
from reccli.manifest import FORMAT, Manifest, versions
from reccli.workspace.storage import storage_errors, sync_file, sync_folder, write_synced

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Draft"]


class Draft:
    """A version being written, in a folder of its own."""

    def __init__(self, path: Path, stage: str) -> None:
        self.path = path
        self.stage = stage

    def write(self, artifact: str, frame: pl.DataFrame) -> None:
        """Write one Parquet artifact, checked against its schema."""
        from reccli.schemas import check_frame

        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            check_frame(artifact, frame).write_parquet(
                self.path / f"{artifact}.parquet", compression="zstd", compression_level=1
            )
        failpoint.hit(f"{self.stage}.after_write")

    def write_tensors(self, name: str, tensors: Mapping[str, Any]) -> None:
        """Write tensors as safetensors."""
        from reccli.tensor_files import write_tensors

        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            write_tensors(self.path / name, tensors)
        failpoint.hit(f"{self.stage}.after_write")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, UTF-8."""
        failpoint.hit(f"{self.stage}.before_write")
        with storage_errors(self.path):
            (self.path / name).write_text(text, encoding="utf-8")

    def seal(self, manifest: Manifest) -> None:
        """Wait until the disk has all files, list them in the manifest, and write that last.

        The manifest's `outputs`, `finished` and `libraries` are filled in here.
        """
        manifest.outputs.clear()
        for file in sorted(path for path in self.path.rglob("*") if path.is_file()):
            sync_file(file)
            manifest.add_output(file, file.relative_to(self.path).as_posix())
        failpoint.hit(f"{self.stage}.after_fsync")
        manifest.format = FORMAT
        manifest.finished = datetime.now(UTC).isoformat(timespec="microseconds")
        manifest.libraries = versions()
        failpoint.hit(f"{self.stage}.before_manifest")
        write_synced(self.path / "manifest.json", manifest.to_json())
        sync_folder(self.path)
