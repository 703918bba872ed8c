"""The body of `POST /jobs/{id}/retry`: what is accepted, and what an error says."""

from typing import Any

import pytest

from chalicelib.api.requests.retry import parse_retry
from chalicelib.core.budget import BeyondLimit, Budget, OnFailure
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Changes
from chalicelib.core.model import Format


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({}, None),
        ({"options": None, "format": None}, None),
        ({"options": {}}, Changes()),
        ({"format": "csv"}, Changes(format=Format.CSV)),
        ({"options": {"delimiter": "\u0001"}}, Changes({"delimiter": "\x01"})),
        ({"options": {"comment": None, "decimal": "."}}, Changes({"decimal": ".", "comment": None})),
        ({"options": {"header": None}, "format": "json"}, Changes({"header": None}, Format.JSON)),
        ({"options": {"missing_values": ["-"]}}, Changes({"missing_values": ("-",)})),
        ({"on_failure": None}, None),
        ({"max_rejects": None}, Changes(limits={"max_rejects": None}, rereads=False)),
        ({"max_rejects": 7}, Changes(limits={"max_rejects": Budget(7)}, rereads=False)),
        (
            {"rejects_beyond_limit": "count"},
            Changes(limits={"rejects_beyond_limit": BeyondLimit.COUNT}, rereads=False),
        ),
        ({"on_failure": "undo"}, Changes(limits={"on_failure": OnFailure.UNDO}, rereads=False)),
        (
            {"max_rejects": "5%", "options": {"comment": None}},
            Changes({"comment": None}, limits={"max_rejects": Budget(50_000, is_share=True)}),
        ),
    ],
)
def test_a_body_says_what_changes(body: Any, changes: Changes | None) -> None:
    assert parse_retry(body) == changes


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, None),
        ([], None),
        ("options", None),
        ({"colour": "red"}, "colour"),
        ({"dataset": "other"}, "dataset"),
        ({"options": []}, "options"),
        ({"options": {"delimitr": ";"}}, "options.delimitr"),
        ({"options": {"delimitr": None}}, "options.delimitr"),
        ({"options": {"delimiter": ";;"}}, "options.delimiter"),
        ({"options": {"delimiter": ";;", "comment": None}}, "options.delimiter"),
        ({"format": "xlsx"}, "format"),
        ({"max_rejects": "5"}, "max_rejects"),
        ({"max_rejects": -1}, "max_rejects"),
        ({"on_failure": "drop"}, "on_failure"),
        ({"rejects_beyond_limit": "drop"}, "rejects_beyond_limit"),
    ],
)
def test_the_member_that_is_wrong_is_named(body: Any, field: str | None) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse_retry(body)
    assert error.value.field == field
