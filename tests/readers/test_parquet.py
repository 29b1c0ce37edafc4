"""The parquet reader: types stay, damage is refused."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reccli.errors import DataError
from reccli.intake import open_table, reading, roles
from reccli.settings import PrepareSettings
from reccli.testing import ReaderConformance

FRAME = pl.DataFrame({"user": [1, 2], "item": ["007", "7"], "rating": [4.5, None]})


class TestParquet(ReaderConformance):
    component = "parquet"

    def write_sample(self, folder):
        FRAME.write_parquet(folder / "ratings.parquet")
        return folder / "ratings.parquet"

    def sample_rows(self):
        return FRAME.rows()


def opened(path, kind="interactions", **settings):
    return open_table(path, PrepareSettings(**settings), kind=kind)


def test_ids_become_strings_and_the_rest_stays(tmp_path):
    FRAME.write_parquet(tmp_path / "r.parquet")
    table = opened(tmp_path / "r.parquet")
    assert table.frame.collect_schema() == {"user": pl.String, "item": pl.String, "rating": pl.Float64}
    assert table.frame.collect()["user"].to_list() == ["1", "2"]
    assert dict(table.found) == {"reader": "parquet", "format": "parquet", "rows": "2"}


def test_a_folder_of_parts(tmp_path):
    for part in (0, 1):
        FRAME.write_parquet(tmp_path / f"part-0000{part}.parquet")
    (tmp_path / "_SUCCESS").touch()
    assert opened(tmp_path).frame.collect().height == 4


@pytest.mark.fault(84)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_f84_cut_off(tmp_path, share):
    path = tmp_path / "r.parquet"
    FRAME.write_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: max(4, int(len(content) * share))])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        opened(path)


@pytest.mark.fault(84)
def test_f84_damaged_inside(tmp_path):
    path = tmp_path / "r.parquet"
    pl.DataFrame({"user": [str(n) for n in range(9999)], "item": ["x"] * 9999}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[40:8000] = bytes(7960)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"r\.parquet: "), reading(path):
        opened(path).frame.collect()


@pytest.mark.fault(84)
def test_f84_encrypted(tmp_path):
    (tmp_path / "r.parquet").write_bytes(b"PARE" + bytes(100) + b"PARE")
    with pytest.raises(DataError, match="encrypted"):
        opened(tmp_path / "r.parquet")


@pytest.mark.fault(84)
def test_f84_without_rows(tmp_path):
    FRAME.clear().write_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match="no rows"):
        opened(tmp_path / "r.parquet")


@pytest.mark.fault(84)
def test_f84_unusual_types(tmp_path):
    table = pa.table(
        {
            "user": pa.array(["a", "b"]).dictionary_encode(),
            "item": pa.array([b"x", b"y"], pa.binary()),
            "rating": pa.array([Decimal("4.50"), Decimal("3.25")], pa.decimal128(5, 2)),
            "time": pa.array([datetime(2020, 1, 1)] * 2, pa.timestamp("ns", "UTC")),
            "tags": pa.array([["p", "q"], []], pa.list_(pa.string())),
            "__index_level_0__": pa.array([0, 1]),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    frame = opened(tmp_path / "r.parquet").frame.collect()
    assert frame.drop("time").rows() == [("a", "x", 4.5, ["p", "q"]), ("b", "y", 3.25, [])]
    assert isinstance(frame.schema["time"], pl.Datetime)


class Token(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.int64(), "reccli.test.token")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


@pytest.mark.fault(84)
def test_f84_extension_types_are_read_as_stored_or_refused(tmp_path):
    users = pa.ExtensionArray.from_storage(Token(), pa.array([1, 2], pa.int64()))
    pq.write_table(pa.table({"user": users, "item": ["x", "y"]}), tmp_path / "r.parquet")
    try:
        users = opened(tmp_path / "r.parquet").frame.collect()["user"].to_list()
    except DataError:
        users = None
    assert users in (["1", "2"], None)


@pytest.mark.fault(84)
def test_f84_wrong_types_of_ids(tmp_path):
    pl.DataFrame({"user": [1.5], "item": ["x"]}).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match="'user' has numbers that are not whole"):
        opened(tmp_path / "r.parquet")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("gowalla/interactions", "interactions", ["user_id", "item_id", "split"]),
        ("steam/interactions", "interactions", ["user_id", "item_id", "hours"]),
        ("hetrec-lastfm/interactions", "interactions", ["user_id", "item_id", "count"]),
        ("amazon-toys/interactions", "interactions", ["user_id", "item_id", "position"]),
        ("book-crossing/items", "items", ["item_id", "title"]),
        ("ml-latest-small/kg_derived", "triples", ["head", "relation", "tail"]),
    ],
)
def test_real_files(shared_data, name, kind, expected):
    table = opened(shared_data / f"{name}.parquet", kind)
    assert list(roles.assign(table, PrepareSettings(), kind).values()) == expected
