"""Rejects as columns are the rejects."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.model import Reject
from chalicelib.core.packed_rejects import PackedRejects

NUMBERS = st.integers(0, 1 << 62)
TEXTS = st.text(max_size=9)
REJECTS = st.lists(
    st.builds(
        Reject,
        TEXTS,
        TEXTS,
        NUMBERS,
        NUMBERS,
        TEXTS,
        st.none() | TEXTS,
        st.none() | NUMBERS,
        st.none() | NUMBERS,
        st.integers(1, 1 << 62),
    )
)


@given(REJECTS, st.integers(-9, 9), st.integers(-9, 9))
def test_they_come_out_as_they_went_in(rejects: list[Reject], start: int, stop: int) -> None:
    packed = PackedRejects(rejects)
    assert (len(packed), list(packed)) == (len(rejects), rejects)
    assert packed == rejects
    assert packed[start:stop] == rejects[start:stop]
    if rejects:
        assert (packed[0], packed[-1]) == (rejects[0], rejects[-1])
