"""The body of `POST /uploads/{job_id}/parts`: what is accepted, and what an error says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.requests.parts import parse_parts
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Part, Upload

SHA = "ab" * 32
WITH_CHECKSUMS = Upload("bucket", "key", 1001, part_size=400, part_checksums=True)
WITHOUT = Upload("bucket", "key", 1001, part_size=400)
FORM = 'The body must be of the form {"parts": [{"number": 1}]}, with 1 to 100 parts.'


def test_parts_have_the_size_that_the_upload_gives_them() -> None:
    body = {"parts": [{"number": 3}, {"number": 1, "sha256": None}]}
    assert parse_parts(body, WITHOUT) == [Part(3, 201), Part(1, 400)]


def test_checksums_are_in_lower_case() -> None:
    body = {"parts": [{"number": 3, "sha256": SHA.upper()}]}
    assert parse_parts(body, WITH_CHECKSUMS) == [Part(3, 201, SHA)]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "parts", FORM),
        ({}, "parts", FORM),
        ({"parts": {}}, "parts", FORM),
        ({"parts": []}, "parts", FORM),
        ({"parts": [{"number": 1, "sha256": SHA}] * 101}, "parts", FORM),
        ({"parts": [{"number": 1, "sha256": SHA}], "more": 1}, "parts", FORM),
        ({"parts": [1]}, "parts[0]", "parts[0] must be an object with a number, and perhaps a sha256."),
        (
            {"parts": [{"sha256": SHA}]},
            "parts[0]",
            "parts[0] must be an object with a number, and perhaps a sha256.",
        ),
        (
            {"parts": [{"number": 1, "sha256": SHA, "etag": ""}]},
            "parts[0]",
            "parts[0] must be an object with a number, and perhaps a sha256.",
        ),
        (
            {"parts": [{"number": 1, "sha256": SHA}, {"number": 0, "sha256": SHA}]},
            "parts[1].number",
            "parts[1].number must be a whole number from 1 to 3.",
        ),
        (
            {"parts": [{"number": 4, "sha256": SHA}]},
            "parts[0].number",
            "parts[0].number must be a whole number from 1 to 3.",
        ),
        (
            {"parts": [{"number": True, "sha256": SHA}]},
            "parts[0].number",
            "parts[0].number must be a whole number from 1 to 3.",
        ),
        (
            {"parts": [{"number": 1, "sha256": "x"}]},
            "parts[0].sha256",
            "parts[0].sha256 must be a SHA-256 in hexadecimal: 64 of 0-9 and a-f.",
        ),
        (
            {"parts": [{"number": 1}]},
            "parts[0]",
            "parts[0] must have a sha256: the upload was begun with part_checksums.",
        ),
    ],
)
def test_the_part_that_is_wrong_is_named(body: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse_parts(body, WITH_CHECKSUMS)
    assert (error.value.field, error.value.message) == (field, message)


def test_a_checksum_is_refused_unless_the_upload_was_begun_with_checksums() -> None:
    message = "must not have a sha256: the upload was begun without part_checksums"
    with pytest.raises(InvalidRequest, match=message) as error:
        parse_parts({"parts": [{"number": 1, "sha256": SHA}]}, WITHOUT)
    assert error.value.field == "parts[0]"


TEXT = st.text(st.characters(exclude_categories=()), max_size=10) | st.sampled_from(["number", "sha256"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=6,
)


@given(VALUES | st.fixed_dictionaries({"parts": VALUES | st.lists(VALUES)}))
def test_any_json_is_accepted_or_refused_with_a_field(body: Any) -> None:
    try:
        parts = parse_parts(json.loads(json.dumps(body)), WITHOUT)
    except InvalidRequest as error:
        assert error.message.endswith(".")
        assert str(error.field).startswith("parts")
    else:
        assert all(1 <= part.number <= 3 for part in parts)
