"""The body of `POST /uploads`: what is accepted, and what an error says."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.problems import TooLarge
from chalicelib.api.requests.uploads import OptionsBody, parse_upload
from chalicelib.core.budget import BeyondLimit, Budget, OnFailure
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Instructions
from chalicelib.core.model import Format, Options
from chalicelib.core.uploads import UploadRequest

SHA = "ab" * 32
PARENT = uuid4()
WRONG_BUDGETS: Sequence[object] = (
    -1,
    10**15,
    1.5,
    True,
    "5",
    "-1%",
    "100.1%",
    "5 %",
    "101%",
    "1.00001%",
    "%",
    "5%\n",
    [],
    {},
)


def refusal(body: Any, max_size: int = 100) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        parse_upload(body, max_size=max_size)
    return error.value


def test_every_member_becomes_part_of_the_request() -> None:
    body: dict[str, Any] = {
        "filename": "people.csv",
        "dataset": "crm",
        "format": "csv",
        "size": 12,
        "sha256": SHA.upper(),
        "metadata": {"from": "x", "run": 7, "share": 0.5, "test": True},
        "options": {"delimiter": ";", "encoding": "cp1252", "skip_lines": 2, "missing_values": ["n/a"]},
        "force": True,
        "preview": True,
        "part_checksums": True,
        "parent_job": str(PARENT).upper(),
        "max_rejects": "0.5%",
        "on_failure": "undo",
        "rejects_beyond_limit": "count",
    }
    assert parse_upload(body, max_size=12) == UploadRequest(
        filename="people.csv",
        dataset="crm",
        instructions=Instructions(
            Format.CSV,
            Options(delimiter=";", encoding="cp1252", skip_lines=2, missing_values=("n/a",)),
            body["metadata"],
            force=True,
            parent_job=PARENT,
            preview=True,
            max_rejects=Budget(5000, is_share=True),
            on_failure=OnFailure.UNDO,
            rejects_beyond_limit=BeyondLimit.COUNT,
        ),
        size=12,
        sha256=SHA,
        part_checksums=True,
        declared=frozenset(body["options"]),
    )


def test_null_counts_as_left_out() -> None:
    optional = (
        "dataset",
        "format",
        "size",
        "sha256",
        "metadata",
        "options",
        "force",
        "part_checksums",
        "parent_job",
        "preview",
        *("dataset", "format", "size", "sha256", "metadata", "options", "force", "part_checksums"),
        *("max_rejects", "on_failure", "rejects_beyond_limit"),
    )
    body = {"filename": "a", **dict.fromkeys(optional)}
    assert parse_upload(body, max_size=1) == UploadRequest("a") == parse_upload({"filename": "a"}, max_size=1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({}, "filename"),
        ({"filename": None}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": " \u3000\n"}, "filename"),
        ({"filename": "x" * 1025}, "filename"),
        ({"filename": "a\0b"}, "filename"),
        ({"filename": "\ud800"}, "filename"),
        ({"filename": "a", "dataset": "No Good"}, "dataset"),
        ({"filename": "a", "dataset": "../x"}, "dataset"),
        ({"filename": "a", "dataset": "crm\n"}, "dataset"),
        ({"filename": "a", "format": "xlsx"}, "format"),
        ({"filename": "a", "format": "\ud800"}, "format"),
        ({"filename": "a", "size": -1}, "size"),
        *(({"filename": "a", "max_rejects": it}, "max_rejects") for it in WRONG_BUDGETS),
        *(({"filename": "a", "on_failure": it}, "on_failure") for it in ("UNDO", "", 1)),
        *(({"filename": "a", "rejects_beyond_limit": it}, "rejects_beyond_limit") for it in ("COUNT", "", 1)),
        ({"filename": "a", "size": "1"}, "size"),
        ({"filename": "a", "size": 1.0}, "size"),
        ({"filename": "a", "size": True}, "size"),
        ({"filename": "a", "sha256": "xyz"}, "sha256"),
        ({"filename": "a", "sha256": 7}, "sha256"),
        ({"filename": "a", "sha256": f"{SHA}\n"}, "sha256"),
        ({"filename": "a", "force": 1}, "force"),
        ({"filename": "a", "preview": "yes"}, "preview"),
        ({"filename": "a", "part_checksums": "yes"}, "part_checksums"),
        ({"filename": "a", "metadata": [1]}, "metadata"),
        ({"filename": "a", "metadata": {"a": {"b": 1}}}, "metadata"),
        ({"filename": "a", "metadata": {"a": None}}, "metadata"),
        ({"filename": "a", "metadata": {"a": "x" * 201}}, "metadata"),
        ({"filename": "a", "metadata": dict.fromkeys(map(str, range(20)), "x" * 200)}, "metadata"),
        ({"filename": "a", "metadata": {"\ud800": 1}}, "metadata"),
        ({"filename": "a", "metadata": {"a": float("nan")}}, "metadata"),
        ({"filename": "a", "metadata": {"a": 10**15}}, "metadata"),
        ({"filename": "a", "metadata": dict.fromkeys(map(str, range(21)), 1)}, "metadata"),
        ({"filename": "a", "filenme": "b"}, "filenme"),
        ({"filename": "a", "\ud800": "b"}, "\ud800"),
        ({"filename": "a", "options": []}, "options"),
        ({"filename": "a", "options": {"delimitr": ";"}}, "options.delimitr"),
        ({"filename": "a", "options": {"delimiter": None}}, "options.delimiter"),
        ({"filename": "a", "options": {"delimiter": ";;"}}, "options.delimiter"),
        ({"filename": "a", "options": {"delimiter": "\n"}}, "options.delimiter"),
        ({"filename": "a", "options": {"quote": " "}}, "options.quote"),
        ({"filename": "a", "options": {"delimiter": '"'}}, "options"),
        ({"filename": "a", "options": {"escape": "#", "comment": "#"}}, "options"),
        ({"filename": "a", "options": {"encoding": "klingon"}}, "options.encoding"),
        ({"filename": "a", "options": {"encoding": "base64"}}, "options.encoding"),
        ({"filename": "a", "options": {"header": 1}}, "options.header"),
        ({"filename": "a", "options": {"skip_lines": -1}}, "options.skip_lines"),
        ({"filename": "a", "options": {"skip_lines": 1001}}, "options.skip_lines"),
        ({"filename": "a", "options": {"decimal": ";"}}, "options.decimal"),
        ({"filename": "a", "options": {"date_order": "YDM"}}, "options.date_order"),
        ({"filename": "a", "options": {"missing_values": "n/a"}}, "options.missing_values"),
        ({"filename": "a", "options": {"missing_values": ["n/a", 7]}}, "options.missing_values"),
    ],
)
def test_the_member_that_is_wrong_is_named(body: Any, field: str | None) -> None:
    assert refusal(body).field == field


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, 'The body must be a JSON object such as {"filename": "people.csv"}.'),
        ({"filename": ""}, "filename must be a text of 1 to 1024 characters."),
        (
            {"filename": "a", "dataset": "A"},
            "dataset must be 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit.",
        ),
        ({"filename": "a", "format": "x"}, "format must be one of csv, ndjson, json."),
        ({"filename": "a", "size": "1"}, "size must be the file's size in bytes, a whole number."),
        ({"filename": "a", "sha256": 1}, "sha256 must be a SHA-256 in hexadecimal: 64 of 0-9 and a-f."),
        ({"filename": "a", "force": 1}, "force must be true or false."),
        (
            {"filename": "a", "metadata": 1},
            (
                "metadata must be an object of up to 20 texts, numbers or booleans, "
                "each name and text up to 200 characters."
            ),
        ),
        (
            {"filename": "a", "metadata": dict.fromkeys("abcdefghijklmnopqrst", "é" * 150)},
            "metadata may have 4,096 bytes in all, as JSON in UTF-8; this has 6,141.",
        ),
        ({"filename": "a", "options": 1}, "options must be an object."),
        ({"filename": "a", "colour": 1}, "There is no field 'colour' here."),
        ({"filename": "a", "options": {"colour": 1}}, "There is no option 'colour'."),
        (
            {"filename": "a", "options": {"quote": None}},
            "options.quote must be one printable ASCII character, or empty for a file without quotes.",
        ),
        (
            {"filename": "a", "options": {"encoding": 1}},
            (
                "options.encoding must be the name of an encoding in which each character stands for itself, "
                "such as utf-8, cp1252, utf-16 or shift_jis: no encoding with escapes or "
                "shifts, such as utf-7, or of names, such as idna."
            ),
        ),
        (
            {"filename": "a", "options": {"delimiter": ";", "comment": ";"}},
            "delimiter, quote, escape and comment must differ.",
        ),
    ],
)
def test_the_message_says_what_would_be_right(body: Any, message: str) -> None:
    assert refusal(body).message == message


def test_a_name_cannot_pass_for_another_members() -> None:
    """msgspec's own error quotes the name: `unknown field `x` - at `$.size``."""
    name = "x` - at `$.size"
    assert refusal({"filename": "a", name: 1}).field == name


def test_a_file_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match="larger than 1,000 bytes") as error:
        parse_upload({"filename": "a", "size": 1001}, max_size=1000)
    assert error.value.field == "size"
    assert parse_upload({"filename": "a", "size": 1000}, max_size=1000).size == 1000


MEMBERS = [
    *UploadRequest.__dataclass_fields__,
    *OptionsBody.__struct_fields__,
    "format",
    "metadata",
    "options",
]
TEXT = st.text(st.characters(exclude_categories=()), max_size=10)  # with halves of surrogate pairs
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.sampled_from(MEMBERS), inner),
    max_leaves=6,
)
BODIES = VALUES | st.dictionaries(st.sampled_from(MEMBERS), VALUES).map(
    lambda body: {"filename": "a", **body}
)


@given(BODIES)
def test_any_json_is_accepted_or_refused_with_a_reason(body: Any) -> None:
    body = json.loads(json.dumps(body))
    try:
        request = parse_upload(body, max_size=100)
    except (InvalidRequest, TooLarge) as error:
        assert str(error).endswith(".")
        assert error.field is not None or not isinstance(body, dict)
    else:
        assert request.filename.strip()
        assert request.size is None or 0 <= request.size <= 100


@given(character=st.sampled_from('aé€𐍈\x01"'), count=st.integers(1, 20), length=st.integers(0, 200))
def test_labels_are_measured_in_bytes_of_json(character: str, count: int, length: int) -> None:
    labels = {f"label {number}": character * length for number in range(count)}
    size = len(json.dumps(labels, ensure_ascii=False, separators=(",", ":")).encode())
    if size <= 4096:
        assert parse_upload({"filename": "a", "metadata": labels}, max_size=1).instructions.metadata == labels
    else:
        assert f"this has {size:,}." in refusal({"filename": "a", "metadata": labels}).message
