from pathlib import Path

import pytest

from bench import results
from bench.figures import Measurement, Table
from bench.page import is_unedited, render_page
from bench.results import Result
from tests.support.docpages import page as docs_page

HERE = {"Processor": "2 cores, one of them slow", "Python": "3.11.9"}


def result(title: str, *, date: str = "2026-01-02 10:00 UTC", conditions: dict[str, str] = HERE) -> Result:
    table = Table(title, "It was measured.", ["", "ratio"], [["narrow", "2.00 (1.00 to 3.00)"]])
    moment = {"date": date, "commit": "abc1234", "load": "0.10 0.20 0.30"}
    return Result(Measurement([table], {"ratio": [1.0, 2.0, 3.0]}), conditions, moment)


def test_the_page_of_results_is_unedited() -> None:
    assert is_unedited(docs_page("benchmarks.md"))


def test_an_edited_page_is_noticed() -> None:
    text = render_page({"shapes": result("First")})
    assert is_unedited(text)
    assert not is_unedited(text.replace("2.00", "9.00"))
    assert not is_unedited(text.partition("\n")[2])


def test_a_page_shows_the_machine_the_tables_and_the_time() -> None:
    text = render_page({"shapes": result("First"), "again": result("Second")})
    assert "| Processor | 2 cores, one of them slow |\n| Python | 3.11.9 |" in text
    assert text.index("### First") < text.index("### Second")
    assert "2026-01-02 10:00 UTC, commit abc1234, load averages before the run: 0.10 0.20 0.30." in text
    assert "Not measured" not in text


def test_a_page_lists_measurements_without_a_result() -> None:
    text = render_page({"shapes": result("First"), "again": None, "memory": None})
    assert "Not measured on this machine with these versions: `again`, `memory`." in text


def test_results_under_other_conditions_are_left_out() -> None:
    old = result("Old", date="2026-01-01 10:00 UTC", conditions=HERE | {"Python": "3.11.8"})
    text = render_page({"shapes": old, "again": result("New")})
    assert "### New" in text
    assert "### Old" not in text
    assert "`shapes`" in text


def test_a_page_without_results_says_so() -> None:
    assert "Nothing has been measured." in render_page({"shapes": None})


def test_the_last_stored_result_is_loaded(tmp_path: Path) -> None:
    assert results.load(tmp_path, "shapes") is None
    results.store(tmp_path / "new", "shapes", result("First"))
    results.store(tmp_path / "new", "shapes", result("Second"))
    assert results.load(tmp_path / "new", "shapes") == result("Second")


def test_a_corrupt_result_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "shapes.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        results.load(tmp_path, "shapes")
