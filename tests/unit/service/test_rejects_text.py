"""The file of rejected records: what stands in it, and that Sluice reads it again as it was."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import BLANKS, Dialect, Format, Place, WholeReject
from chalicelib.rows.formulas import BEGINNINGS
from chalicelib.rows.text import normalise
from chalicelib.service.rejects_text import rejects_name, rejects_text
from tests.support.jobs import new_job
from tests.support.pipeline import look, outcome, read_file
from tests.support.whole_rejects import JOB, raw_records, rejects_file, whole_rejects

MARKER = f"_sluice_rejects_of_{JOB}"
ADDED = ["_reason", "_line", "_raw", MARKER]
GOOD = b"Bob,Cork\n" * 6

# Many scripts, and what may be taken for something else: quotes, delimiters, formulas, line endings.
ALPHABET = "ab5-+=@'\"\\,;\t|# é\u00a0ßЖ中あ한אع\u0e01\u0915🙂\ufeff\uff1d\x01\u2028"
texts = st.text(st.sampled_from(ALPHABET), max_size=6) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
)


def file_of(rejects: Sequence[WholeReject], dialect: Dialect, *, longest: int = 1 << 20) -> bytes:
    return b"".join(rejects_text(new_job(id=JOB), dialect, rejects, longest=longest))


def rows_of(data: bytes, delimiter: str = ",") -> list[list[str]]:
    """Return the cells of a CSV file as Python's reader has them."""
    text = data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def saved_again(rows: Sequence[Sequence[str]], delimiter: str, encoding: str, quoting: int) -> bytes:
    """Return the CSV file that a spreadsheet program makes of rows."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode(encoding)


def reject_of(raw: bytes, code: str = "some-rule", **flags: bool) -> WholeReject:
    return WholeReject(code, "A sentence.", None, Place(10, 3, 4, 4), raw, **flags)


def columns_of(*names: str, **members: object) -> Dialect:
    return Dialect(Format.CSV, 0, columns=names, rules=2, **members)  # type: ignore[arg-type]


def test_a_file_of_rejects_has_their_cells_reasons_and_places() -> None:
    data = b"name,city\n" + GOOD + b"Ada\nCy,Ely,UK\n"

    found = rejects_file(data, look(data))

    assert found.startswith(b"\xef\xbb\xbf")
    assert found.count(b"\n") == found.count(b"\r\n") == 3
    assert rows_of(found) == [
        ["name", "city", *ADDED],
        ["Ada", "", "The record has 1 cell; the header has 2.", "8", "", "7"],
        ["", "", "The record has 3 cells; the header has 2.", "9", "Cy,Ely,UK", "8"],
    ]


@pytest.mark.parametrize(
    ("delimiter", "written"), [(",", ","), (";", ";"), ("\t", "\t"), ("|", ","), (BLANKS, ",")]
)
def test_the_delimiter_is_the_files_own_if_spreadsheets_write_it(delimiter: str, written: str) -> None:
    found = file_of([reject_of(b"Ada")], columns_of("name", "city", delimiter=delimiter))

    assert rows_of(found, written)[0] == ["name", "city", *ADDED]


def test_names_of_added_columns_are_free_and_alike() -> None:
    names = ("_line", "_raw_2")
    found = file_of([reject_of(b"7,x\n")], columns_of(*names))
    again = read_file(found)

    assert rows_of(found)[0] == [*names, "_reason_3", "_line_3", "_raw_3", f"{MARKER}_3"]
    assert again.records == {'{"_line":"7","_raw_2":"x"}'}


def test_what_was_cut_and_what_is_an_excerpt_is_said() -> None:
    dialect = columns_of("name", "city", encoding="cp1252")
    cut, excerpt = rows_of(
        file_of(
            [
                reject_of(b"Zo\xeb,x\n", is_cut=True),
                reject_of("Zoë,x …".encode(), is_excerpt=True),
            ],
            dialect,
        )
    )[1:]

    assert cut[2:5] == [
        "A sentence. Only the beginning of this record is here: the record is larger than the limit.",
        "4",
        "Zoë,x",
    ]
    assert excerpt[2:5] == ["A sentence. Only an excerpt of this record was kept.", "4", "Zoë,x …"]
    assert cut[:2] == excerpt[:2] == ["", ""]


def test_lines_of_a_row_that_is_too_large_to_be_read_again_do_not_become_rows() -> None:
    lines = "a,b,c,d,e,f\n" * 20
    raw = f'{lines}"x" y'.encode()
    dialect = columns_of("name", "city")
    rejects = [reject_of(raw, "stray-quote"), reject_of(b"Bob,Cork\n")]

    again = file_of(rejects, dialect, longest=150)

    found = outcome(again, look(again), max_record=150)
    assert found.records == {'{"city":"Cork","name":"Bob"}'}
    assert [code for code, _ in found.rejects] == ["record-too-large"]
    whole = file_of(rejects, dialect, longest=1000)
    assert [row[4] for row in rows_of(whole)[1:]] == [raw.decode(), ""]


def test_places_that_are_not_known_are_empty() -> None:
    reject = WholeReject("some-rule", "A sentence.", None, Place(10), b"Ada,York\n")

    (row,) = rows_of(file_of([reject], columns_of("name", "city")))[1:]

    assert row == ["Ada", "York", "A sentence.", "", "", ""]


names = st.lists(texts | st.sampled_from(["_reason", "_line", "_raw_2", "=_raw"]), min_size=1, max_size=5)


@given(names)
@example(["{a}"])
@example(["<b>", "_line", "_line"])
def test_the_columns_are_read_again(names: list[str]) -> None:
    header = ",".join('"' + name.replace('"', '""') + '"' for name in [*names, "last"]) + "\n"
    dialect = look(
        header.encode(), Format.CSV, delimiter=",", quote='"', escape="", skip_lines=0, header=True
    )

    again = look(file_of([reject_of(b"x\n")], dialect))

    assert again.own_columns == dialect.columns
    assert again.rejects_of == str(JOB)
    assert len(again.dropped) == len(ADDED)


@given(
    st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|", "~"]),
    st.sampled_from(['"', "'", ""]),
    st.sampled_from(["utf-8", "utf-16", "cp1251", "gb18030"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_records_come_through_a_round_trip(
    rows: list[list[str]], delimiter: str, quote: str, encoding: str, ending: str
) -> None:
    def written(cell: str) -> str:
        if quote:
            return quote + cell.replace(quote, quote * 2) + quote
        return "".join(char for char in cell if char not in f"{delimiter}\r\n")

    lines = [["id", "name", "-city"], *([f"n{number}", *cells] for number, cells in enumerate(rows))]
    text = "".join(delimiter.join(map(written, cells)) + ending for cells in lines)
    data = text.encode(encoding, "ignore")
    dialect = look(
        data, Format.CSV, delimiter=delimiter, quote=quote, escape="", encoding=encoding, skip_lines=0,
        skip_initial_space=False, header=True,
    )  # fmt: skip
    if dialect.transcoded:
        data = text.encode()
    original = outcome(data, dialect)
    if original.rejects:  # a lone line ending in a cell
        return
    rejects = [reject_of(raw) for raw in _all_records(data, dialect)]

    found = file_of(rejects, dialect)
    again = read_file(found)

    assert again.records == original.records
    assert not again.rejects
    assert outcome(found, look(found), block_size=50).records == original.records
    for row in rows_of(found, delimiter if delimiter in ",;\t" else ","):
        assert not any(cell.startswith(tuple(BEGINNINGS)) for cell in row)


def _all_records(data: bytes, dialect: Dialect) -> list[bytes]:
    return [raw for _, raw in raw_records(data, dialect)]


@given(
    st.lists(st.lists(texts, min_size=2, max_size=2), max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(0, 2),
)
def test_it_may_be_saved_by_a_spreadsheet_program(
    rows: list[list[str]], delimiter: str, encoding: str, quoting: int, empty: int
) -> None:
    dialect = columns_of("id", "=name", "_line")
    raws = [
        f"r{number}," + ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
        for number, cells in enumerate(rows)
    ]
    found = rows_of(file_of([reject_of(raw.encode()) for raw in raws], dialect))

    again = read_file(saved_again([row + [""] * empty for row in found], delimiter, encoding, quoting))

    def record(number: int, cells: Sequence[str]) -> dict[str, str]:
        members = {"id": f"r{number}", "=name": normalise(cells[0]), "_line": normalise(cells[1])}
        return {name: value for name, value in members.items() if value}

    assert not again.rejects
    by_id = {record["id"]: record for record in map(json.loads, again.records)}
    assert by_id == {f"r{number}": record(number, cells) for number, cells in enumerate(rows)}


def test_records_of_a_second_table_stand_there_as_text() -> None:
    first = b"id,amount,city\n1,2.50,York\n2,3.50,Ely\n3,4.50,Rye\n\n"
    wide = first + b"name,country,day\nAda,UK,2025-01-01\n"
    narrow = first + b"name,day\nAda,2025-01-01\n"

    assert [row[:3] + row[5:6] for row in rows_of(rejects_file(wide, look(wide)))[1:]] == [
        ["", "", "", "name,country,day"],
        ["", "", "", "Ada,UK,2025-01-01"],
    ]
    assert [row[:3] + row[5:6] for row in rows_of(rejects_file(narrow, look(narrow)))[1:]] == [
        ["", "", "", "name,day"],
        ["", "", "", "Ada,2025-01-01"],
    ]


def test_a_corrected_file_is_loaded_whole() -> None:
    data = b'id;name;city\n1;Ada;York\n2;Bob\n3;Cy;Ely;UK\n4;"Di" x;Rye\n5;-5;+49\n'
    rows = rows_of(rejects_file(data, look(data)), ";")
    corrected = {"2": ["2", "Bob", "'-Cork"], "3": ["3", "Cy", "Ely"], "4": ["4", "Di x", "Rye"]}
    done = [rows[0], *([*corrected[row[-1]], *row[3:]] for row in rows[1:])]

    again = read_file(saved_again(done, ";", "utf-8", csv.QUOTE_MINIMAL))

    assert not again.rejects
    assert again.records == {
        '{"city":"-Cork","id":"2","name":"Bob"}',
        '{"city":"Ely","id":"3","name":"Cy"}',
        '{"city":"Rye","id":"4","name":"Di x"}',
    }
    assert [warning.code for warning in again.warnings] == ["rejects-file"]


def test_what_is_not_corrected_is_rejected_again_and_not_lost() -> None:
    data = b"name,city\n" + GOOD + b'Ada,"York" x\nCy,Ely,-UK\n'
    first = rejects_file(data, look(data))

    again = read_file(first)
    second = rejects_file(first, look(first))

    assert [code for code, _ in again.rejects] == ["not-corrected", "not-corrected"]
    assert not again.records
    assert [[*row[:2], row[4]] for row in rows_of(second)[1:]] == [
        ["", "", 'Ada,"York" x'],
        ["", "", "Cy,Ely,-UK"],
    ]


@given(
    st.lists(st.text(st.sampled_from("ab1,\"'\r ;-=é\udcff\0"), max_size=30), max_size=10),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([1 << 20, 20]),
)
@example(
    [" ", "1,", " "], "\n", 1 << 20
)  # two blank rows that stand beside each other only in the file of rejects
def test_every_reject_of_a_damaged_file_is_a_record_of_its_rejects_file(
    lines: list[str], ending: str, max_record: int
) -> None:
    text = "".join(line + ending for line in ["name,city", "Bob,Cork", "Eve,Bonn", *lines])
    data = text.encode("utf-8", "surrogateescape")
    dialect = look(data, Format.CSV, delimiter=",", quote='"', escape="", header=True, skip_lines=0)
    rejects = whole_rejects(data, dialect, max_record=max_record)

    first = file_of(rejects, dialect)
    again = read_file(first)

    assert again.accepted + again.rejected == len(rejects)
    assert {code for code, _ in again.rejects} <= {"not-corrected", "blank-row"}
    assert again.accepted == sum(reject.code == "missing-cell" for reject in rejects)
    left = [row[4] for row in rows_of(first)[1:] if row[4]]
    second = rejects_file(first, look(first))
    assert [row[4] for row in rows_of(second)[1:] if row[4]] == left


def test_not_corrected_wide_records_are_rejected_too() -> None:
    header = f"name,city,_reason,_line,_raw,{MARKER}\n"
    data = (header + ",,x,1,text,1,more\nAda,'-1,x,1,text,1,'-more\n").encode()

    found = read_file(data, extra_cells="keep")

    assert [code for code, _ in found.rejects] == ["not-corrected"]
    assert found.records == {'{"city":"-1","extra_1":"-more","name":"Ada"}'}


def test_a_row_without_anything_is_blank() -> None:
    found = read_file(f"name,city,_reason,_line,_raw,{MARKER}\n,,x,1,,1\n,,,,,\n".encode())

    (reject,) = (reject for block in found.blocks for reject in block.rejects)
    assert (reject.code, reject.count) == ("blank-row", 2)


def test_moved_and_removed_columns_are_told_by_their_names() -> None:
    data = f"{MARKER},city,_raw,name,note\n7,York,,'-Ada,ok\n".encode()

    assert read_file(data).records == {'{"city":"York","name":"-Ada","note":"ok"}'}


@pytest.mark.parametrize(
    "header",
    [
        "name,_reason,_line,_raw",
        "name,_line,_sluice_rejects_of_me",
        f"name,_line,see {MARKER}",
        f'name,_line,"{MARKER} and others"',
    ],
)
def test_without_the_marker_a_file_is_like_any_other(header: str) -> None:
    width = header.count(",")
    data = f"{header}\n'-1{',x' * width}\n'=2{',y' * width}\n".encode()

    dialect = look(data)

    assert not dialect.escaped
    assert dialect.own_columns == dialect.columns
    assert outcome(data, dialect).accepted == 2
    assert all('":"\'' in record for record in outcome(data, dialect).records)


@pytest.mark.parametrize("before", ["My corrections,,,,,,\r\n", ",,,,,,\r\n", " \r\n"])
def test_the_marker_is_found_below_other_lines(before: str) -> None:
    data = f"{before}id,name,_reason,_line,_raw,{MARKER}\r\n1,'-5,x,3,,1\r\n2,b,x,3,,2\r\n".encode()
    dialect = look(data)
    assert dialect.own_columns == ("id", "name")
    assert outcome(data, dialect).records == {'{"id":"1","name":"-5"}', '{"id":"2","name":"b"}'}


def test_options_about_the_layout_do_not_apply_to_a_file_with_the_marker() -> None:
    data = f"#name,city,_reason,_line,_raw,{MARKER}\n#Ada,'-1,x,1,,1\n".encode()

    found = read_file(
        data,
        delimiter="|",
        quote="'",
        escape="\\",
        header=False,
        skip_lines=2,
        skip_after_header=1,
        comment="#",
    )

    assert found.records == {'{"#name":"#Ada","city":"-1"}'}


def test_values_are_read_by_the_options_after_their_escape_is_taken_off() -> None:
    header = f"id,amount,day,_reason,_line,_raw,{MARKER}"
    rows = [f'{number},"\'-{number},50",24.12.2025,x,1,,1' for number in range(5)]
    data = "\n".join([header, *rows, "9,'-,1.1.2025,x,1,,1", ""]).encode()

    found = read_file(data, decimal=",", date_order="DMY", missing_values=("-",))

    assert '{"amount":"-3.50","day":"2025-12-24","id":"3"}' in found.records
    assert '{"day":"2025-01-01","id":"9"}' in found.records
    assert look(data, decimal=",").decimal_columns == ("id", "amount")


def test_the_header_of_another_rejects_file_behind_the_first_is_passed_over() -> None:
    other = MARKER.replace("7", "8")
    header, again = (f"name,-city,_reason,_line,_raw,{marker}\n" for marker in (MARKER, other))
    data = f"{header}Ada,York,x,1,,1\n{again}Bob,'-,x,1,,1\n".encode()

    found = read_file(data)

    assert found.records == {'{"-city":"York","name":"Ada"}', '{"-city":"-","name":"Bob"}'}
    assert [warning.code for warning in found.warnings] == ["rejects-file", "rejects-of-several-jobs"]


def test_the_header_of_the_same_rejects_behind_the_first_is_a_repeated_one() -> None:
    header = f"name,-city,_reason,_line,_raw,{MARKER}\n"

    found = read_file(f"{header}Ada,York,x,1,,1\n{header}Bob,'-,x,1,,1\n".encode())

    assert [warning.code for warning in found.warnings] == ["rejects-file", "repeated-header"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("block_size", [1 << 20, 60])
def test_bytes_that_are_no_text_in_added_columns_cost_no_record(quoting: int, block_size: int) -> None:
    """A spreadsheet program has saved the file in ANSI; the names and quotes are those of a reason."""
    rows = [
        ["id", "city", *ADDED],
        ["1", "York", "Part of it reads in cp1252 “Željko”.", "2", "", "1"],
        ["2", "'-Ely", 'Row 3 … “é, "x”\ny', "3", "Žel", "2"],
        ["3", "Köln", "Row 4", "4", "", "3"],
        ["", "", "Row 5 €", "5", "D,Ž", "4"],
    ]
    data = saved_again(rows, ",", "cp1252", quoting)
    dialect = look(data)

    found = outcome(data, dialect, block_size=block_size)

    assert found.records == {'{"city":"York","id":"1"}', '{"city":"-Ely","id":"2"}'}
    assert [code for code, _ in found.rejects] == ["encoding-error", "not-corrected"]
    second = rows_of(rejects_file(data, dialect))[1:]
    assert [row[4] for row in second] == [
        # what stands there is what came
        '"3","K\\xf6ln","Row 4","4","","3"' if quoting == csv.QUOTE_ALL else "3,K\\xf6ln,Row 4,4,,3",
        "'D,\\x8e",  # it may be taken for a date: `x` is a month in Polish
    ]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_file_with_blanks_behind_its_delimiters_is_unescaped(quoted: bool, is_first: bool) -> None:
    """A program has put a blank behind each comma."""
    added = [MARKER, "_reason", "_line", "_raw"] if is_first else ADDED
    names = [*added, "id", "-city"] if is_first else ["id", "-city", *added]
    marked = (
        [["7", "x", "1", ""], ["8", "x", "2", ""]] if is_first else [["x", "1", "", "7"], ["x", "2", "", "8"]]
    )
    values = [["1", "'-5"], ["2", "''=x"]]
    rows = [
        names,
        *(
            [*mark, *value] if is_first else [*value, *mark]
            for mark, value in zip(marked, values, strict=True)
        ),
    ]
    lines = (", ".join(f'"{cell}"' if quoted else cell for cell in row) for row in rows)

    found = read_file("".join(f"{line}\r\n" for line in lines).encode())

    assert found.records == {'{"-city":"-5","id":"1"}', '{"-city":"\'=x","id":"2"}'}
    assert not found.rejects


def test_a_file_with_no_other_columns_fails() -> None:
    with pytest.raises(JobFailed, match="only the columns that Sluice added") as failure:
        look(f"_reason,_line,_raw,{MARKER}\nx,1,Ada,1\n".encode())

    assert failure.value.code == "dialect-unclear"


def test_the_header_may_be_as_large_as_that_of_the_file() -> None:
    names = [f'"{"a" * 18}{number:05}"' for number in range(10_000)]
    data = (",".join(names) + "\n" + "x\n" * 3).encode()
    dialect = look(data, quote='"', delimiter=",")

    again = look(rejects_file(data, dialect))

    assert again.own_columns == dialect.columns


def test_pieces_are_small_however_many_rejects_there_are() -> None:
    taken = 0

    def rejects() -> Iterator[WholeReject]:
        nonlocal taken
        for _ in range(50_000):
            taken += 1
            yield reject_of(b"Ada")

    pieces = rejects_text(new_job(id=JOB), columns_of("name", "city"), rejects(), longest=1 << 20)
    first = next(pieces)

    assert taken < 5_000
    assert max(len(first), *map(len, pieces)) < 70_000
    assert taken == 50_000


@pytest.mark.parametrize("form", list(Format))
def test_the_name_says_what_kind_of_file_it_is(form: Format) -> None:
    expected = "rejects.csv" if form is Format.CSV else "rejects.ndjson"

    assert rejects_name(Dialect(form, 0)) == expected


JSON_CASES = [
    (b'{"a": 1e400, "b": 0.10}\n', {"record": '{"a": 1e400, "b": 0.10}'}),
    (b'{"a":1,\n "b":\r\n[1,\t2]}', {"record": '{"a":1,  "b": [1,\t2]}'}),
    (b'{"a":1,"a":2},\n', {"record": '{"a":1,"a":2}'}),
    (b'["Ada"]\n', {"record": '["Ada"]'}),
    ('{"a":"x\u2028y\\ud83d"}\n'.encode(), {"record": '{"a":"x\u2028y\\ud83d"}'}),
    (b'{"a":NaN}\n', {"_raw": '{"a":NaN}'}),
    (b'{"a":}\r\n', {"_raw": '{"a":}'}),
    (b'{"a":"Zo\xeb\0"}\n', {"_raw": '{"a":"Zo\\xeb\\x00"}'}),
    (b"[" * 100_000, {"_raw": "[" * 100_000}),
]


@pytest.mark.parametrize(("raw", "expected"), JSON_CASES, ids=range(len(JSON_CASES)))
def test_json_records_stand_as_they_came_beside_their_reasons(raw: bytes, expected: dict[str, str]) -> None:
    (line,) = file_of([reject_of(raw, "some-code")], Dialect(Format.NDJSON, 0)).decode().split("\n")[:-1]

    before = '{"_reason": "A sentence.", "_code": "some-code", "_line": 4, "_record_number": 3, '
    if "record" in expected:
        assert line == f'{before}"record": {expected["record"]}}}'
    else:
        assert json.loads(line)["_raw"] == expected["_raw"]
        assert "record" not in json.loads(line)


@pytest.mark.parametrize("code", ["json-syntax", "duplicate-key"])
def test_json_rejects_are_not_loaded_beside_their_reasons(code: str) -> None:
    reject = WholeReject(code, 'The record holds "a\\b" twice.', None, Place(10), b'{"a":1,"a":2}\n')
    data = file_of([reject], Dialect(Format.NDJSON, 0))

    with pytest.raises(JobFailed, match="with their reasons") as failure:
        look(data)
    assert failure.value.code == "unsupported-format"
    assert look(data, Format.NDJSON).format is Format.NDJSON
    assert look(b'{"_reason": "x", "record": {}}\n').format is Format.NDJSON


@pytest.mark.parametrize("name", ["{id}", "[1]", "<html>", "<?xml "])
def test_a_file_with_the_marker_is_csv_however_it_begins(name: str) -> None:
    data = file_of([reject_of(b"x\n")], columns_of(name))

    assert read_file(data).records == {json.dumps({name.strip(): "x"}, separators=(",", ":"))}


def test_json_excerpts_are_no_records() -> None:
    found = file_of([reject_of(b'{"a":1}', is_excerpt=True)], Dialect(Format.JSON, 0))

    assert json.loads(found) == {
        "_reason": "A sentence. Only an excerpt of this record was kept.",
        "_code": "some-rule",
        "_line": 4,
        "_record_number": 3,
        "_raw": '{"a":1}',
    }


_TOKENS = st.sampled_from(
    (
        *('{"a":', "}", "[", "]", ",", '"b"', "-", "1", "01", "1" * 40, "1e999", "true", "NaN", "\n", " "),
        *('"\\ud83d"', '"\\uD83D\\uDE00"', '"\\x"', '"\x01"', '"\t"', "\ufeff", "\u00a0", '"\u2028"'),
    )
)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


@example('"\\uD83D"')
@given(st.lists(_TOKENS, max_size=8).map("".join))
def test_a_json_record_stands_as_it_came_if_pythons_decoder_takes_it(text: str) -> None:
    lines = file_of([reject_of(text.encode(), "some-code")], Dialect(Format.NDJSON, 0)).decode().split("\n")

    found = json.loads(lines[0])

    assert lines[1:] == [""]
    raw = text.strip(" \t\r\n")
    try:
        expected = json.loads(raw.removesuffix(","), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        assert found["_raw"] == raw
    else:
        assert found["record"] == expected
        assert "_raw" not in found
