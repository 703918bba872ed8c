"""The examples of `docs/reference/warnings.md`: each file gives just the warning in whose row it stands."""

import gzip
import io
import json
import re
import zipfile
from typing import Any
from uuid import UUID

import pytest

from chalicelib.backends.postgres.mappers import options_of
from chalicelib.core.jobs import Job
from chalicelib.core.model import Source
from chalicelib.core.warnings import KINDS
from sluice_cli import errors
from tests.support.docpages import bytes_of, page, quoted, section, table
from tests.support.jobs import new_job
from tests.support.pipeline import look, read_file

ALSO = {"rejects-file"}  # every file with the marker gives this one


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


def parent_of(job_id: str | None) -> Job | None:
    """Return a job that has read a file with the columns of the examples; None without an id."""
    if job_id is None:
        return None
    source = Source("bucket", "key", "e", 1)
    return new_job(id=UUID(job_id), source=source, dialect=look(b"name,city\nAda,York\n"))


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
    members = json.loads(quoted(declared)) if declared else {}
    parent = parent_of(members.pop("parent_job", None))
    options = vars(options_of(members))

    found = read_file(file_of(quoted(example)), parent=parent, **options)

    told = [warning for warning in found.warnings if warning.code not in ALSO - {quoted(code)}]
    assert [warning.code for warning in told] == [quoted(code)]
    (warning,) = told
    assert warning.count > 0
    assert warning.line is not None or warning.record is None


def test_a_file_that_needs_no_assumption_gives_no_warning() -> None:
    found = read_file(file_of(r"gzip(name,city\x0aAda,York\x0aBob,Cork\x0a)"))

    assert (found.accepted, found.warnings) == (2, ())


def test_the_documented_exit_status_is_the_clients() -> None:
    assert f"exit with status {errors.WARNED} if" in page("warnings.md")
