"""The form of API keys."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.api_keys import PATTERN, hash_of, is_key, make_key
from tests.support.docpages import section


def test_a_new_key_has_its_form_and_its_checksum() -> None:
    keys = {make_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(is_key(key) and re.fullmatch(PATTERN, key) for key in keys)
    assert len({hash_of(key) for key in keys}) == 1000


@given(st.integers(0, 35), st.sampled_from("0123456789ABCXYZabcxyz"))
def test_a_mistyped_key_is_none(place: int, letter: str) -> None:
    key = make_key()
    place += 4
    mistyped = key[:place] + letter + key[place + 1 :]
    assert is_key(mistyped) == (mistyped == key)


@given(st.text(max_size=60))
def test_no_other_text_is_a_key(text: str) -> None:
    assert not is_key(text)
    assert not is_key(f"{make_key()}{text or ' '}")


def test_scanners_of_leaked_secrets_find_keys_by_the_documented_pattern() -> None:
    assert f"`{PATTERN}`" in section("http-api.md", "`POST /keys`")
