"""Delimited text, fault by fault."""

from __future__ import annotations

import pytest

from reccli.errors import ConfigError, DataError

CLEAN = "user,item,rating\nu1,i1,5\nu2,i2,4\n"
ROWS = [("u1", "i1", "5"), ("u2", "i2", "4")]


@pytest.mark.fault(54)
@pytest.mark.parametrize("content", ["", "\n", "\n\n\r\n", "user,item\n", "user,item", "user,item\r\n\r\n"])
def test_f54_without_rows(read, content):
    with pytest.raises(DataError, match="no rows"):
        read(content)


@pytest.mark.fault(54)
@pytest.mark.parametrize("content", ["user,item\nu,i", "user,item\nu,i\n", "\nuser,item\nu,i\n\n\n"])
def test_f54_one_row(rows, content):
    assert rows(content) == [("u", "i")]


@pytest.mark.fault(55)
@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CLEAN.encode(),
        CLEAN.replace("\n", "\r\n"),
        CLEAN.replace("\n", "\r\n", 1),
        CLEAN.replace("\n", "\r\n", 2).replace("\r\n", "\n", 1),
        CLEAN.rstrip("\n"),
        CLEAN.replace("\n", "\r\n").rstrip("\r\n"),
        CLEAN + "\n\r\n\n",
        CLEAN.replace("\n", "\n\n"),
        CLEAN.replace("5\n", "5\r"),
    ],
)
def test_f55_marks_and_newlines(read, content):
    table = read(content)
    assert table.frame.collect().rows() == ROWS
    assert table.frame.collect_schema().names() == ["user", "item", "rating"]
    assert table.found["rows"] == "2"


@pytest.mark.fault(56)
def test_f56_carriage_returns_alone(rows):
    assert rows(CLEAN.replace("\n", "\r")) == ROWS
    assert rows(CLEAN.replace("\n", "\r").rstrip("\r")) == ROWS


@pytest.mark.fault(57)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("mark", [True, False])
def test_f57_utf16(read, encoding, mark):
    text = CLEAN.replace("u1", "ü1")
    content = ("\ufeff" if mark and encoding[-2:] in ("le", "be") else "") + text
    given = {} if mark or encoding.startswith("utf-16") else {"encoding": encoding}
    table = read(content.encode(encoding), **given)
    assert table.frame.collect().rows() == [("ü1", "i1", "5"), ROWS[1]]
    assert table.found["encoding"].startswith("utf-")
    assert table.found["encoding"] != "utf-8"


@pytest.mark.fault(57)
def test_f57_half_a_character_at_the_end(read):
    with pytest.raises(DataError, match=r"byte \d+ is not utf-16"):
        read(CLEAN.encode("utf-16")[:-1])


@pytest.mark.fault(58)
@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "é"), ("cp1252", "€"), ("shift_jis", "日本")])
def test_f58_other_encodings(read, encoding, text):
    content = CLEAN.replace("u2", text).encode(encoding)
    with pytest.raises(DataError, match=f"byte {content.index(text.encode(encoding)):,} ") as error:
        read(content)
    assert "--encoding" in error.value.hint
    table = read(content, encoding=encoding)
    assert table.frame.collect().rows()[1][0] == text
    assert table.found["encoding"] == encoding


@pytest.mark.fault(58)
def test_f58_the_offset_counts_from_the_start_of_the_file(read):
    content = b"user,item\n" + b"u,i\n" * 600_000 + b"u,\xff\n"
    with pytest.raises(DataError, match=f"byte {len(content) - 2:,} "):
        read(content)


@pytest.mark.fault(58)
def test_f58_an_encoding_that_is_none(read):
    with pytest.raises(ConfigError, match="encoding='klingon'"):
        read(CLEAN, encoding="klingon")


@pytest.mark.fault(59)
@pytest.mark.parametrize("byte", ["\0", "\x01", "\x0b", "\x1b", "\x1f"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_f59_control_characters(read, byte, quote):
    content = CLEAN + f"u3,{quote}i{byte}3{quote},5\nu4,i4,1\n"
    with pytest.raises(DataError, match="line 4"):
        read(content)
    table = read(content, drop_bad_rows=True)
    assert table.frame.collect().rows() == [*ROWS, ("u4", "i4", "1")]
    (bad,) = table.bad_rows
    assert bad[0] == 4
    assert ("NUL" if byte == "\0" else f"0x{ord(byte):02x}") in bad[1]


@pytest.mark.fault(60)
def test_f60_quotes_are_exact(rows):
    content = 'user,item\r\n"a\nb","c,d"\r\n"e""f","g\r\nh"\r\n"","\t i "\r\n"""","j""\n"\n'
    assert rows(content) == [("a\nb", "c,d"), ('e"f', "g\r\nh"), ("", "\t i "), ('"', 'j"\n')]


@pytest.mark.fault(60)
def test_f60_quoted_names(read):
    assert read(
        '"user, of us","the\nitem"\n1,2\n', user_column="user, of us", item_column="the\nitem"
    ).frame.collect().rows() == [("1", "2")]


@pytest.mark.fault(61)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("quotes", [False, True])
def test_f61_a_quote_that_is_never_closed(read, share, quotes):
    lines = [f'u{n},"i{n}",3' if quotes else f"u{n},i{n},3" for n in range(1000)]
    at = int(1000 * share)
    lines[at] = f'u,"i{at},3'
    content = "user,item,rating\n" + "\n".join(lines) + "\n"
    with pytest.raises(DataError, match=f"line {at + 2}: a quote is opened and never closed"):
        read(content)
    table = read(content, drop_bad_rows=True)
    assert [line for line, _, _ in table.bad_rows] == [at + 2]
    assert table.frame.collect().height == 999


@pytest.mark.fault(62)
@pytest.mark.parametrize("quote", ["", '"'])
def test_f62_too_many_and_too_few_fields(read, quote):
    good, long, short = f"u,{quote}i{quote},1", f"u,{quote}i{quote},1,9", "u"
    lines = [good, long, good, short, good, long, short, long, "", long, good]
    content = "user,item,rating\n" + "\n".join(lines) + "\n"
    with pytest.raises(
        DataError, match=r"6 bad rows, in lines 3, 5, 7, 8, 9 and 1 more; line 3: 4 fields instead of 3"
    ) as e:
        read(content)
    assert "--drop-bad-rows" in e.value.hint
    table = read(content, drop_bad_rows=True)
    assert table.frame.collect().rows() == [("u", "i", "1")] * 4
    assert [line for line, _, _ in table.bad_rows] == [3, 5, 7, 8, 9, 11]
    assert table.bad_rows[1][1:] == ("1 field instead of 3", "u")


@pytest.mark.fault(62)
def test_f62_nothing_is_left(read):
    with pytest.raises(DataError, match="no rows; 2 bad rows"):
        read("user,item\n1\n2\n", drop_bad_rows=True)


@pytest.mark.fault(62)
@pytest.mark.parametrize("quote", ["", '"'])
def test_f62_text_after_a_closing_quote(read, quote):
    table = read(f'user,item\nu,"i"x\nv,{quote}j{quote}\n', drop_bad_rows=True)
    assert table.frame.collect().rows() == [("v", "j")]
    assert table.bad_rows == ((2, "text after a closing quote", 'u,"i"x'),)


@pytest.mark.fault(63)
@pytest.mark.parametrize(("delimiter", "shown"), [(";", ";"), ("\t", "tab"), ("|", "|"), ("::", "::"), (" ", "space")])
def test_f63_delimiters_are_found(read, delimiter, shown):
    table = read(CLEAN.replace(",", delimiter))
    assert table.frame.collect().rows() == ROWS
    assert table.found["delimiter"] == shown


@pytest.mark.fault(63)
def test_f63_a_decimal_comma_is_no_delimiter(rows):
    assert rows("user;item;rating\nu;i;4,5\nv;j;3,0\n") == [("u", "i", "4,5"), ("v", "j", "3,0")]


@pytest.mark.fault(63)
@pytest.mark.parametrize("given", ["^", "tab", "\\t", "##"])
def test_f63_delimiters_are_set(rows, given):
    written = {"tab": "\t", "\\t": "\t"}.get(given, given)
    assert rows(CLEAN.replace(",", written), delimiter=given) == ROWS


@pytest.mark.fault(63)
@pytest.mark.parametrize("given", ["", "\n", '"'])
def test_f63_delimiters_that_cannot_be(read, given):
    with pytest.raises(ConfigError, match="delimiter="):
        read(CLEAN, delimiter=given or "\r")


@pytest.mark.fault(65)
def test_f65_a_name_that_stands_twice(read):
    with pytest.raises(DataError, match="'item' stands twice"):
        read("user,item,item\n1,2,3\n")


def test_a_name_that_is_missing_is_made(read):
    assert read(",user,item\n0,u,i\n").frame.collect_schema().names() == ["column_1", "user", "item"]


@pytest.mark.fault(66)
def test_f66_no_header(read):
    content = "u1,i1,5\nu2,i2,4\n"
    with pytest.raises(DataError, match="first row has numbers") as error:
        read(content)
    assert "--no-header" in error.value.hint
    table = read(content, header=False)
    assert table.frame.collect().rows() == ROWS
    assert table.found["header"] == "none"
    assert table.first_line == 1


@pytest.mark.fault(66)
def test_f66_names_that_look_like_numbers(read):
    assert read("user,item,2024\nu,i,5\n", header=True).frame.collect().rows() == [("u", "i", "5")]


@pytest.mark.fault(69)
def test_f69_ids_stay_as_they_are(rows):
    ids = ["007", "7", "7.0", "1e3", "True", "null", "NaN", "-0", "0x7", "NA", "1_000", "+7"]
    assert [user for user, _ in rows("user,item\n" + "".join(f"{i},x\n" for i in ids))] == ids


@pytest.mark.fault(70)
def test_f70_large_and_blank_ids(rows):
    ids = [str(2**64), str(10**40), "x" * 10_240, " ", "'"]
    assert [user for user, _ in rows("user,item\n" + "".join(f"{i},x\n" for i in ids))] == ids
    assert rows('user,item\n,x\n"",x\n') == [(None, "x"), ("", "x")]


@pytest.mark.fault(71)
def test_f71_ids_of_all_scripts(rows):
    ids = ["é", "e\u0301", "👩‍👩‍👧", "مرحبا", "a\u200bb", "a\u00a0b", "\u2028", "a\u0085b"]
    assert [user for user, _ in rows("user,item\n" + "".join(f"{i},x\n" for i in ids))] == ids


@pytest.mark.fault(71)
def test_f71_half_a_surrogate_pair(read):
    with pytest.raises(DataError, match="byte 10"):
        read(b"user,item\n\xed\xa0\x80,i\n")


@pytest.mark.fault(72)
def test_f72_hostile_ids_are_data(rows):
    ids = ["../../etc/passwd", "/abs", "CON", "%2e%2e", "=cmd()", "[/x]", "<script>", "#1", "'; drop"]
    assert [user for user, _ in rows("user,item\n" + "".join(f"{i},x\n" for i in ids))] == ids


@pytest.mark.fault(81)
def test_f81_very_many_columns(read):
    with pytest.raises(DataError, match="100,000 columns"):
        read(",".join(f"c{n}" for n in range(100_000)) + "\n" + "," * 99_999 + "\n")


@pytest.mark.fault(81)
@pytest.mark.parametrize("start", ["", "user,item\n", 'user,item\nu,"'])
def test_f81_one_endless_line(read, start):
    with pytest.raises(DataError, match="longer than 16 MiB"):
        read(start.encode() + b"x" * (17 << 20))


@pytest.mark.fault(85)
def test_f85_a_megabyte_of_text(read):
    text = "long " * 200_000
    table = read(f'item_id,title\n1,"{text}\n"\n2,\n3,""\n', "movies.csv", kind="items")
    assert table.frame.collect().rows() == [("1", text + "\n"), ("2", None), ("3", "")]
