"""How a file is divided into the parts of a multipart upload."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.jobs import Upload
from chalicelib.service.multipart import all_parts, part_size_for


@given(st.integers(1, 5 << 40), st.integers(5 << 20, 5 << 30))
def test_any_file_has_parts_that_s3_accepts(size: int, preferred: int) -> None:
    part_size = part_size_for(size, preferred)
    count = -(-size // part_size)
    assert 1 <= count <= 10_000
    assert 5 << 20 <= part_size <= 5 << 30
    assert part_size == preferred or size / preferred > 10_000


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_the_parts_make_up_the_file(size: int, part_size: int) -> None:
    parts = all_parts(Upload("bucket", "key", size, part_size=part_size))
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert sum(part.size for part in parts) == size
    assert {part.size for part in parts[:-1]} <= {part_size}
    assert 1 <= parts[-1].size <= part_size
