"""What is named on the command line becomes a plain file, or is refused."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from reccli.errors import DataError, OfflineError
from reccli.intake import open_table, spooling
from reccli.settings import PrepareSettings

CLEAN = b"user,item,rating\nu1,i1,5\nu2,i2,4\n"
ROWS = [("u1", "i1", "5"), ("u2", "i2", "4")]


def opened(path, tmp_path):
    return open_table(Path(path), PrepareSettings(), scratch=tmp_path / "scratch")


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.fault(82)
@pytest.mark.parametrize(
    ("pack", "suffix"), [(gzip.compress, ".gz"), (zstd, ".zst"), (zstd, ""), (gzip.compress, ".csv")]
)
def test_f82_packed_files(read, pack, suffix):
    table = read(pack(CLEAN), "ratings.csv" + suffix)
    assert table.frame.collect().rows() == ROWS
    assert table.path.name == "ratings.csv" + suffix


@pytest.mark.fault(82)
def test_f82_parts_of_a_packed_file_are_all_read(read):
    assert read(gzip.compress(CLEAN) + gzip.compress(b"u3,i3,1\n"), "r.csv.gz").frame.collect().height == 3


@pytest.mark.fault(82)
def test_f82_the_inner_name_chooses_the_reader(read):
    assert read(gzip.compress(b"1\t2\t3\t881250949\n"), "u.data.gz").found["reader"] == "movielens"


@pytest.mark.fault(82)
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("length", [6, -9, -1])
def test_f82_cut_off(read, pack, length):
    packed = pack(b"user,item\n" + os.urandom(300_000).hex().encode())
    with pytest.raises(DataError, match="damaged or cut off"):
        read(packed[:length], "ratings.csv.gz")


@pytest.mark.fault(82)
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_f82_a_bomb(read, tmp_path, monkeypatch, pack):
    monkeypatch.setattr(spooling, "ALWAYS_ALLOWED", 1 << 20)
    with pytest.raises(DataError, match="200 times its size"):
        read(pack(bytes(8 << 20)), "ratings.csv.gz")
    assert not list((tmp_path / "scratch").rglob("ratings.csv"))


@pytest.mark.fault(82)
@pytest.mark.parametrize("inner", ["ratings.csv", "../ratings.csv"])
def test_f82_zip_is_refused(read, inner):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(inner, CLEAN)
    with pytest.raises(DataError, match="zip archive") as error:
        read(content.getvalue(), "ratings.zip")
    assert "unzip" in error.value.hint


@pytest.mark.fault(82)
@pytest.mark.parametrize("head", [b"BZh91AY", b"\xfd7zXZ\x00"])
def test_f82_other_packings_are_refused(read, head):
    with pytest.raises(DataError, match="packed with"):
        read(head + bytes(100), "ratings.csv.bz2")


@pytest.mark.fault(83)
def test_f83_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CLEAN)))
    table = opened("-", tmp_path)
    assert table.frame.collect().rows() == ROWS
    assert [file.read_bytes() for file in (tmp_path / "scratch").iterdir() if file.is_file()] == [CLEAN]


@pytest.mark.fault(83)
def test_f83_standard_input_may_be_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(CLEAN))))
    assert opened("-", tmp_path).frame.collect().rows() == ROWS


@pytest.mark.fault(83)
def test_f83_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(CLEAN,))
    writer.start()
    assert opened(pipe, tmp_path).frame.collect().rows() == ROWS
    writer.join()


@pytest.mark.fault(83)
def test_f83_no_device(tmp_path):
    with pytest.raises(DataError, match="no rows"):
        opened("/dev/null", tmp_path)


@pytest.mark.fault(83)
@pytest.mark.parametrize(
    "address", ["http://example.org/ratings.csv", "https://example.org/r.csv", "s3://b/r.csv", "hf://x"]
)
def test_f83_addresses_on_the_network(tmp_path, address):
    with pytest.raises(OfflineError, match=f"^{address}: .* not read") as error:
        opened(address, tmp_path)
    assert error.value.exit_code == 12


@pytest.mark.fault(83)
def test_f83_missing(tmp_path):
    (tmp_path / "ratings.csv").write_bytes(CLEAN)
    with pytest.raises(DataError, match=r"no such file or folder; did you mean '.*ratings\.csv'"):
        opened(tmp_path / "rating.csv", tmp_path)
    with pytest.raises(DataError, match="no such file") as error:
        opened(tmp_path / "r*.tsv", tmp_path)
    assert "pattern" in error.value.hint
    with pytest.raises(DataError, match="no such file"):
        opened(tmp_path / "ratings.csv" / "inner", tmp_path)


@pytest.mark.fault(83)
def test_f83_folders(tmp_path):
    with pytest.raises(DataError, match="it is empty"):
        opened(tmp_path, tmp_path)
    (tmp_path / "a.txt").write_bytes(CLEAN)
    with pytest.raises(DataError, match=r"no reader knows this folder \(a.txt\)"):
        opened(tmp_path, tmp_path)


@pytest.mark.fault(83)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_f83_a_name_is_no_pattern(tmp_path, suffix):
    for name, user in (("r[1]*", "ours"), ("r1", "other"), ("r1x", "other")):
        frame = pl.DataFrame({"user": [user], "item": ["i"]})
        path = tmp_path / f"{name}.{suffix}"
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[suffix](path)
    assert opened(tmp_path / f"r[1]*.{suffix}", tmp_path).frame.collect().rows() == [("ours", "i")]


def test_without_a_scratch_folder_there_is_one_for_the_process(tmp_path):
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(CLEAN))
    assert open_table(path, PrepareSettings()).frame.collect().rows() == ROWS
    assert spooling.default_scratch().is_dir()
    assert [file.name for file in tmp_path.iterdir()] == ["ratings.csv.gz"]
