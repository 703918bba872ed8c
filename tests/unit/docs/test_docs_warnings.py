"""The examples of `docs/warnings.md`: each file gives just the warning in whose row it stands."""

import gzip
import io
import json
import re
import zipfile
from typing import Any

import pytest

from chalicelib.backends.postgres.mappers import options_of
from chalicelib.core.warnings import KINDS
from sluice_cli import errors
from tests.support.docpages import bytes_of, page, quoted, section, table
from tests.support.pipeline import read_file


def codes_table() -> list[list[str]]:
    return table(section("warnings.md", "Codes"), "code", "meaning", "option", "a file", "options")


def file_of(example: str) -> bytes:
    """Return the file that an example stands for."""
    if compressed := re.fullmatch(r"gzip\((.*)\)(.*)", example):
        return gzip.compress(bytes_of(compressed[1])) + bytes_of(compressed[2])
    if archived := re.fullmatch(r"zip\((.*)\)", example):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writer:
            for member in archived[1].split("; "):
                name, _, content = member.partition(": ")
                writer.writestr(name, bytes_of(content))
        return archive.getvalue()
    return bytes_of(example)


def rows() -> list[Any]:
    return [pytest.param(row, id=quoted(row[0])) for row in codes_table()]


def test_every_code_is_documented_with_its_sentence_and_its_option() -> None:
    documented = {
        quoted(code): (meaning, quoted(option) if option else None)
        for code, meaning, option, _, _ in codes_table()
    }

    assert documented == {code: (kind.message, kind.option) for code, kind in KINDS.items()}
    assert list(documented) == list(KINDS)


@pytest.mark.parametrize("row", rows())
def test_the_example_gives_just_that_warning(row: list[str]) -> None:
    code, _, _, example, declared = row
    options = vars(options_of(json.loads(quoted(declared)) if declared else {}))

    found = read_file(file_of(quoted(example)), **options)

    assert [warning.code for warning in found.warnings] == [quoted(code)]
    (warning,) = found.warnings
    assert warning.count > 0
    assert warning.line is not None or warning.record is None


def test_a_file_that_needs_no_assumption_gives_no_warning() -> None:
    found = read_file(file_of(r"gzip(name,city\x0aAda,York\x0aBob,Cork\x0a)"))

    assert (found.accepted, found.warnings) == (2, ())


def test_the_documented_exit_status_is_the_clients() -> None:
    assert f"exit with status {errors.WARNED} if" in page("warnings.md")
