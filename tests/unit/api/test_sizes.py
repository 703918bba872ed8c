"""How much of an answer a value takes, and what fits."""

import json

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.sizes import answer_size, that_fit

VALUES = st.lists(
    st.fixed_dictionaries({"message": st.text(), "line": st.integers() | st.none()}) | st.text()
)


@given(values=VALUES, most=st.integers(0, 2000))
def test_values_are_cut_where_an_answer_of_lambda_would_be_too_large(values: list[object], most: int) -> None:
    def size(count: int) -> int:
        quotes = 2  # around the text
        return len(json.dumps(json.dumps(values[:count], separators=(",", ":")))) - quotes

    fitting = list(that_fit(values, most))
    assert fitting == values[: len(fitting)]
    assert not fitting or size(len(fitting)) <= most
    assert len(fitting) == len(values) or size(len(fitting) + 1) > most


@given(st.text())
def test_a_size_is_that_of_a_text_within_json(text: str) -> None:
    assert answer_size(text) == len(json.dumps(json.dumps(text))) - 2
