"""``sluice job`` shows how the file was read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_cli.escaping import safe
from sluice_cli.reading import reading_lines
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, run

CSV: dict[str, Any] = {
    "format": "csv",
    "data_line": 1,
    "encoding": "utf-8",
    "bom": False,
    "compression": None,
    "columns": ["customer_id", "name", "email"],
    "column_count": 3,
    "header": True,
    "delimiter": ",",
    "quote": '"',
    "escape": None,
    "skip_initial_space": False,
    "comment": None,
    "short_rows": "reject",
    "extra_cells": "reject",
    "decimal": ".",
    "date_order": None,
    "missing_values": [],
    "escaped": False,
}


def lines(detected: dict[str, Any]) -> dict[str, str]:
    return {label: text for label, text in reading_lines(detected) if text}


def test_a_csv_file(server: FakeSluice) -> None:
    server.polls = [Answer(200, job(detected=CSV))]
    shown = run(server, "job", JOB_ID).stdout.splitlines()
    assert shown[2:5] == [
        "format    csv, utf-8",
        'dialect   delimiter ",", quote "\\"", header, records from line 2 on',
        "columns   3: customer_id, name, email",
    ]


@pytest.mark.parametrize(
    ("members", "label", "text"),
    [
        ({"compression": "gzip", "bom": True}, "format", "csv, gzip, utf-8, byte-order mark"),
        (
            {"header": False, "quote": None, "data_line": 0},
            "dialect",
            'delimiter ",", without quotes, without a header, records from line 1 on',
        ),
        (
            {"escape": "\\", "comment": "#", "delimiter": "\t"},
            "dialect",
            'delimiter "\\t", quote "\\"", escape "\\\\", comment "#", header, records from line 2 on',
        ),
        ({"decimal": ",", "date_order": "DMY"}, "options", 'decimal ",", date_order "DMY"'),
        ({"missing_values": ["n/a"]}, "options", 'missing_values ["n/a"]'),
        ({"short_rows": "fill", "extra_cells": "drop"}, "options", 'short_rows "fill", extra_cells "drop"'),
        ({"skip_initial_space": True, "escaped": True}, "options", "skip_initial_space, escaped"),
        ({"column_count": 20_000}, "columns", "20,000: customer_id, name, email"),
    ],
)
def test_what_is_not_as_usual_is_told(members: dict[str, Any], label: str, text: str) -> None:
    assert lines(CSV | members)[label] == text


def test_json_has_no_dialect() -> None:
    assert lines({"format": "json", "encoding": "utf-8", "records": "/data", "delimiter": None}) == {
        "format": "json, utf-8",
        "options": 'records "/data"',
    }


def test_nothing_is_told_of_a_file_that_was_not_read_yet(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PENDING", detected=None))]
    assert "format" not in run(server, "job", JOB_ID).stdout


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted({*CSV, "records"})), json_values))
def test_whatever_a_service_answers_is_printable(detected: dict[str, Any]) -> None:
    for _, text in reading_lines(detected):
        assert safe(text) == text
