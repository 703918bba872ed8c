"""Compressed files: every member, nothing after a break, no bombs."""

import bz2
import gzip
import io
import lzma
import random
import zipfile
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.warnings import FileWarning
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


def contents(
    kind: str,
    file: bytes,
    chunk: int = 1000,
    limits: DecompressionLimits = LIMITS,
    told: list[FileWarning] | None = None,
) -> bytes:
    def read(start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, chunk):
            yield file[at : min(at + chunk, end)]

    warnings: list[FileWarning] = []
    content = b"".join(decompress(kind, len(file), read, limits, warnings.append))
    if told is None:
        assert not warnings
    else:
        told += warnings
    return content


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


BLANKS = st.text("\0 \t\r\n", min_size=1, max_size=50).map(str.encode)


@pytest.mark.parametrize("kind", STREAMS)
@given(
    parts=st.lists(st.tuples(st.binary(max_size=50), BLANKS | st.just(b"")), min_size=1, max_size=3),
    chunk=st.integers(1, 60),
)
def test_blanks_between_and_behind_members_are_passed_over_and_told(
    kind: str, parts: list[tuple[bytes, bytes]], chunk: int
) -> None:
    told: list[FileWarning] = []
    file = b"".join(STREAMS[kind](data) + blanks for data, blanks in parts)
    assert contents(kind, file, chunk, told=told) == b"".join(data for data, _ in parts)
    count = sum(len(blanks) for _, blanks in parts)
    assert [(it.code, it.count) for it in told] == ([("bytes-after-archive", count)] if count else [])


def test_the_first_blanks_are_the_example() -> None:
    told: list[FileWarning] = []
    contents("gzip", gzip.compress(b"x") + b"\n" + bytes(50), told=told)
    assert [it.example for it in told] == ["\\n" + "\\x00" * 4 + "\\x…"]


@pytest.mark.parametrize("kind", STREAMS)
@given(
    blanks=st.just(b"") | BLANKS,
    junk=st.binary(min_size=1, max_size=40).filter(lambda data: data.strip(b"\0 \t\r\n\v\f") == data),
    chunk=st.integers(1, 60),
)
def test_other_bytes_behind_a_member_are_damage(kind: str, blanks: bytes, junk: bytes, chunk: int) -> None:
    assume(kind_of(junk) != kind)
    with pytest.raises(JobFailed, match="follow the end of the compressed data") as raised:
        contents(kind, STREAMS[kind](b"data") + blanks + junk, chunk, told=[])
    assert raised.value.code == "corrupt-file"
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("kind", STREAMS)
def test_part_of_a_member_behind_another_is_damage(kind: str) -> None:
    member = STREAMS[kind](b"data")
    for size in range(1, len(member)):
        with pytest.raises(JobFailed) as raised:
            contents(kind, member + member[:size], told=[])
        assert raised.value.code == "corrupt-file"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000, 300_000])
@pytest.mark.parametrize("byte", [b"x", b""])
def test_the_end_of_a_zstd_frame_is_found_whatever_its_header_and_blocks(size: int, byte: bytes) -> None:
    data = byte * size or random.Random(size).randbytes(size)
    skipped = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    for frame in (zstd(data), bytes(pa.Codec("zstd").compress(data, asbytes=True))):
        told: list[FileWarning] = []
        assert contents("zstd", skipped + frame + b" " + skipped + b"\n" + frame, told=told) == data * 2
        assert [it.count for it in told] == [2]


def test_text_that_begins_like_a_compressed_file_is_text() -> None:
    assert kind_of(b"BZh,name\n") is None
    assert kind_of(b"BZh9,name\n") is None
    assert kind_of(b"PK,name\n") is None
    assert kind_of(b"\x1f\x8b,name\n") is None


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


def archive(**contents_by_name: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name, data in contents_by_name.items():
            made.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (zipped(b"x", "a.csv", "b.csv"), "2 files: a.csv, b.csv. Upload each"),
        (zipped(b"x", "a.csv", "b.csv", "c.csv", "\x1bd.csv"), "4 files: a.csv, b.csv, c.csv, …. Upload"),
        (zipped(b"x", "\x1b[31m.csv", "x" * 99), r"2 files: \\x1b\[31m.csv, x{60}…\. Upload"),
        (zipped(b"x", "[Content_Types].xml", "xl/workbook.xml"), "Excel"),
        (zipped(b"x", "[Content_Types].xml", "word/document.xml"), "Word"),
        (zipped(b"x", "mimetype", "content.xml", "styles.xml"), "OpenDocument"),
        (zipped(b"", "folder/"), "no file"),
        (zipped(b"x", ".DS_Store"), "no file"),
        (archive(), "no file"),
    ],
)
def test_an_archive_of_anything_but_one_file_is_refused(file: bytes, words: str) -> None:
    assert kind_of(file) == "zip"
    with pytest.raises(JobFailed, match=words) as raised:
        contents("zip", file)
    assert raised.value.code == "unsupported-format"


@pytest.mark.parametrize(
    "name",
    [
        *("__MACOSX/._people.csv", "._people.csv", "data/.DS_Store", "Thumbs.db", "data\\Desktop.ini"),
        *("Icon\r", ".Trashes/x", "@eaDir/people.csv@SynoEAStream"),
    ],
)
def test_files_that_operating_systems_add_to_an_archive_are_passed_over_and_told(name: str) -> None:
    told: list[FileWarning] = []
    assert contents("zip", zipped(b"x", name, "data/people.csv"), told=told) == b"x"
    ((code, count, example),) = [(it.code, it.count, it.example) for it in told]
    assert (code, count) == ("archive-extras", 1)
    assert example.isprintable()


def test_empty_files_beside_a_file_are_passed_over_and_told() -> None:
    told: list[FileWarning] = []
    file = archive(**{"data/": b"", "data/.gitkeep": b"", "a.csv": b"x", "b.csv": b""})
    assert contents("zip", file, told=told) == b"x"
    assert [(it.count, it.example) for it in told] == [(2, "data/.gitkeep, b.csv")]
    assert contents("zip", archive(**{"a.csv": b""})) == b""


def test_an_encrypted_archive_is_refused() -> None:
    file = bytearray(zipped(b"x"))
    file[file.index(b"PK\x01\x02") + 8] |= 1  # in the directory
    with pytest.raises(JobFailed, match=r"encrypted: people\.csv"):
        contents("zip", bytes(file))
