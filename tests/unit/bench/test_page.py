from pathlib import Path

import pytest

from bench import results
from bench.figures import Measured, Table
from bench.page import is_as_made, page
from bench.results import Result
from tests.support.docpages import page as documented

HERE = {"Processor": "2 cores, one of them slow", "Python": "3.11.9"}


def result(title: str, *, date: str = "2026-01-02 10:00 UTC", conditions: dict[str, str] = HERE) -> Result:
    table = Table(title, "It was measured.", ["", "ratio"], [["narrow", "2.00 (1.00 to 3.00)"]])
    moment = {"date": date, "commit": "abc1234", "load": "0.10 0.20 0.30"}
    return Result(Measured([table], {"ratio": [1.0, 2.0, 3.0]}), conditions, moment)


def test_the_page_of_results_was_not_written_by_hand() -> None:
    assert is_as_made(documented("benchmarks.md"))


def test_a_page_that_was_changed_is_noticed() -> None:
    made = page({"shapes": result("First")})
    assert is_as_made(made)
    assert not is_as_made(made.replace("2.00", "9.00"))
    assert not is_as_made(made.partition("\n")[2])


def test_a_page_has_machine_tables_and_moment() -> None:
    made = page({"shapes": result("First"), "again": result("Second")})
    assert "| Processor | 2 cores, one of them slow |\n| Python | 3.11.9 |" in made
    assert made.index("### First") < made.index("### Second")
    assert "2026-01-02 10:00 UTC, commit abc1234, load averages before the run: 0.10 0.20 0.30." in made
    assert "Not measured" not in made


def test_parts_without_a_result_are_said_to_be_missing() -> None:
    made = page({"shapes": result("First"), "again": None, "memory": None})
    assert "Not measured on this machine with these versions: `again`, `memory`." in made


def test_what_was_measured_elsewhere_is_left_out() -> None:
    old = result("Old", date="2026-01-01 10:00 UTC", conditions=HERE | {"Python": "3.11.8"})
    made = page({"shapes": old, "again": result("New")})
    assert "### New" in made
    assert "### Old" not in made
    assert "`shapes`" in made


def test_a_page_of_nothing_says_so() -> None:
    assert "Nothing has been measured." in page({"shapes": None})


def test_results_are_kept(tmp_path: Path) -> None:
    assert results.kept(tmp_path, "shapes") is None
    results.keep(tmp_path / "new", "shapes", result("First"))
    results.keep(tmp_path / "new", "shapes", result("Second"))
    assert results.kept(tmp_path / "new", "shapes") == result("Second")


def test_a_result_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "shapes.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        results.kept(tmp_path, "shapes")
