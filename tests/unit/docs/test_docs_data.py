"""The examples of how files are read, of records and of rejects; and every code is documented."""

import ast
import csv
import hashlib
import io
import json
import re
import shlex

import pytest
import rfc8785

from chalicelib import settings
from chalicelib.api import serializers
from chalicelib.api.requests.uploads import OptionsBody, parse_upload
from chalicelib.backends.postgres.mappers import options_column
from chalicelib.core import reject_messages
from chalicelib.core.erased_values import ERASED
from chalicelib.core.errors import JobFailed
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Dialect, Format, Options
from chalicelib.core.warnings import KINDS
from chalicelib.formats import format_of
from chalicelib.formats.csv import header as csv_header
from chalicelib.formats.csv.detection import decimals as csv_decimals
from chalicelib.formats.csv.second_table import SECOND_TABLE
from chalicelib.formats.json import envelope as json_envelope
from chalicelib.formats.json import framing as json_framing
from chalicelib.formats.json import hints as json_hints
from chalicelib.formats.json.first_records import MOST_RECORDS
from chalicelib.formats.json.parse import parse
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.rows import canonical, formulas, rules, text
from sluice_cli.commands.upload import upload_command
from tests.support.docpages import ROOT, blocks, bytes_of, page, quoted, section, table, text_of
from tests.support.jobs import new_job
from tests.support.pipeline import look, outcome
from tests.support.whole_rejects import rejects_file

AROUND = {  # what stands before and after an example, and the names in the other records
    "CSV": (b"name,city\n", b"\n" + 6 * b"Bob,Cork\n", {"Bob"}),
    "NDJSON": (b"", b'\n{"name":"Bob"}\n', {"Bob"}),
    "JSON": (b'[{"name":"Ann"},\n', b',\n{"name":"Bob"}]', {"Ann", "Bob"}),
}
IN_REJECTS_FILE = (
    b"name,city,_reason,_line,_raw,_sluice_rejects_of_73a3eb48-477f-4fcb-bd18-1865d0026c05\n",
    b"\nBob,Cork,,,,\n",
    {"Bob"},
)
AFTER_AN_ARRAY = (b'[{"name":"Ann"}]\n', b"\n", {"Ann"})


def test_the_format_is_chosen_as_documented() -> None:
    for beginning, form in table(section("reading.md", "Formats"), "a file that begins with", "format"):
        assert look(bytes_of(quoted(beginning)) + b"\n").format is Format(quoted(form)), beginning


def json_table(*head: str) -> list[list[str]]:
    return table(section("reading.md", "JSON"), "a JSON file", *head)


@pytest.mark.parametrize("row", json_table("loaded", "code", "message"), ids=lambda row: row[0])
def test_json_files_are_loaded_as_documented(row: list[str]) -> None:
    file, names, code, message = row
    data = quoted(file).encode()

    found = outcome(data, look(data))

    assert look(data).format is Format.JSON
    assert sorted(json.loads(record)["name"] for record in found.records) == [
        it for it in names.split(", ") if it
    ]
    rejects = [reject for block in found.blocks for reject in block.rejects]
    assert [(it.code, it.message) for it in rejects] == ([(quoted(code), message)] if code else [])


@pytest.mark.parametrize("row", json_table("code", "message"), ids=lambda row: row[0])
def test_json_files_fail_where_documented(row: list[str]) -> None:
    file, code, message = row
    data = bytes_of(quoted(file))

    with pytest.raises(JobFailed) as failure:
        outcome(data, look(data), max_record=settings.load({}).max_record_size)
    assert (failure.value.code, failure.value.message) == (quoted(code), message)


def test_records_inside_an_envelope_are_loaded_as_documented() -> None:
    markdown = section("reading.md", "Records inside an envelope")
    for file, pointer, records in table(markdown, "the file", "`records`", "the records"):
        data, path = (
            quoted(file).encode(),
            json.loads(quoted(pointer) if '"' in pointer else f'"{quoted(pointer)}"'),
        )
        found = outcome(data, look(data, records=path))
        assert not found.rejects
        assert found.records == set(quoted(records).split("` `")), file
    text = " ".join(markdown.split())
    assert f"for most of the first {json_hints.ENOUGH} records" in text
    assert f"among the first {MOST_RECORDS}." in text
    assert (json_envelope.LOOK, HEAD_SIZE) == (1 << 20, 1 << 20)


def test_the_clients_options_are_those_documented() -> None:
    (command,) = blocks(section("reading.md", "Formats"), "sh")
    sluice, upload, *arguments = shlex.split(command)
    given = upload_command.make_context(upload, arguments).params["options"]

    assert (sluice, upload) == ("sluice", upload_command.name)
    request = parse_upload({"filename": "x", "options": given}, max_size=0)
    assert options_column(request.instructions.options).obj == given


def test_every_option_is_documented() -> None:
    documented = {
        quoted(row[0])
        for row in table(section("reading.md", "Formats"), "option", "type", "default", "meaning")
    }

    assert documented == vars(Options()).keys() == set(OptionsBody.__struct_fields__)


def test_long_names_bound_blocks_as_documented() -> None:
    markdown = " ".join(page("how-it-runs.md").split())
    default = settings.load({}).block_size

    def most(length: int) -> int:
        dialect = Dialect(Format.CSV, 0, columns=("x" * length,))
        return format_of(dialect).max_block_size(dialect)

    assert "at most 128 MiB divided by the mean length of the names plus 6" in markdown
    assert most(58) == (128 << 20) // (58 + 6)
    assert "never less than 32 KiB" in markdown
    assert most(100_000) == 32 << 10
    assert "names of more than 26 characters" in markdown
    assert most(26) == default > most(27)


def test_a_csv_header_gives_the_documented_keys() -> None:
    for header, keys in table(section("reading.md", "Formats"), "header", "keys"):
        found = look(f"{text_of(quoted(header))}\n".encode())
        assert list(found.columns) == json.loads(quoted(keys)), header


def test_numbers_with_a_decimal_comma_are_read_as_documented() -> None:
    markdown = section("reading.md", "Decimal commas")
    for value, becomes in table(markdown, "a value in a column of numbers", "becomes"):
        found = rules.apply(json.loads(quoted(value)), rules.Rules(decimals=rules.Decimals.READ))
        assert found == json.loads(quoted(becomes)), value


def test_columns_of_numbers_are_found_as_documented() -> None:
    markdown = section("reading.md", "Decimal commas")
    answers = {"yes": ("a",), "no": ()}
    for values, answer in table(markdown, "values of a column", "a column of numbers"):
        data = "\n".join(["a", *re.findall("`(.*?)`", values)]).encode()
        assert look(data, delimiter=";", decimal=",").decimal_columns == answers[answer], values


def test_the_documented_limits_are_those_of_the_code() -> None:
    markdown = " ".join("".join(map(page, ("reading.md", "records.md", "rejects.md"))).split())

    assert f"up to {csv_header.MAX_HEADER:,} bytes and {csv_header.MAX_COLUMNS:,} columns" in markdown
    assert f"more than {csv_header.MAX_HEADER:,} bytes. |" in markdown
    assert f"more than {csv_header.MAX_COLUMNS:,} columns" in markdown
    assert f"first {csv_decimals.MAX_RECORDS:,} records of the head" in markdown
    assert f"at most {100 * csv_decimals.MOST_EXCEPTIONS:.0f} % of them" in markdown
    assert f"nested {canonical.MAX_DEPTH} deep" in markdown
    assert f"more than {text.LONGEST_RUN} combining marks" in markdown
    assert markdown.count(f"within {json_framing.LOOK_AHEAD} times `SLUICE_MAX_RECORD_SIZE`") == 2
    digits, exponent = f"{canonical.MAX_DIGITS:,}", canonical.MAX_EXPONENT
    assert f"{digits} digits, and be as large as 10^{exponent} or as small as 10^-{exponent}" in markdown


def test_json_lines_give_the_documented_records() -> None:
    for line, record in table(section("records.md", "Records"), "a JSON line", "the record"):
        assert canonical.record(parse(quoted(line))) == quoted(record)


def test_values_are_normalised_as_documented() -> None:
    markdown = section("records.md", "Normalisation")
    for before, after in table(markdown, "before", "after"):
        assert text.normalise(json.loads(quoted(before))) == json.loads(quoted(after))
    assert blocks(markdown.replace("\n   ", "\n"), "text") == [f"{text.EMAIL}\n"]


def test_numbers_are_printed_as_documented() -> None:
    for before, after in table(section("records.md", "Identity"), "in the file", "in the canonical form"):
        assert canonical.record(parse(f'{{"n":{quoted(before)}}}')) == f'{{"n":{quoted(after)}}}'


def test_the_documented_program_computes_the_documented_hash(capsys: pytest.CaptureFixture[str]) -> None:
    markdown = section("records.md", "Identity")
    (file,), (form,), (program,) = (blocks(markdown, language) for language in ("csv", "json", "python"))
    form = form.strip()
    data = file.encode()
    expected = hashlib.sha256(rfc8785.dumps(json.loads(form))).hexdigest()

    assert outcome(data, look(data)).records == {form}
    assert f"`{expected}`" in markdown
    assert f"printf '%s' '{form}' | sha256sum" in markdown
    exec(program, {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.strip() == expected


def reject_table() -> list[list[str]]:
    return table(section("rejects.md", "Rejected records"), "code", "format", "example", "field", "message")


def test_each_code_has_a_sentence_about_all_its_rejects() -> None:
    assert {quoted(row[0]) for row in reject_table()} == set(reject_messages.KINDS) - {ERASED}


def around(code: str, form: str) -> tuple[bytes, bytes, set[str]]:
    special = {"`trailing-content`": AFTER_AN_ARRAY, "`not-corrected`": IN_REJECTS_FILE}
    return special.get(code, AROUND[form])


@pytest.mark.parametrize("row", reject_table(), ids=lambda row: f"{row[0]} {row[2]}")
def test_each_example_is_rejected_as_documented(row: list[str]) -> None:
    code, form, example, field, message = row
    before, after, others = around(code, form)
    record = bytes_of(quoted(example))
    data = before + record + after
    offset = len(before) + len(record) - len(record.lstrip(b"\n"))
    defaults = settings.load({})

    found = outcome(
        data,
        look(data, Format(form.lower())),
        block_size=defaults.block_size,
        max_record=defaults.max_record_size,
    )

    rejects = [reject for block in found.blocks for reject in block.rejects]
    assert {(it.code, it.message) for it in rejects} == {(quoted(code), message)}
    assert len(rejects) == (2 if code == "`second-table`" else 1)
    assert rejects[0].offset == offset
    assert {it.field for it in rejects} == {quoted(field) if field else None}
    assert {json.loads(record)["name"] for record in found.records} == others


def csv_rejects() -> list[list[str]]:
    return [row for row in reject_table() if row[1] == "CSV"]


def test_every_code_of_csv_is_documented_for_the_rejects_file() -> None:
    rows = table(section("rejects.md", "The rejects file"), "code", "its columns", "`_raw`")

    assert [row[0] for row in rows] == list(dict.fromkeys(row[0] for row in csv_rejects()))


@pytest.mark.parametrize("row", csv_rejects(), ids=lambda row: f"{row[0]} {row[2]}")
def test_each_example_stands_in_the_rejects_file_as_documented(row: list[str]) -> None:
    code, form, example, _, message = row
    rows = table(section("rejects.md", "The rejects file"), "code", "its columns", "`_raw`")
    (raw,) = (raw for documented, _, raw in rows if documented == code)
    before, after, _ = around(code, form)
    example = quoted(example)
    data = before + bytes_of(example) + after

    found = rejects_file(data, look(data, Format.CSV)).decode("utf-8-sig")

    csv.field_size_limit(2 << 20)
    _, first, *_ = csv.reader(io.StringIO(found, newline=""))
    *cells, reason, _, text_left, number = first
    assert (reason, number) == (message, "1")
    if raw == "empty":
        assert (cells, text_left) == ([example.split(",")[0], ""], "")
        return
    expected = {
        "its text": text_of(example),
        "the text that it has in `_raw`": "Ada,York,UK",
        "its text, record by record": "country,capital,area",
    }
    assert (cells, text_left) == (["", ""], expected[raw])


def test_what_may_be_a_formula_is_escaped_as_documented() -> None:
    for value, in_file in table(section("rejects.md", "The rejects file"), "a value", "in the file"):
        assert formulas.escape(quoted(value)) == quoted(in_file)


def codes(*packages: str) -> set[str]:
    """Return every string in those packages that looks like a code, without the other strings that do."""
    texts = {
        node.value
        for package in packages or (".",)
        for file in (ROOT / "chalicelib" / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    others = {serializers.phase(new_job()), *Action, *(KINDS.keys() - {SECOND_TABLE})}
    names = {it for it in texts if it.startswith(("sluice-", "x-amz-"))}  # of processes, buckets, headers
    return {it for it in texts if re.fullmatch(r"[a-z]+(-[a-z]+)+", it)} - others - names


def raised() -> set[str]:
    """Return the codes with which JobFailed and FramingError are raised."""
    calls = [
        node
        for file in (ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    firsts = [call.args[0] for call in calls if getattr(call.func, "id", "") in ("JobFailed", "FramingError")]
    return {it.value for it in firsts if isinstance(it, ast.Constant) and isinstance(it.value, str)}


def test_every_code_is_documented_and_no_other_is() -> None:
    rejects = {quoted(row[0]) for row in reject_table()}
    failures = {
        quoted(row[0]) for row in table(section("rejects.md", "Errors of a whole file"), "code", "meaning")
    }

    others = {
        "retries-exhausted",
        "internal-error",
        "nothing-loaded",
        "too-many-rejects",
    }  # by the message handler, at completion
    assert failures == raised() | others
    assert rejects <= codes("reading", "formats", "rows")  # the path of a record
    rows = table(section("http-api.md", "Errors"), "code", "status", "meaning")
    problems = {code for row in rows for code in re.findall("`([a-z_-]+)`", row[0])}
    assert rejects | failures == codes() - problems - {
        "no-store",
        "if-none-match",
        "verify-ca",
        "verify-full",
    }  # words of HTTP and libpq


def test_every_table_and_view_is_documented() -> None:
    folder = ROOT / "chalicelib/backends/postgres/migrations"
    migrations = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.sql")))
    created = set(re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", migrations, re.MULTILINE))
    for name, renamed in re.findall(r"^ALTER TABLE (\w+) RENAME TO (\w+)", migrations, re.MULTILINE):
        created = created - {name} | {renamed}
    documented = [quoted(row[0]) for row in table(page("data-model.md"), "table", "analysts", "a row is")]

    assert len(documented) == len(set(documented))
    assert set(documented) == created | {"schema_migrations"}
