"""`docs/reference/costs.md` has a line for each file that tests send, within the limits of the tests."""

from bench.costs_page import render_page
from bench.page import is_unedited
from tests.support.costs import BUDGET
from tests.support.docpages import page
from tests.support.kinds import KINDS


def table(title: str) -> list[dict[str, str]]:
    """Return the lines of a table of the page, by column."""
    lines = page("costs.md").partition(f"### {title}\n")[2].partition("###")[0].splitlines()
    heads, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|")
    return [dict(zip(heads, row, strict=True)) for row in rows if len(row) == len(heads)]


def test_the_page_is_unedited() -> None:
    assert is_unedited(page("costs.md"))


def test_the_page_has_a_line_for_each_file_that_tests_send() -> None:
    expected = [(kind.name, kind.before.get(size, "")) for kind in KINDS for size in kind.sizes]
    assert [(line["input"], line["before"]) for line in table("Measured")] == expected


def test_the_page_has_the_limits_of_the_tests() -> None:
    expected = [(kind.name, f"{kind.cpu:g}", f"{kind.stored:g}", kind.bound) for kind in KINDS]
    found = table("Limits")
    assert [
        (line["input"], line["CPU, times"], line["Postgres"], line["bounded by"]) for line in found
    ] == expected
    assert {float(line["memory, MiB"]) for line in found} == {BUDGET}


def test_what_was_measured_keeps_the_limits() -> None:
    kinds = {kind.name: kind for kind in KINDS}
    for line in table("Measured"):
        kind = kinds[line["input"]]
        assert float(line["peak, MiB"]) < BUDGET, line
        assert line["code"].strip("`") == (kind.code or ""), line
        assert float(line["Postgres"]) <= kind.stored, line


def test_a_page_without_a_result_says_so() -> None:
    assert "Nothing has been measured." in render_page(None)
