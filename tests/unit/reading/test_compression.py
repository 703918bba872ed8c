"""Compressed files: every member, nothing after a break, no bombs."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.reading.compression import DecompressionLimits, decompress, kind_of

LIMITS = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)


def zstd(data: bytes) -> bytes:
    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, "zstd") as stream:
        stream.write(data)
    return bytes(target.getvalue())


def zipped(data: bytes, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name in names or ("people.csv",):
            archive.writestr(name, data)
    return target.getvalue()


STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}
ALL = {**STREAMS, "zip": zipped}


def contents(kind: str, file: bytes, chunk: int = 1000, limits: DecompressionLimits = LIMITS) -> bytes:
    def read(start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, chunk):
            yield file[at : min(at + chunk, end)]

    return b"".join(decompress(kind, len(file), read, limits))


@pytest.mark.parametrize("kind", ALL)
@given(data=st.binary(max_size=3000), chunk=st.integers(1, 200))
def test_a_compressed_file_is_decompressed_exactly(kind: str, data: bytes, chunk: int) -> None:
    file = ALL[kind](data)
    assert kind_of(file) == kind
    assert contents(kind, file, chunk) == data


@pytest.mark.parametrize("kind", STREAMS)
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), chunk=st.integers(1, 200))
def test_every_member_is_decompressed(kind: str, parts: list[bytes], chunk: int) -> None:
    assert contents(kind, b"".join(map(STREAMS[kind], parts)), chunk) == b"".join(parts)


@pytest.mark.parametrize("kind", ALL)
@given(share=st.floats(0.05, 0.99))
def test_a_file_that_was_cut_short_is_never_whole(kind: str, share: float) -> None:
    file = ALL[kind](bytes(range(256)) * 20)
    with pytest.raises(JobFailed) as raised:
        contents(kind, file[: max(4, int(len(file) * share))])
    assert raised.value.code == "corrupt-file"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_junk_behind_a_member_is_damage_and_zeros_are_not(kind: str) -> None:
    file = STREAMS[kind](b"data")
    assert contents(kind, file + b"\0" * 100) == b"data"
    with pytest.raises(JobFailed):
        contents(kind, file + b"junk that is no member")


@pytest.mark.parametrize("kind", ALL)
def test_reading_a_decompression_bomb_stops_at_the_ratio(kind: str) -> None:
    limits = DecompressionLimits(size=1 << 30, ratio=20, seconds=60, free=1 << 20)
    with pytest.raises(JobFailed) as raised:
        contents(kind, ALL[kind](b"\0" * (64 << 20)), chunk=1 << 20, limits=limits)
    assert raised.value.code == "compression-bomb"


def test_reading_stops_at_the_time_limit() -> None:
    # nothing comes out of empty members, however many there are
    with pytest.raises(JobFailed) as raised:
        contents(
            "gzip", gzip.compress(b"") * 100, limits=DecompressionLimits(size=1 << 30, ratio=1000, seconds=0)
        )
    assert raised.value.code == "compression-bomb"


def test_reading_stops_at_the_size_limit() -> None:
    with pytest.raises(JobFailed) as raised:
        contents(
            "gzip", gzip.compress(b"x" * 5000), limits=DecompressionLimits(size=4999, ratio=1000, seconds=60)
        )
    assert raised.value.code == "file-too-large"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (zipped(b"x", "a.csv", "b.csv"), "2 files"),
        (zipped(b"x", "[Content_Types].xml", "xl/workbook.xml"), "Excel"),
        (zipped(b"", "folder/"), "0 files"),
    ],
)
def test_an_archive_of_anything_but_one_file_is_refused(file: bytes, words: str) -> None:
    with pytest.raises(JobFailed, match=words):
        contents("zip", file)


def test_files_that_macos_adds_to_an_archive_are_ignored() -> None:
    assert contents("zip", zipped(b"x", "__MACOSX/._people.csv", "people.csv")) == b"x"
