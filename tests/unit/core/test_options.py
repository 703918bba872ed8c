"""Options are combined member by member, and characters never get two meanings."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Changes, Instructions
from chalicelib.core.model import BLANKS, ExtraCells, Format, Options, ShortRows
from chalicelib.core.options import change_instructions, check_options, declared, with_members

# Values that go together in any combination; None stands for a default.
VALUES: dict[str, list[Any]] = {
    "delimiter": [None, ",", ";", "\x01"],
    "quote": [None, "", "'"],
    "escape": [None, "", "\\"],
    "skip_initial_space": [None, True, False],
    "encoding": [None, "cp1252"],
    "header": [None, True, False],
    "skip_lines": [None, 0, 3],
    "skip_after_header": [None, 0, 2],
    "comment": [None, "#"],
    "short_rows": [None, *ShortRows],
    "extra_cells": [None, *ExtraCells],
    "decimal": [None, ".", ","],
    "date_order": [None, "DMY"],
    "missing_values": [None, (), ("-",)],
    "records": [None, "/data"],
}
MEMBERS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)


def test_every_option_is_tried() -> None:
    assert VALUES.keys() == {option.name for option in fields(Options)}


@given(MEMBERS, MEMBERS)
def test_given_members_replace_earlier_ones_and_null_gives_the_default(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    earlier = with_members(Options(), first, whose="the job")
    combined = with_members(earlier, second, whose="the job")
    for option in fields(Options):
        value = second.get(option.name, getattr(earlier, option.name))
        expected = getattr(Options(), option.name) if value is None else value
        assert getattr(combined, option.name) == expected
    assert Options(**declared(combined)) == combined


@pytest.mark.parametrize(
    ("options", "clash"),
    [
        (Options(delimiter=";", comment=";"), "delimiter and comment"),
        (Options(delimiter='"'), "delimiter and quote"),
        (Options(quote="'", escape="'"), "quote and escape"),
        (Options(escape="#", comment="#"), "escape and comment"),
        (Options(delimiter=BLANKS, escape=" "), "delimiter and escape"),
    ],
)
def test_a_character_with_two_meanings_is_refused(options: Options, clash: str) -> None:
    with pytest.raises(InvalidRequest, match="must differ") as error:
        check_options(options)
    assert error.value.field == "options"
    for name in set(clash.split(" and ")) & declared(options).keys():
        others = replace(options, **{name: getattr(Options(), name)})
        check_options(others)
        with pytest.raises(InvalidRequest, match=f"the job, {clash} are") as error:
            with_members(others, {name: getattr(options, name)}, whose="the job")
        assert error.value.field == "options"


def test_changes_of_a_job_leave_everything_else() -> None:
    before = Instructions(Format.CSV, Options(decimal=","), {"from": "x"}, force=True)
    assert change_instructions(before, Changes()) == before
    changed = change_instructions(before, Changes({"delimiter": ";"}, Format.JSON))
    assert changed == replace(before, format=Format.JSON, options=Options(delimiter=";", decimal=","))
