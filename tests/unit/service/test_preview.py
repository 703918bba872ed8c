"""Previews: they show what is loaded, read the beginning of a file only, and store no row."""

import bz2
import gzip
import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from chalicelib.api.requests.uploads import parse_upload
from chalicelib.core.errors import JobEnded, JobFailed
from chalicelib.core.jobs import Changes
from chalicelib.core.model import Dialect, Format, Options, ShortRows, Source, Status
from chalicelib.core.preview import Preview, RunnerUp, Sureness
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.service.ingestion import Result
from chalicelib.service.preview import MOST_CELLS, MOST_JSON, MOST_RECORDS, MOST_REJECTS, SIZE
from chalicelib.service.sureness import sureness
from tests.support.cases import CASES, FOLDER, Case
from tests.support.fakes import MemoryStore
from tests.support.jobs import NOW, changed, new_job
from tests.support.previewing import WORKER_SIZES, World
from tests.support.workers import new_ingester, new_previewer


def preview(data: bytes, **options: Any) -> Preview:
    return World(MemoryStore(data), options=Options(**options)).preview()


def loaded(world: World) -> list[str]:
    """Return the rows of the file's blocks, in the order of their hashes."""
    return [
        row
        for _, block in sorted(world.jobs.blocks[world.id].items())
        for row in block.rows["record"].to_pylist()
    ]


def case_world(case: Case) -> World:
    request = parse_upload({"filename": case.file, "options": case.options}, max_size=1 << 20)
    return World(MemoryStore(case.data), filename=case.file, options=request.instructions.options)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_preview_shows_what_is_loaded(case: Case) -> None:
    world = case_world(case)
    shown = world.preview()
    reading, warnings = world.job.reading, {it.code for it in (*world.job.warnings, *shown.warnings)}
    assert world.jobs.blocks.get(world.id) is None
    result = world.load()
    assert world.job.reading is not None
    assert replace(world.job.reading, text_size=None) == reading
    rejects = world.jobs.rejects(world.id, limit=MOST_REJECTS, after=None)
    assert [(it.code, it.message, it.raw) for it in shown.rejects] == [
        (it.code, it.message, it.raw) for it in rejects
    ]
    assert shown.is_whole
    assert (shown.read, shown.rejected) == tally(world)
    assert warnings == {it.code for it in world.job.warnings}
    assert len(shown.records) == min(shown.read - shown.rejected, MOST_RECORDS)
    assert set(shown.records) <= set(loaded(world))
    assert (result is Result.JOB_FAILED) == (shown.records == ())
    # in file order: the rows that are right for the case, which the case lists in that order
    right = [set(fate.rows) for fate in case.labelled.labels[0].fates if fate.rows]
    positions = [next(n for n, rows in enumerate(right) if row in rows) for row in shown.records]
    assert positions == sorted(positions)


def tally(world: World) -> tuple[int, int]:
    blocks = world.jobs.blocks[world.id].values()
    return sum(it.records for it in blocks), sum(len(it.rejects) for it in blocks)


def rows_of(lines: list[str]) -> list[str]:
    return [f'{{"a":"{line.split(",")[0]}","b":"{line.split(",")[1]}"}}' for line in lines]


def test_it_shows_the_first_records_in_the_order_of_the_file() -> None:
    lines = [f"{number * 7919 % 1000},{number}" for number in range(100)]
    shown = preview("\n".join(["a,b", *lines]).encode())
    assert list(shown.records) == rows_of(lines[:MOST_RECORDS])
    assert (shown.read, shown.rejected, shown.is_whole) == (100, 0, True)


def test_records_that_are_decoded_one_by_one_keep_their_places() -> None:
    items = [
        f'{{"n":{number}}}' if number % 3 else f'{{"n":{number},"deep":{{"x":[1.5,"{number}"]}}}}'
        for number in range(40)
    ]
    items[4] = '{"n":4,"n":4}'
    items[7] = '{"n":123456789012345678901234567890.5}'
    for data in ("\n".join(items), f"[{','.join(items)}]"):
        shown = preview(data.encode())
        numbers = [json.loads(record)["n"] for record in shown.records]
        assert (
            numbers
            == [n for n in [*range(7), float("123456789012345678901234567890.5"), *range(8, 22)] if n != 4][
                :20
            ]
        )
        assert shown.records[6] == '{"n":1.234567890123456789012345678905e+29}'
        assert [(it.place.record, it.code) for it in shown.rejects] == [(5, "duplicate-key")]


def test_rejects_have_their_places_in_the_file() -> None:
    data = b'title\n\na,b\n1,2\n\nx\n3,4\n5,"6\n7"\n,\n'
    world = World(MemoryStore(data), options=Options(skip_lines=2))
    shown = world.preview()
    assert [(it.place.record, it.place.line, it.place.sheet_row, it.code) for it in shown.rejects] == [
        (2, 6, 6, "missing-cell"),
        (5, 10, 9, "blank-row"),
    ]
    assert [(it.code, it.record, it.line) for it in shown.warnings] == [("short-rows", 2, 6)]


@pytest.mark.parametrize("seed", range(8))
def test_places_are_counted_across_everything_that_is_read(seed: int) -> None:
    kinds = [*["plain,1"] * 9, "short", '"a\nb",2', "", '"a\r\nb",3']
    lines = random.Random(seed).choices(kinds, k=2000 + 200 * seed)
    data = "\r\n".join(["a,b", *lines, "last,1", '"never closed']) + "x" * (5 * HEAD_SIZE)
    shown = preview(data.encode(), delimiter=",", quote='"')
    for it in shown.rejects:
        before = data[: it.place.offset]
        assert it.place.line == len(before.splitlines()) + 1
        assert it.place.sheet_row == before.replace('a\r\nb"', 'a\nb"').count("\r\n") + 1
        assert it.raw == "short"
    assert (shown.rejected, shown.is_whole) == (lines.count("short"), False)
    assert shown.read == len(lines) + 1 - lines.count("")
    assert shown.text_bytes == data.index('"never')


@dataclass
class Generated:
    """A store of one huge object: its lines are made when they are read. Counts the bytes."""

    size: int
    header: bytes = b"id,name,city,amount\n"
    read_bytes: int = 0

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        source = self.pin(bucket, key, version_id)
        return source, self.read(source, 0, size)

    def is_current(self, source: Source) -> bool:
        return self.pin(source.bucket, source.key).etag == source.etag

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        return Source(bucket, key, "e1", self.size, None, b64encode(b"x" * 32).decode(), NOW)

    def read(self, source: Source, start: int, end: int) -> bytes:
        self.read_bytes += end - start
        line = b"%012d,Ada Lovelace %07d,York,12.50\n"
        length = len(line % (0, 0))
        first = max(start - len(self.header), 0) // length
        last = max(end - len(self.header), 0) // length + 1
        data = b"".join(line % (number, number % 10**7) for number in range(first, last))
        offset = len(self.header) + first * length
        text = self.header + data if first == 0 else data
        offset = 0 if first == 0 else offset
        return text[start - offset : end - offset]


@dataclass
class Counted(MemoryStore):
    """Counts the bytes that are read."""

    read_bytes: int = 0

    def read(self, source: Source, start: int, end: int) -> bytes:
        self.read_bytes += end - start
        return super().read(source, start, end)


def test_a_preview_of_a_huge_object_reads_its_beginning_only() -> None:
    store = Generated(10 << 30)
    shown = World(store).preview()
    assert store.read_bytes <= 2 * HEAD_SIZE
    assert [json.loads(record)["id"] for record in shown.records] == [f"{n:012}" for n in range(MOST_RECORDS)]
    assert (shown.is_whole, shown.rejected) == (False, 0)
    assert SIZE - 100 < shown.text_bytes < SIZE + 100


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_preview_of_a_compressed_object_reads_its_beginning_only(
    compress: Callable[[bytes], bytes],
) -> None:
    noise = random.Random(1)
    lines = [f"{n},{noise.getrandbits(256):x}" for n in range(400_000)]
    data = "\n".join(["a,b", *lines]).encode()
    store = Counted(compress(data))
    assert len(store.data) > 13 * HEAD_SIZE
    shown = World(store).preview()
    assert store.read_bytes <= 10 * HEAD_SIZE  # twice the beginning, and what is read ahead
    assert list(shown.records) == rows_of(lines[:MOST_RECORDS])
    assert not shown.is_whole


def test_a_record_that_does_not_end_in_the_beginning_is_left_out() -> None:
    rest = b"x" * (5 * HEAD_SIZE)
    shown = preview(b'a,b\n1,2\n3,"4' + rest + b'"\n', delimiter=",")
    assert (shown.records, shown.rejects, shown.read, shown.text_bytes) == (('{"a":"1","b":"2"}',), (), 1, 8)
    shown = preview(b'{"a":1}\n{"a":"' + rest + b'"}\n')
    assert (shown.records, shown.rejects, shown.text_bytes) == (('{"a":1}',), (), 8)
    shown = preview(b'[{"a":1},{"a":"' + rest + b'"}]')
    assert (shown.records, shown.rejects) == (('{"a":1}',), ())


@pytest.mark.parametrize("damage", ['"say "x" {}"', '5" pipe', '"open'])
def test_records_with_irregular_quotes_are_shown_if_more_than_the_head_decides_on_them(damage: str) -> None:
    lines = [f'{n},{damage if n % 40 == 3 else "plain"},"x\ny"' for n in range(130_000)]
    store = Counted("\n".join(["n,text,more", *lines, ""]).encode())
    world = World(store, options=Options(delimiter=",", quote='"'))
    shown = world.preview()
    assert store.read_bytes <= 6 * HEAD_SIZE
    assert len(shown.records) == MOST_RECORDS
    world.load()
    rejects = world.jobs.rejects(world.id, limit=MOST_REJECTS, after=None)
    assert [it.place.offset for it in shown.rejects] == [it.place.offset for it in rejects]
    assert set(shown.records) <= set(loaded(world))


def test_long_records_are_shown_as_far_as_there_is_room() -> None:
    name = "n" * 15_000
    shown = preview("\n".join([f"{name},b", *(f"{number},x" for number in range(30))]).encode())
    assert list(shown.records) == [f'{{"b":"x","{name}":"{number}"}}' for number in range(17)]
    assert sum(map(len, shown.records)) < MOST_JSON < 18 * 15_000
    assert shown.read == 30


records = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 99), st.text("abc", max_size=5)).map(lambda it: f"{it[0]},{it[1]}"),
        st.just("short"),
        st.just("1,2,3"),
        st.just(""),
        st.just('7,"two\nlines"'),
        st.just('8,say "x"'),
    ),
    max_size=60,
)


@given(records, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_first_rows_loaded_are_those_that_the_preview_showed(
    lines: list[str], ending: str, terminated: bool
) -> None:
    data = ending.join(["a,b", *lines]) + ending * terminated
    world = World(MemoryStore(data.encode()), options=Options(delimiter=",", quote='"', header=True))
    try:
        shown = world.preview()
    except JobFailed:  # it is not clear which column has no name
        reject()
    world.load()
    assert (shown.read, shown.rejected) == tally(world)
    assert len(shown.records) == min(shown.read - shown.rejected, MOST_RECORDS)
    assert set(shown.records) <= set(loaded(world))
    rejects = world.jobs.rejects(world.id, limit=MOST_REJECTS, after=None)
    assert [it.place.offset for it in shown.rejects] == [it.place.offset for it in rejects]


def test_a_file_that_cannot_be_read_fails_as_it_does_without_a_preview() -> None:
    for data, code in (
        (b"", "empty-file"),
        (b"%PDF-1.7\n", "unsupported-format"),
        (b'[{"a":1}', "truncated-file"),
    ):
        world = World(MemoryStore(data))
        with pytest.raises(JobFailed) as failed:
            world.preview()
        assert failed.value.code == code
        assert world.job.preview is None


def test_a_worker_that_must_stop_stores_nothing() -> None:
    world = World(MemoryStore(b"a,b\n1,2\n"))
    previewer = new_previewer(world.jobs, new_ingester(world.jobs, world.store, **WORKER_SIZES))
    turns = 0
    while world.job.reading is None:  # then the next worker finds it
        left = iter([True] * turns)
        assert previewer.preview(world.claim(), lambda left=left: next(left, False)) is Result.INTERRUPTED  # type: ignore[misc]
        assert (world.job.status, world.job.preview) == (Status.PROCESSING, None)
        turns += 1
    assert world.preview().records == ('{"a":"1","b":"2"}',)


def test_a_slow_worker_changes_nothing_once_the_job_is_loaded_or_read_in_another_way() -> None:
    for changes in (None, Changes({"delimiter": ";"})):
        world = World(MemoryStore(b"a,b\n1,2\n"))
        slow = world.claim()
        world.preview()
        world.jobs.load(world.id, changes)
        world.claim()
        previewer = new_previewer(world.jobs, new_ingester(world.jobs, world.store, **WORKER_SIZES))
        before = world.job
        with pytest.raises(JobEnded):
            previewer.preview(slow, lambda: True)
        assert (world.job.status, world.job.reading_no) == (before.status, before.reading_no)


def test_a_load_with_other_options_reads_the_same_object_in_another_way() -> None:
    world = World(MemoryStore(b"a;b,c\n1;2,3\n4;5,6\n7;8,9\n"), options=Options(delimiter=","))
    assert world.preview().records[0] == '{"a;b":"1;2","c":"3"}'
    assert world.load(Changes({"delimiter": ";"})) is Result.JOB_ENDED
    assert min(loaded(world)) == '{"a":"1","b,c":"2,3"}'
    assert world.job.preview is None


@pytest.mark.parametrize("changes", [None, Changes({"comment": "#"})])
def test_an_object_that_was_replaced_after_the_preview_is_not_loaded(changes: Changes | None) -> None:
    world = World(MemoryStore(b"a,b\n1,2\n"))
    world.preview()
    world.store.data, world.store.etag = b"a,b\n3,4\n", "e2"
    with pytest.raises(JobFailed) as failed:
        world.load(changes)
    assert failed.value.code == "source-changed"
    assert world.jobs.blocks.get(world.id) is None


def test_a_file_that_another_job_has_loaded_meanwhile_is_a_duplicate() -> None:
    data, checksum = b"a,b\n1,2\n", b64encode(b"y" * 32).decode()
    world = World(MemoryStore(data, checksum=checksum))
    world.preview()
    source = replace(world.store.pin("bucket", "other"))
    other = world.jobs.put(changed(new_job(), status=Status.COMPLETED, completed_at=NOW, source=source))
    assert world.load() is Result.JOB_ENDED
    assert (world.job.status, world.job.outcome.duplicate_of) == (Status.COMPLETED, other.id)


def test_it_says_on_what_ground_each_option_stands() -> None:
    lines = ["id;name", *(f"{number};Ada, York" for number in range(30))]
    sure = preview("\n".join(lines).encode(), date_order="DMY").sure
    assert (sure["date_order"], sure["comment"]) == (Sureness.DECLARED, Sureness.DEFAULT)
    assert (sure["encoding"], sure["header"]) == (Sureness.DEFAULT, Sureness.DEFAULT)
    assert sure["quote"] is Sureness.CLEAR
    with_mark = preview(b"\xef\xbb\xbfsep=;\n" + "\n".join(lines).encode())
    assert (with_mark.sure["encoding"], with_mark.sure["delimiter"]) == (Sureness.CLEAR, Sureness.ASSUMED)
    declared = preview("\n".join(lines).encode(), delimiter=";", quote='"', encoding="utf-8")
    assert declared.runner_up is None
    assert [name for name, ground in declared.sure.items() if ground is Sureness.DECLARED] == [
        *("delimiter", "quote", "encoding")
    ]
    assert set(preview(b'{"a":1}').sure) == {"encoding", "records"}
    assert preview((FOLDER / "json-envelope.json").read_bytes()).sure["records"] is Sureness.ASSUMED


def test_it_names_the_runner_up_and_how_near_it_comes() -> None:
    lines = ["id;name,city", *(f"{number};Ada,York" for number in range(30))]
    near = preview("\n".join(lines).encode())
    assert near.runner_up is not None
    assert (near.runner_up.delimiter, near.runner_up.quote) == (",", '"')
    lines = ["d;x,y;z", *(f"{number};{number},5;a{number}" for number in range(30))]
    far = preview("\n".join(lines).encode())
    assert far.runner_up is not None
    assert 0 < far.runner_up.score < near.runner_up.score < 1


@pytest.mark.parametrize(("score", "ground"), [(0.9, Sureness.CLOSE), (0.5, Sureness.CLEAR)])
def test_a_reading_is_close_if_its_runner_up_is_nearly_as_likely(score: float, ground: Sureness) -> None:
    dialect = Dialect(Format.CSV, 0)
    runner_up = RunnerUp(",", '"', None, score)
    sure = sureness(Options(quote="'"), dialect, (), runner_up)
    assert [name for name, it in sure.items() if it is ground and name != "skip_initial_space"] == [
        *("delimiter", "escape", "skip_lines")
    ]
    assert sure["quote"] is Sureness.DECLARED
    assert sure["skip_initial_space"] is Sureness.CLEAR


@pytest.mark.parametrize("short_rows", ShortRows)
@pytest.mark.parametrize("record", [b"1\n", b"1,2,3\n", b'"1"\n', b",\n"])
def test_short_records_of_a_wide_table_are_shown_without_reading_thousands(
    short_rows: ShortRows, record: bytes
) -> None:
    width = 9000
    header = ",".join(f"c{number}" for number in range(width)).encode() + b"\n"
    options = Options(delimiter=",", quote='"', header=True, short_rows=short_rows)
    world = World(MemoryStore(header + record * 100_000), options=options)

    preview = world.preview()

    assert MOST_RECORDS < preview.read <= 4 * MOST_CELLS / width
    assert not preview.is_whole
    if short_rows is ShortRows.PAD and b"1" in record:
        assert len(preview.records) == MOST_RECORDS


def test_whole_records_of_a_wide_table_are_shown_as_far_as_they_were() -> None:
    width = 5000
    header = ",".join(f"c{number}" for number in range(width)).encode() + b"\n"
    row = ",".join("1" * width).encode() + b"\n"
    world = World(MemoryStore(header + row * 50))

    preview = world.preview()

    assert preview.read >= SIZE // len(row)
