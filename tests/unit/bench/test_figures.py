import random

import pytest

from bench.figures import Table, percentiles, ratios, spread
from bench.measurements.growth import rates_of_tenths


def test_percentiles_do_not_depend_on_the_order() -> None:
    values = [float(number) for number in range(101)]
    random.Random(1).shuffle(values)
    assert percentiles(values) == (50, 95, 99)


def test_one_slow_request_of_two_hundred_does_not_change_the_99th_percentile() -> None:
    assert percentiles([10.0] * 199 + [9000.0]) == (10, 10, 10)


def test_a_spread_is_the_median_with_the_smallest_and_the_largest_value() -> None:
    assert spread([3, 1, 200]) == "3 (1 to 200)"
    assert spread([1.26, 1.24, 1.1], 1) == "1.2 (1.1 to 1.3)"
    assert spread([12.6]) == "13"


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([200, 90], [100, 30]) == [2, 3]
    with pytest.raises(ValueError, match="zip"):
        ratios([1], [1, 2])


TABLE = Table("Files", "What was loaded.", ["file", "rows"], [["narrow", "1,000"], ["wide one", "20"]])


def test_a_table_on_a_terminal_has_aligned_columns() -> None:
    assert TABLE.text().splitlines() == ["Files", "file       rows", "narrow    1,000", "wide one     20"]


def test_a_table_on_a_page_is_markdown() -> None:
    assert TABLE.markdown() == (
        "### Files\n\nWhat was loaded.\n\n"
        "| file | rows |\n| --- | --: |\n| narrow | 1,000 |\n| wide one | 20 |"
    )


def test_steady_rates_are_the_same_in_every_tenth() -> None:
    blocks = [(50, 0.5 * number) for number in range(1, 41)]
    assert rates_of_tenths(blocks) == pytest.approx([100] * 10)


def test_a_rate_that_halves_halfway_shows_in_the_tenths() -> None:
    quick = [(100, float(number)) for number in range(1, 51)]
    slow = [(100, 50 + 2.0 * number) for number in range(1, 51)]
    assert rates_of_tenths([*quick, *slow]) == pytest.approx([100] * 5 + [50] * 5)


def test_within_one_block_all_tenths_have_the_same_rate() -> None:
    assert rates_of_tenths([(1000, 2.0)]) == pytest.approx([500] * 10)
