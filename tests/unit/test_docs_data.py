"""The examples of `docs/data.md`, run through the steps; and every code is documented there."""

import ast
import hashlib
import json
import re

import pytest
import rfc8785
from docpages import ROOT, blocks, page, quoted, section, table
from fakes import new_job
from pathflow import look, outcome

from chalicelib import settings
from chalicelib.flow import status
from chalicelib.model import Format
from chalicelib.steps import canonical, detect, text


def test_keys_of_a_csv_header() -> None:
    for header, keys in table(section("data.md", "Formats"), "header", "keys"):
        found = look(f"{text_of(quoted(header))}\n".encode())
        assert list(found.columns) == json.loads(quoted(keys)), header


def test_limits() -> None:
    markdown = " ".join(page("data.md").split())

    assert f"up to {detect.MAX_HEADER:,} bytes and {detect.MAX_COLUMNS:,} columns" in markdown
    assert f"more than {detect.MAX_HEADER:,} bytes, or an open quote" in markdown
    assert f"more than {detect.MAX_COLUMNS:,} columns" in markdown
    assert f"nested {canonical.MAX_DEPTH} deep" in markdown
    digits, exponent = f"{canonical.MAX_DIGITS:,}", canonical.MAX_EXPONENT
    assert f"{digits} digits, and be as large as 10^{exponent} or as small as 10^-{exponent}" in markdown


def test_records_of_json_lines() -> None:
    for line, record in table(section("data.md", "Records"), "a JSON line", "the record"):
        assert canonical.record(canonical.parse(quoted(line))) == quoted(record)


def test_normalisation() -> None:
    markdown = section("data.md", "Normalisation")
    for before, after in table(markdown, "before", "after"):
        assert text.normalise(json.loads(quoted(before))) == json.loads(quoted(after))
    assert blocks(markdown.replace("\n   ", "\n"), "text") == [f"{text.EMAIL}\n"]


def test_numbers() -> None:
    for before, after in table(section("data.md", "Identity"), "in the file", "in the canonical form"):
        assert canonical.record(canonical.parse(f'{{"n":{quoted(before)}}}')) == f'{{"n":{quoted(after)}}}'


def test_the_hash_of_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    markdown = section("data.md", "Identity")
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
    return table(section("data.md", "Rejected records"), "code", "format", "example", "message")


@pytest.mark.parametrize("row", reject_table(), ids=lambda row: f"{row[0]} {row[2]}")
def test_each_example_is_rejected_as_documented(row: list[str]) -> None:
    code, form, example, message = row
    before, after = (b"name,city\n", b"\nBob,Cork\n") if form == "CSV" else (b"", b'\n{"name":"Bob"}\n')
    data = before + bytes_of(quoted(example)) + after
    defaults = settings.load({})

    found = outcome(
        data,
        look(data, Format(form.lower())),
        block_size=defaults.block_size,
        max_record=defaults.max_record_size,
    )

    rejects = [reject for block in found.blocks for reject in block.rejects]
    assert [(it.code, it.message, it.offset) for it in rejects] == [(quoted(code), message, len(before))]
    assert rejects[0].field is None
    assert [json.loads(record)["name"] for record in found.records] == ["Bob"]


def text_of(example: str) -> str:
    return re.sub(r"(.)\{(\d+)\}", lambda repeated: repeated[1] * int(repeated[2]), example)


def bytes_of(example: str) -> bytes:
    r"""The bytes of an example, in which ``\xHH`` is a byte and ``x{3}`` is ``xxx``."""
    parts = re.split(r"\\x([0-9a-f]{2})", text_of(example))
    return b"".join(bytes.fromhex(part) if at % 2 else part.encode() for at, part in enumerate(parts))


def codes(*folders: str) -> set[str]:
    """Everything in the code that looks like a code, and is none of the other things that do."""
    files = [file for folder in folders for file in (ROOT / "chalicelib" / folder).rglob("*.py")]
    texts = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    others = {status.phase(new_job()), "sluice-migrate"}
    return {it for it in texts if re.fullmatch(r"[a-z]+(-[a-z]+)+", it)} - others


def test_every_code_is_documented_and_no_other_is() -> None:
    rejects = {quoted(row[0]) for row in reject_table()}
    failures = {
        quoted(row[0]) for row in table(section("data.md", "Errors of a whole file"), "code", "meaning")
    }

    assert rejects <= codes("steps")
    assert rejects | failures == codes("steps", "flow", "backends")
