"""CSV and TSV: where a row ends, in which dialect, and of which type a value is."""

import csv
import gzip
import io
import math
import pickle

import conformance
import numpy as np
import pyarrow as pa
import pytest
from growth import grows_with_size
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dataload import TableSource
from dataload.errors import ConfigError, DecodeError
from dataload.sources import groups
from dataload.sources.tables.dialect import Dialect
from dataload.sources.tables.text_types import NULLS

SOME = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def rows(source):
    return source.__getitems__(range(len(source)))


@st.composite
def dialects(draw):
    delimiter = draw(st.sampled_from(",;\t|"))
    escape = draw(st.sampled_from([None, "\\"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL] + [csv.QUOTE_NONE] * (escape is not None)))
    return {
        "delimiter": delimiter,
        "quotechar": draw(st.sampled_from("\"'")),
        "escapechar": escape,
        "doublequote": escape is None or draw(st.booleans()),
        "quoting": quoting,
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }


def cells(dialect):
    # The writer leaves the line end that is not its own as it is, and a reader takes it for one.
    without = {"\n": "\r", "\r": "\n"}.get(dialect["lineterminator"], "")
    return st.text([c for c in "ab0,;\t|\"'\\\n\r é" if c not in without], max_size=8)


@pytest.mark.slow
@SOME
@given(st.data(), dialects(), st.integers(1, 40))
def test_any_text_in_any_dialect_comes_back_as_it_was_written(tmp_path, data, dialect, block):
    table = data.draw(st.lists(st.tuples(cells(dialect), cells(dialect), cells(dialect)), min_size=1, max_size=12))
    text = io.StringIO(newline="")
    writer = csv.writer(text, **dialect)
    writer.writerow("xyz")
    writer.writerows(table)
    path = write(tmp_path / "t.csv", text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_BLOCK_BYTES", block)
        source = TableSource(
            path,
            types=dict.fromkeys("xyz", "string"),
            delimiter=dialect["delimiter"],
            quote=None if dialect["quoting"] == csv.QUOTE_NONE else dialect["quotechar"],
            escape=dialect["escapechar"],
        )
    assert [tuple(row.values()) for row in rows(source)] == table


NUMBERS = st.one_of(
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.integers(-3, 30).map(str),
    st.floats(allow_subnormal=False).map(repr),
    st.sampled_from(["0019", "+5", "-0", "0x1F", "1e5", "1e400", ".5", "true", "False", "2021-05-05", " 7", "", "NA"]),
    st.sampled_from(
        ["9007199254740993", "-9007199254740993", "9223372036854775807", "1.0", "+4930123", "inf", "12:30"]
    ),
)


def lost(text, value):
    """Whether a value is something else than what was written."""
    if isinstance(value, str):
        return value != text
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return text not in NULLS
    if isinstance(value, np.bool_):
        return text.lower() != str(value).lower()
    if isinstance(value, np.integer):
        return str(value) != text.strip()
    return float(text) != value or (text.strip().lstrip("-").isdigit() and int(text) != int(value))


@pytest.mark.slow
@SOME
@given(st.lists(NUMBERS, min_size=1, max_size=6), st.integers(1, 30), st.booleans())
def test_no_value_is_changed_by_the_type_of_its_column(tmp_path, column, block, two_files):
    for old in tmp_path.glob("*.csv"):
        old.unlink()
    parts = [column[:1], column[1:]] if two_files and len(column) > 1 else [column]
    for number, part in enumerate(parts):
        write(tmp_path / f"{number}.csv", "x,y\n" + "".join(f"{text},1\n" for text in part))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_BLOCK_BYTES", block)
        source = TableSource(tmp_path)
    values = [row["x"] for row in rows(source)]
    assert [(text, value) for text, value in zip(column, values, strict=True) if lost(text, value)] == []
    assert len({type(value) for value in values if value is not None}) <= 1


def test_line_ends_inside_of_quotes_do_not_cut_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 64)
    written = [[str(i), f"line one\nline two, {i}\r\n" * (i % 5)] for i in range(200)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *written])
    source = TableSource(tmp_path / "t.csv")
    assert [[str(row["id"]), row["text"]] for row in rows(source)] == written
    conformance.check_source(source, length=200)


def test_quotes_inside_of_a_text_are_part_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 32)
    said = ['he said "hi"', '5" disk', "a\"b'c", '"quoted, with\nline end" and more', "plain"]
    lines = [f"{i}\t{text}\n" for i, text in enumerate(said * 8)]
    source = TableSource(write(tmp_path / "t.tsv", "id\ttext\n" + "".join(lines)))
    assert [row["text"] for row in rows(source)] == [
        t.replace('"quoted, with\nline end"', "quoted, with\nline end") for t in said
    ] * 8
    bare = TableSource(write(tmp_path / "bare.tsv", 'id\ttext\n1\t"unclosed\n2\tb\n'), quote=None)
    assert [row["text"] for row in rows(bare)] == ['"unclosed', "b"]


def test_a_quote_that_never_ends_is_an_error_with_the_mend(tmp_path):
    path = write(tmp_path / "t.csv", 'a,b\n1,x\n2,"never closed\n3,y\n')
    with pytest.raises(DecodeError, match=r"t\.csv.*near byte 10.*never ends.*quote=None"):
        TableSource(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_rows_also_blank_ones(tmp_path, end):
    text = end * 2 + end.join(["a,b", "1,x", "", "2,y", "", ""])
    assert rows(TableSource(write(tmp_path / "t.csv", text))) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_rows_of_empty_values_are_rows(tmp_path):
    source = TableSource(write(tmp_path / "t.tsv", "a\tb\n\t\n\t\n"), types={"a": str, "b": str})
    assert rows(source) == [{"a": "", "b": ""}] * 2


def test_the_type_of_a_column_does_not_depend_on_where_it_is_cut_into_files(tmp_path):
    write(tmp_path / "0.csv", "speaker,n,x\n0019,1,\n")
    write(tmp_path / "1.csv", "speaker,n,x\n7,0.5,NA\n")
    write(tmp_path / "2.csv", "n,x,speaker\n,3,8\n")
    found = rows(TableSource(tmp_path))
    assert [row["speaker"] for row in found] == ["0019", "7", "8"]
    assert [type(row["n"]) for row in found] == [np.float64] * 3 and np.isnan(found[2]["n"])
    assert [row["x"] for row in found] == [None, None, 3] and type(found[2]["x"]) is np.int64
    assert [list(row) for row in found] == [["speaker", "n", "x"]] * 3


def test_dates_times_and_long_numbers_stay_text_unless_types_are_named(tmp_path):
    path = write(tmp_path / "t.csv", "day,id\n2021-05-05,12345678901234567891\n2021-05-06,7\n")
    assert rows(TableSource(path)) == [
        {"day": "2021-05-05", "id": "12345678901234567891"},
        {"day": "2021-05-06", "id": "7"},
    ]
    import datetime

    named = TableSource(path, types={"day": "date32", "id": np.uint64})
    assert named[0] == {"day": datetime.date(2021, 5, 5), "id": np.uint64(12345678901234567891)}
    schema = pa.schema([("id", pa.float32())])
    assert type(TableSource(path, types=schema)[0]["id"]) is np.float32


def test_a_value_that_is_not_of_the_named_type_names_row_and_column(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 8)
    path = write(tmp_path / "t.csv", "a,b\n1,2\n3,4\n5,x\n")
    with pytest.raises(DecodeError, match=r"t\.csv.*row 2, column 'b'.*'x'"):
        TableSource(path, types={"b": "int64"})
    with pytest.raises(ConfigError, match=r"no column 'c'"):
        TableSource(path, types={"c": "int64"})
    with pytest.raises(ConfigError, match=r"is no type"):
        TableSource(path, types={"b": "integer-ish"})


def test_nulls_are_those_that_the_user_names_in_text_too(tmp_path):
    path = write(tmp_path / "t.csv", "n,country,s\n1,NA,\n-,DE,-\nNA,FR,x\n")
    assert [row["n"] for row in rows(TableSource(path))] == ["1", "-", "NA"]
    found = rows(TableSource(path, nulls=["-", "NA"]))
    assert found == [
        {"n": 1, "country": None, "s": ""},
        {"n": None, "country": "DE", "s": None},
        {"n": None, "country": "FR", "s": "x"},
    ]
    words = TableSource(write(tmp_path / "na.csv", "country,x\nNA,1\nNA,NA\n"))
    assert rows(words) == [{"country": "NA", "x": 1}, {"country": "NA", "x": None}]


def test_a_null_does_not_change_the_type_of_its_neighbours(tmp_path):
    source = TableSource(write(tmp_path / "t.csv", "n,f\n1,1.5\n,\n3,2\n"))
    together = rows(source)
    assert [type(row["n"]) for row in together] == [np.int64, type(None), np.int64]
    assert [type(row["f"]) for row in together] == [np.float64] * 3
    assert [type(source[i]["n"]) for i in range(3)] == [type(row["n"]) for row in together]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "shift_jis", "gb18030", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_of_any_encoding_is_read_as_text(tmp_path, monkeypatch, encoding, packed):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 100)
    word = {"shift_jis": "ソ表十", "gb18030": "汉字€"}.get(encoding, "café")
    text = "id|text\n" + "".join(f'{i}|"{word}\n{i}"\n' for i in range(300))
    data = text.encode(encoding)
    path = tmp_path / f"t.csv{'.gz' * packed}"
    write(path, gzip.compress(data) if packed else data)
    source = TableSource(path, encoding=encoding, delimiter="|")
    assert [row["text"] for row in rows(source)] == [f"{word}\n{i}" for i in range(300)]
    conformance.check_source(source, length=300)


def test_bytes_that_the_encoding_does_not_know_name_row_and_column(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 8)
    path = write(tmp_path / "t.csv", b"id,text\n1,hello\n2,caf\xe9\n")
    with pytest.raises(DecodeError, match=r"t\.csv.*row 1, column 'text'.*encoding='latin-1'"):
        TableSource(path)
    with pytest.raises(DecodeError, match=r"row 1, column 'text'"):
        TableSource(path, encoding="ascii")
    assert TableSource(path, columns=["id"])[1] == {"id": 2}
    with pytest.raises(ConfigError, match="encoding='klingon'"):
        TableSource(path, encoding="klingon")


@pytest.mark.slow
def test_a_packed_file_is_read_in_any_order_and_cut_off_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr("dataload.sources.tables.streams._STATE_EVERY", 1 << 14)
    lines = [f"{i},{'x' * (i % 50)}\n" for i in range(5000)]
    halves = [gzip.compress("".join(part).encode()) for part in (["id,text\n", *lines[:2500]], lines[2500:])]
    path = write(tmp_path / "t.csv.gz", halves[0] + halves[1] + b"\0" * 20)
    source = TableSource(path)
    conformance.check_source(source, length=5000)
    order = np.random.default_rng(0).permutation(5000)
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 10_000
    assert [copy[int(i)]["id"] for i in order[:300]] == order[:300].tolist()
    write(path, path.read_bytes()[: len(halves[0]) + 200])
    with pytest.raises(DecodeError, match=r"t\.csv\.gz.*cut off"):
        TableSource(path)


def test_a_column_that_is_there_twice_is_an_error_unless_it_is_left_out(tmp_path):
    path = write(tmp_path / "t.csv", "a,b,a\n1,2,3\n")
    with pytest.raises(ConfigError, match=r"t\.csv.*2 columns 'a'"):
        TableSource(path)
    assert TableSource(path, columns=["b"])[0] == {"b": 2}


@pytest.mark.parametrize("wrong", [{"delimiter": ";;"}, {"quote": "é"}, {"escape": '"'}, {"delimiter": "\n"}])
def test_dialects_that_cannot_work_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match="must"):
        TableSource(write(tmp_path / "t.csv", "a,b\n1,2\n"), **wrong)


@SOME
@given(st.text('ab,"\\\n\r', max_size=60), st.integers(0, 30), st.sampled_from([None, "\\"]))
def test_the_fast_way_to_find_a_row_end_agrees_with_reading_character_by_character(text, at_least, escape):
    data = text.encode()
    expected, place, begins, quoted = None, 0, True, False
    while place < len(text) and expected is None:
        character = text[place]
        if character == escape:
            place += 1
            begins = False
        elif quoted:
            if character == '"' and text[place + 1 : place + 2] == '"':
                place += 1
            elif character == '"':
                quoted = False
        elif character == '"' and begins:
            quoted, begins = True, False
        elif character == "\n" and place >= at_least:
            expected = place + 1
        else:
            begins = character in ",\n\r"
        place += 1
    assume("\r" not in text[at_least:] or expected is not None)
    assert Dialect(",", '"', escape).row_end(data, at_least, last=True) == expected


@pytest.mark.slow
def test_a_large_file_of_quoted_texts_is_opened_in_time_that_grows_with_its_size(tmp_path):
    def prepare(count):
        rows = "".join(f'"t ""{i}"" \n",x "y" z\n' for i in range(count))
        return count, write(tmp_path / f"{count}.csv", "a,b\n" + rows)

    def work(prepared):
        count, path = prepared
        assert len(TableSource(path)) == count

    assert grows_with_size(prepare, work)
