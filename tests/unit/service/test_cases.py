"""The files in `tests/cases` are read as is right for each, from detection to rows."""

import pytest

from bench.reading import sluice
from bench.reading.scoring import Outcome, judge
from chalicelib.api.requests.uploads import parse_upload
from chalicelib.core.warnings import KINDS
from tests.support.cases import CASES, FOLDER, Case


def test_there_is_a_case_for_each_file_and_a_file_for_each_case() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert {case.file for case in CASES} == files
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in files)


def test_the_cases_speak_of_warnings_that_there_are() -> None:
    assert {code for case in CASES for told in case.told for code in told.split("|")} <= set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_is_read_as_is_right(case: Case) -> None:
    request = parse_upload({"filename": case.file, "options": case.options}, max_size=1 << 20)
    reading = sluice.read(case.data, request.instructions.options)
    verdict = judge(case.labelled, reading)
    assert (verdict.outcome, verdict.reasons) == (Outcome.RIGHT, [])
    assert (list(verdict.noise), list(verdict.untold)) == ([], [])
    assert set(reading.rejects) <= case.codes
    assert all(text in "\n".join(reading.messages) for text in case.says)
    assert reading.columns == case.columns
