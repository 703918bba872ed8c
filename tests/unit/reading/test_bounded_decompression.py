"""What a compressed file costs: in proportion to its size, whatever it holds, in steps of bounded size."""

import bz2
import io
import lzma
import re
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import interruption
from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Source
from chalicelib.core.warnings import FileWarning
from chalicelib.interruption import Interrupted, interruptible
from chalicelib.reading import range_reads, zip_directory
from chalicelib.reading.bounded import MOST_IN, MOST_OUT, Portions, decompressed
from chalicelib.reading.compression import DecompressionLimits, decompress
from chalicelib.reading.encodings import transcode
from chalicelib.reading.members import Inflater
from tests.support.fakes import MemoryStore
from tests.support.hostile_archives import (
    BOMBS,
    COMPRESS,
    FILES,
    LINE,
    bomb,
    xz_with_window,
    zip_end,
    zip_entry,
    zip_of,
    zstd_with_window,
)

LIMITS = DecompressionLimits(size=1 << 40, ratio=1 << 30, seconds=600)
MIB = 1 << 20


def pieces_of(
    kind: str, file: bytes, limits: DecompressionLimits = LIMITS, told: list[FileWarning] | None = None
) -> Iterator[bytes]:
    def read(start: int, end: int) -> Iterator[bytes]:
        assert 0 <= start <= end <= len(file)
        yield file[start:end]

    tell = (lambda _: None) if told is None else told.append
    return decompress(kind, len(file), read, limits, tell)


def failure_of(kind: str, file: bytes) -> JobFailed:
    with pytest.raises(JobFailed) as raised:
        list(pieces_of(kind, file))
    assert raised.value.message.isprintable()
    return raised.value


class Counted:
    """A decompressor whose members come out as they are. It counts the bytes that are copied."""

    copied = 0

    def __init__(self, length: int) -> None:
        self.eof, self.unused_data, self.needs_input = False, b"", True
        self.missing = length

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        Counted.copied += len(data)
        own, self.unused_data = data[: self.missing], data[self.missing :]
        Counted.copied += len(self.unused_data)
        self.missing -= len(own)
        self.eof = not self.missing
        return own


@given(
    lengths=st.lists(st.integers(1, 3) | st.integers(1, 100_000), min_size=1, max_size=200),
    chunk=st.sampled_from([MOST_IN, 1000]),
)
@settings(max_examples=30)
def test_what_is_copied_is_in_proportion_to_what_is_read(lengths: list[int], chunk: int) -> None:
    size = sum(lengths)
    data = bytes(size)
    Counted.copied = 0
    file = Portions(data[at : at + chunk] for at in range(0, size, chunk))
    for length in lengths:
        assert sum(map(len, decompressed(Counted(length), file))) == length
    assert file.take(1) == b""
    assert Counted.copied <= 8 * size + 600 * len(lengths)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("unit", [b"x", LINE])
def test_little_goes_into_a_call_and_little_comes_out(kind: str, unit: bytes) -> None:
    inner = {"gzip": Inflater, "bzip2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}[kind]()

    class Watched:
        eof = property(lambda _: inner.eof)
        unused_data = property(lambda _: inner.unused_data)
        needs_input = property(lambda _: inner.needs_input)

        def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
            assert len(data) <= MOST_IN
            assert max_length <= MOST_OUT
            piece = bytes(inner.decompress(data, max_length))
            assert len(piece) <= max_length
            return piece

    pieces = list(decompressed(Watched(), Portions(iter([bomb(kind, unit, 4 * MIB)]))))
    assert sum(map(len, pieces)) == 4 * MIB
    assert len(pieces) >= 4


@pytest.mark.parametrize("name", FILES)
def test_steps_are_in_proportion_to_the_size_of_a_file(name: str) -> None:
    """It is asked whether to go on for each piece of the file: what is between two questions is bounded."""
    kind = name.split(",", maxsplit=1)[0]
    asked = []
    for size in (100_000, 400_000):
        count = 0

        def keep_going() -> bool:
            nonlocal count
            count += 1
            return True

        file = FILES[name](size)
        with interruptible(keep_going):
            try:
                content = sum(map(len, pieces_of(kind, file)))
            except JobFailed as failure:
                assert (failure.code, kind) == ("unsupported-format", "zip")
            else:
                assert content <= len(file)
        assert count >= len(file) // MOST_IN or kind == "zip"
        asked.append(count)
    assert asked[1] <= 5 * asked[0] + 10


@pytest.mark.parametrize("name", [*FILES, *BOMBS])
def test_work_on_a_file_stops_before_the_first_byte_that_comes_out(name: str) -> None:
    kind = re.split("[,-]", name)[0]
    file = FILES[name](2 * MOST_IN) if name in FILES else BOMBS[name](MIB // 4)
    with interruptible(lambda: False), pytest.raises(Interrupted):
        next(pieces_of(kind, file))


@pytest.mark.parametrize("name", BOMBS)
def test_no_piece_of_a_bomb_is_large_and_reading_stops_at_the_ratio(name: str) -> None:
    kind = re.split("[,-]", name)[0]
    limits = DecompressionLimits(size=1 << 40, ratio=30, seconds=600, free=MIB)
    file = BOMBS[name](3 * MIB)
    sizes: list[int] = []
    with pytest.raises(JobFailed, match="30 times as large") as raised:
        sizes.extend(map(len, pieces_of(kind, file, limits)))
    assert raised.value.code == "compression-bomb"
    assert max(sizes, default=0) <= 2 * MIB
    assert sum(sizes) <= max(MIB, 30 * len(file)) + MOST_OUT


_CHILD = """
import resource, sys
from chalicelib.reading.compression import DecompressionLimits, decompress
file = open(sys.argv[2], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
limits = DecompressionLimits(size=1 << 40, ratio=1 << 30, seconds=600)
read = lambda start, end: iter([file[start:end]])
size = sum(map(len, decompress(sys.argv[1], len(file), read, limits, print)))
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", [*COMPRESS, "zip-stored", "zip-deflate", "zip-bzip2", "zip-lzma"])
def test_a_bomb_takes_no_memory(kind: str, tmp_path: Path) -> None:
    size = 48 * MIB
    path = tmp_path / "bomb"
    path.write_bytes(bomb(kind, b"x", size))
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, kind.split("-", maxsplit=1)[0], str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    out, grown = map(int, ran.stdout.split())
    assert out == size
    assert grown < 32 << 10  # KiB


def test_files_that_need_a_large_window_are_refused_by_name() -> None:
    assert b"".join(pieces_of("xz", xz_with_window(LINE, 64 * MIB))) == LINE
    assert b"".join(pieces_of("zstd", zstd_with_window(26))) == LINE
    for kind, file in (
        ("xz", xz_with_window(LINE, 65 * MIB + 3 * MIB)),
        ("zstd", zstd_with_window(27)),
        ("zstd", zstd_with_window(41)),
        ("zstd", b"\x28\xb5\x2f\xfd\xa0" + (65 * MIB).to_bytes(4, "little") + b"\1\0\0"),  # a single segment
        ("zip", _with_window(zip_of("a.csv", method="lzma"), 65 * MIB)),
    ):
        failure = failure_of(kind, file)
        assert failure.code == "unsupported-compression"
        assert "64 MiB" in failure.message
    with_dictionary = b"\x28\xb5\x2f\xfd\x01\x50\x07" + (len(LINE) << 3 | 1).to_bytes(3, "little") + LINE
    assert failure_of("zstd", with_dictionary).code == "unsupported-compression"


def _with_window(file: bytes, window: int) -> bytes:
    """Return the archive with another size of the window in the properties of its first file."""
    at = 30 + len("a.csv") + 5
    return file[:at] + window.to_bytes(4, "little") + file[at + 4 :]


# Zip archives


@pytest.mark.parametrize("method", ["stored", "deflate", "bzip2", "lzma"])
@given(
    content=st.binary(max_size=3000) | st.integers(0, 3 * MIB).map(lambda size: b"x" * size),
    comment=st.binary(max_size=200),
    blanks=st.sampled_from([b"", b"\n", bytes(1000)]),
)
@settings(max_examples=20)
def test_an_archive_of_every_method_is_read(
    method: str, content: bytes, comment: bytes, blanks: bytes
) -> None:
    told: list[FileWarning] = []
    file = zip_of("a.csv", content=content, method=method, comment=comment)
    assert b"".join(pieces_of("zip", file + blanks, told=told)) == content
    assert [it.code for it in told] == ["bytes-after-archive"] * bool(blanks)


class Unseekable(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.data += bytes(data)
        return len(data)


def test_an_archive_with_sizes_of_64_bits_and_behind_the_data_is_read() -> None:
    target = Unseekable()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w", force_zip64=True) as file,
    ):
        file.write(LINE * 1000)  # its size stands behind it
    assert b"".join(pieces_of("zip", target.data)) == LINE * 1000
    none = 0xFFFF_FFFF
    entry = (  # sizes and offset only in the extra field
        struct.pack("<4s12xLLLHH10xL", b"PK\1\2", zlib.crc32(LINE), none, none, 1, 28, none)
        + b"a"
        + struct.pack("<HHQQQ", 1, 24, len(LINE), len(LINE), 0)
    )
    local = struct.pack("<4s22xHH", b"PK\3\4", 1, 0) + b"a" + LINE
    large = zip_end(1 << 16, len(entry), len(local)).replace(struct.pack("<Q", 1 << 16), struct.pack("<Q", 1))
    assert b"".join(pieces_of("zip", local + entry + large)) == LINE


def test_an_archive_of_many_entries_is_refused_before_they_are_read() -> None:
    reads: list[int] = []
    for name in ("zip, folders", "zip, extras"):
        file = FILES[name](3 * MIB)

        def read(start: int, end: int, file: bytes = file) -> Iterator[bytes]:
            reads.append(end - start)
            yield file[start:end]

        with pytest.raises(JobFailed, match="entries") as raised:
            list(decompress("zip", len(file), read, LIMITS, lambda _: None))
        assert raised.value.code == "unsupported-format"
    assert sum(reads) <= 2 * (1 << 17) + 200
    few = zip_entry("x" * 60_000)  # large ones are many, too
    count = zip_directory.MOST_BYTES // len(few) + 1
    file = b"PK\3\4" + few * count + zip_end(count, len(few) * count, 4)
    assert failure_of("zip", file).code == "unsupported-format"


def test_as_many_entries_as_allowed_are_read() -> None:
    names = [f"f{number}/" for number in range(2000)]
    told: list[FileWarning] = []
    assert b"".join(pieces_of("zip", _folders(names), told=told)) == LINE
    assert not told


def _folders(names: list[str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
        archive.writestr("a.csv", LINE)
    return target.getvalue()


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (93, "Zstandard"), (95, "XZ"), (98, "PPMd"), (77, "method 77")]
)
def test_other_methods_are_refused_by_name(method: int, name: str) -> None:
    file = zip_of("a.csv")
    at = file.index(b"PK\1\2") + 10
    failure = failure_of("zip", file[:at] + method.to_bytes(2, "little") + file[at + 2 :])
    assert failure.code == "unsupported-compression"
    assert f"a.csv is packed with {name} " in failure.message


@pytest.mark.parametrize("method", ["stored", "deflate", "bzip2", "lzma"])
@given(data=st.data())
@settings(max_examples=60)
def test_an_archive_that_lies_is_damaged_or_read_as_it_is(method: str, data: st.DataObject) -> None:
    """Any bytes around the content are changed: there is no outcome but the content, or a named error."""
    content = LINE * 50
    file = bytearray(zip_of("a.csv", "b/", content=content, method=method))
    directory = file.index(b"PK\1\2")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 35) | st.integers(directory, len(file) - 1))
        file[at] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0xFF]) | st.integers(0, 255))
    told: list[FileWarning] = []
    try:
        found = b"".join(pieces_of("zip", bytes(file), told=told))
    except JobFailed as failure:
        assert failure.code in ("corrupt-file", "unsupported-format", "unsupported-compression")
    else:
        assert found in (content, b"")


def _changed(file: bytes, magic: bytes, offset: int, value: bytes) -> bytes:
    at = file.index(magic) + offset
    return file[:at] + value + file[at + len(value) :]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (zip_of("a.csv") + b"more", "end of its directory is missing"),
        (zip_of("a.csv") + zip_of("b.csv"), "bytes come before the archive"),
        (_changed(zip_of("a.csv"), b"PK\5\6", 10, b"\2"), "fewer entries than it says"),
        (_changed(zip_of("a.csv", "b/"), b"PK\5\6", 10, b"\1"), "does not end with its last entry"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 16, b"\0\1\2\3"), "checksum"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 24, b"\3"), "has 3 bytes"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 24, b"\5"), "has 5 bytes"),
        (_changed(zip_of("a.csv", method="stored"), b"PK\1\2", 20, b"\x09"), "reaches into what follows"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 42, b"\7"), "not where the directory says"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 46, b"b"), "another name"),
        (_changed(zip_of("a.csv"), b"PK\1\2", 24, b"\xff\xff\xff\xff"), "how large"),
        (_changed(zip_of("a.csv", method="lzma"), b"a.csv", 9, b"\xff"), "properties"),
    ],
)
def test_damage_is_named(file: bytes, words: str) -> None:
    failure = failure_of("zip", file)
    assert failure.code == "corrupt-file"
    assert words in failure.message


def test_files_in_one_place_are_damage() -> None:
    """Entries that share bytes: only one of them could be read, but such an archive is made to deceive."""
    entries = zip_entry("a.csv", size=4) + zip_entry("._a.csv", offset=0)
    local = struct.pack("<4s22xHH", b"PK\3\4", 5, 0) + b"a.csv" + LINE
    file = local + entries + zip_end(2, len(entries), len(local))
    assert failure_of("zip", file).code == "corrupt-file"


def test_an_end_within_a_comment_is_not_the_end() -> None:
    comment = zip_end(0, 0, 0) + b"and more"
    assert b"".join(pieces_of("zip", zip_of("a.csv", comment=comment))) == LINE
    longest = (b"PK\5\6" * (1 << 14))[: (1 << 16) - 1]
    assert b"".join(pieces_of("zip", zip_of("a.csv", comment=longest))) == LINE


def test_parts_of_a_split_archive_are_refused() -> None:
    failure = failure_of("zip", _changed(zip_of("a.csv"), b"PK\5\6", 4, b"\1"))
    assert (failure.code, "split" in failure.message) == ("unsupported-format", True)


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    file = zip_of("ä.csv", "b.csv").replace("ä".encode(), b"\xff\xfe")
    assert "2 files" in failure_of("zip", file).message


# Being heard


def test_a_store_that_does_not_answer_does_not_hold_work_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_reads, "_PATIENCE", 0.01)
    answer = threading.Event()

    class Silent(MemoryStore):
        def read(self, source: Source, start: int, end: int) -> bytes:
            answer.wait(60)
            return super().read(source, start, end)

    asked = iter([True, True, True, False])
    pieces = range_reads.read_ahead(Silent(b"x" * 10), Source("bucket", "key", "e1", 10), 0, 10)
    try:
        with interruptible(lambda: next(asked)), pytest.raises(Interrupted):
            next(pieces)
    finally:
        answer.set()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be", "shift_jis", "cp500"])
def test_few_bytes_are_transcoded_at_a_time(encoding: str) -> None:
    count = 0

    def keep_going() -> bool:
        nonlocal count
        count += 1
        return True

    data = ("a,b\r\n" * 600_000).encode(encoding)
    with interruptible(keep_going):
        pieces = list(transcode(iter([data]), encoding))
    assert b"".join(pieces).decode() == "a,b\r\n" * 600_000
    assert count >= len(data) // (256 << 10)
    assert max(map(len, pieces)) <= 2 * MIB


def test_nothing_is_interrupted_outside_of_work_that_may_be() -> None:
    interruption.check()
    with interruptible(lambda: False):
        with pytest.raises(Interrupted):
            interruption.check()
        with interruptible(lambda: True):
            interruption.check()
        thread_raised: list[bool] = []
        thread = threading.Thread(target=lambda: thread_raised.append(_is_interrupted()))
        thread.start()
        thread.join()
        assert thread_raised == [False]
    interruption.check()


def _is_interrupted() -> bool:
    try:
        interruption.check()
    except Interrupted:
        return True
    return False
