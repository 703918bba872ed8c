"""Rejects files over ports in memory: what is in them for each kind of file, and how workers make them."""

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import Job, RejectsFile, RejectsSource
from chalicelib.core.lifecycle import Action
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Format, Source, Status, WholeReject
from chalicelib.service.message_handler import MessageHandler, Outcome
from chalicelib.service.rejects_file import WholeRejects
from chalicelib.service.rejects_request import download_name
from tests.support.fakes import MemoryJobs, MemoryQueue, MemoryStore, MemoryUploads
from tests.support.jobs import NOW, changed, new_job
from tests.support.rejects import MemoryRejects
from tests.support.workers import new_handler, new_ingester

LONG = "y" * 2500
CSV = "id,name,city\n" + "".join(
    f"{n},Ann,York\n" if n % 9 else f"{n},Ann{LONG},York,UK\n" for n in range(1, 500)
)
ROWS = [json.dumps({"id": n, "name": "Ann"}) if n % 9 else f'{{"id": {n}, "{LONG}' for n in range(1, 500)]
OBJECTS = [json.dumps({"id": n}) if n % 9 else json.dumps([n, LONG]) for n in range(1, 500)]
FILES: dict[str, bytes] = {
    "csv": CSV.encode(),
    "crlf": CSV.replace("\n", "\r\n").encode(),
    "gzip": gzip.compress(CSV.encode()),
    "utf-16": CSV.encode("utf-16"),
    "ndjson": "\n".join(ROWS).encode(),
    "array": f"[{','.join(OBJECTS)}]".encode(),
}
NUMBERS = list(range(9, 500, 9))


@dataclass
class CountingStore(MemoryStore):
    """A store that counts the bytes that are read."""

    count: int = 0

    def read(self, source: Source, start: int, end: int) -> bytes:
        data = super().read(source, start, end)
        self.count += len(data)
        return data


class World:
    """A job whose file is loaded, and a worker."""

    def __init__(self, data: bytes, block_size: int = 4096, max_record: int = 50_000) -> None:
        self.store, self.queue, self.jobs = CountingStore(data), MemoryQueue(), MemoryJobs()
        self.job = self.jobs.put(new_job(arrived_at=NOW, block_size=block_size))
        self.ingester = new_ingester(
            self.jobs, self.store, sender=self.queue, max_upload=10**8, max_record=max_record, read_size=3000
        )
        self.handler: MessageHandler = new_handler(self.jobs, self.ingester, self.queue)
        self.stop = threading.Event()
        assert self.handle() is Outcome.ACKNOWLEDGED
        assert self.loaded.status.is_terminal

    @property
    def loaded(self) -> Job:
        job = self.jobs.get(self.job.id)
        assert job is not None
        return job

    @property
    def file(self) -> RejectsFile | None:
        return self.loaded.rejects_file

    @property
    def written(self) -> dict[str, bytes]:
        bucket = self.handler.attempts.rejects_files.bucket
        assert isinstance(bucket, MemoryUploads)
        return bucket.written

    def handle(self, deliveries: int = 1) -> Outcome:
        return self.handler.handle(Delivery(self.job.id, "receipt", deliveries), self.stop)

    def rejects(self) -> tuple[list[WholeReject], bool]:
        reading = self.loaded.reading
        assert reading is not None
        found = WholeRejects(MemoryRejects(self.jobs), self.store, self.ingester.limits, self.job.id, reading)
        return [reject for some in found.by_block() for reject in some], found.has_excerpts


@pytest.mark.parametrize("kind", FILES)
def test_the_records_of_every_kind_of_file_are_whole(kind: str) -> None:
    world = World(FILES[kind])
    blocks = world.jobs.blocks[world.job.id]
    assert len(blocks) > 5
    found, has_excerpts = world.rejects()
    assert not has_excerpts
    assert [reject.place.record for reject in found] == NUMBERS
    for number, reject in zip(NUMBERS, found, strict=True):
        text = reject.raw.decode()
        assert LONG in text
        assert str(number) in text[:12]
        assert not reject.is_cut
        assert not reject.is_excerpt
    stored = [it for _, block in sorted(blocks.items()) for it in block.rejects]
    assert [(it.code, it.message, it.field) for it in found] == [
        (it.code, it.message, it.field) for it in stored
    ]


FAR = (700, 4000, 4001, 9000)  # the numbers of records that are rejected
ARRAY = [b"%d" % n if n in FAR else b'{"id": %d}' % n for n in range(1, 10_001)]
SPARSE: dict[str, bytes] = {
    "csv": b"id,name\n" + b"".join(b"%d,Ann%s\n" % (n, b",x" * (n in FAR)) for n in range(1, 10_001)),
    "ndjson": b"".join(b'{"id": %d%s\n' % (n, b"" if n in FAR else b"}") for n in range(1, 10_001)),
    "array": b"["
    + b",\n".join(b"%d" % n if n in FAR else b'{"id": %d}' % n for n in range(1, 10_001))
    + b"]",
}


@pytest.mark.parametrize("kind", SPARSE)
def test_only_the_blocks_with_rejects_are_read(kind: str) -> None:
    world = World(SPARSE[kind], 1024, max_record=300)
    world.store.count = 0
    found, has_excerpts = world.rejects()
    assert not has_excerpts
    assert [reject.place.record for reject in found] == list(FAR)
    assert 0 < world.store.count < len(world.store.data) / 2


def test_a_compressed_file_is_read_once_up_to_its_last_reject() -> None:
    text = SPARSE["csv"]
    end = text.index(b"9002")
    world = World(gzip.compress(text[:end], 1) + gzip.compress(text[end:], 1), 1024, max_record=300)
    world.store.count = 0
    found, has_excerpts = world.rejects()
    assert not has_excerpts
    assert [reject.place.record for reject in found] == list(FAR)
    assert world.store.count <= len(world.store.data)


@given(
    lines=st.lists(
        st.sampled_from(["1,2,3", "1,2", "1,2,3,4", '1,"a\nb",3', '1,"a"b,3', "", '"']), max_size=60
    ),
    block_size=st.sampled_from([16, 64, 256]),
)
def test_what_the_ingestion_rejected_is_found_again(lines: list[str], block_size: int) -> None:
    good = ["a,b,c", "1,2,3", "4,5,6", "7,8,9"]
    world = World("\n".join([*good, *lines]).encode(), block_size)
    found, has_excerpts = world.rejects()
    assert not has_excerpts
    text = world.store.data
    for reject in found:
        assert text[reject.place.offset :].startswith(reject.raw)
    stored = [it for _, block in sorted(world.jobs.blocks[world.job.id].items()) for it in block.rejects]
    assert [(it.place.offset, it.code) for it in found] == [(it.offset, it.code) for it in stored]


@pytest.mark.parametrize("longest", [5000, 3 << 20])
def test_a_record_is_cut_only_if_it_is_larger_than_records_may_be(longest: int) -> None:
    world = World(
        b"a,b\n1,2\n" + b"x" * (longest - 1) + b"\n" + b"x" * longest + b"\n3,4\n", max_record=longest
    )
    (found, _) = world.rejects()
    assert [(it.code, len(it.raw), it.is_cut) for it in found] == [
        ("missing-cell", longest, False),
        ("record-too-large", longest, True),
    ]


@pytest.mark.parametrize("kind", ["csv", "gzip", "array"])
def test_excerpts_stand_for_a_file_that_is_gone(kind: str) -> None:
    world = World(FILES[kind])
    world.store.etag = "another"
    found, has_excerpts = world.rejects()
    assert has_excerpts
    assert [reject.place.record for reject in found] == NUMBERS
    assert all(it.is_excerpt and it.raw.decode().endswith(" …") and len(it.raw) < 510 for it in found)


def test_a_worker_makes_the_file_that_was_asked_for() -> None:
    world = World(FILES["csv"])
    assert world.handle() is Outcome.ACKNOWLEDGED
    assert not world.written
    assert world.jobs.wish(world.job.id)
    assert world.handle() is Outcome.ACKNOWLEDGED
    assert world.file is not None
    ((key, data),) = world.written.items()
    assert world.file == RejectsFile(key, len(NUMBERS), RejectsSource.OBJECT)
    assert key.startswith(f"rejects/default/{world.job.id}/1-")
    assert key.endswith("/rejects.csv")
    assert data.count(LONG.encode()) == len(NUMBERS)
    assert world.loaded.progress.attempts == 1


def test_a_stopped_worker_gives_the_file_back() -> None:
    world = World(FILES["csv"])
    world.jobs.wish(world.job.id)
    world.stop.set()
    world.handle()
    assert world.file == RejectsFile()
    assert not world.written
    assert world.jobs.attempts[world.job.id] == 0
    assert [it.job_id for it in world.queue.waiting] == [world.job.id]
    world.stop.clear()
    world.handle()
    assert world.file is not None
    assert world.file.key in world.written


def test_the_last_attempt_uses_excerpts() -> None:
    world = World(FILES["csv"])
    world.jobs.wish(world.job.id)
    world.store.errors.extend([ZeroDivisionError("bug")] * 9)
    assert world.handle() is Outcome.KEPT
    world.store.errors.extend([ZeroDivisionError("bug")] * 9)
    assert world.handle(2) is Outcome.KEPT
    world.store.errors.clear()
    assert world.handle(3) is Outcome.ACKNOWLEDGED
    assert world.file is not None
    assert world.file.source is RejectsSource.EXCERPTS


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after whose call no file can be made."""

    def blocks(*_: object) -> None:
        raise ZeroDivisionError("bug")

    return lambda: monkeypatch.setattr(MemoryRejects, "blocks", blocks)


def test_attempts_are_bounded(broken: Callable[[], None]) -> None:
    world = World(FILES["csv"])
    world.jobs.wish(world.job.id)
    broken()
    for deliveries in range(1, 4):
        assert world.file == RejectsFile()
        world.handle(deliveries)
    assert world.file is not None
    assert world.file.error is not None
    assert world.loaded.status is Status.COMPLETED
    assert world.handle() is Outcome.ACKNOWLEDGED


def test_a_file_that_killed_its_workers_is_given_up() -> None:
    world = World(FILES["csv"])
    world.jobs.wish(world.job.id)
    world.jobs.attempts[world.job.id] = 3
    assert world.handle() is Outcome.ACKNOWLEDGED
    assert world.file is not None
    assert world.file.error is not None


def test_an_undo_makes_the_file_first() -> None:
    world = World(FILES["csv"])
    world.jobs.act(world.job.id, Action.UNDO)
    assert world.handle() is Outcome.ACKNOWLEDGED
    assert world.loaded.status is Status.UNDONE
    assert world.file is not None
    assert world.written[world.file.key or ""].count(LONG.encode()) == len(NUMBERS)


def test_an_undo_goes_on_without_a_file_that_cannot_be_made(broken: Callable[[], None]) -> None:
    world = World(FILES["csv"])
    world.jobs.act(world.job.id, Action.UNDO)
    broken()
    for deliveries in range(1, 4):
        world.handle(deliveries)
        assert world.loaded.status is Status.UNDOING
    world.handle()
    assert world.loaded.status is Status.UNDONE
    assert not world.written


def asked(world: World) -> None:
    world.jobs.wish(world.job.id)


def undone(world: World) -> None:
    world.jobs.act(world.job.id, Action.UNDO)


@pytest.mark.parametrize("begin", [asked, undone])
def test_an_outage_is_no_attempt(begin: Callable[[World], None], monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(FILES["csv"])
    begin(world)
    monkeypatch.setattr("chalicelib.service.attempt.time.sleep", lambda _: None)
    monkeypatch.setattr("chalicelib.service.attempt._LONGEST_PAUSE", 0)
    world.store.errors.extend([RetryLater("S3 is down")] * 9)
    world.handle()
    assert world.file is not None
    assert world.file.source is RejectsSource.OBJECT


def taken_over(world: World) -> None:
    world.jobs.makers[world.job.id] = "another"


@pytest.mark.parametrize("meanwhile", [taken_over, undone])
def test_a_worker_that_lost_the_file_leaves_no_object(meanwhile: Callable[[World], None]) -> None:
    world = World(FILES["csv"])
    world.jobs.wish(world.job.id)
    claim = world.jobs.claim(world.job.id, owner="me", lease_seconds=60)
    assert claim is not None

    class Meanwhile(MemoryUploads):
        def write(self, key: str, pieces: object, *, content_type: str) -> None:
            super().write(key, iter([b""]), content_type=content_type)
            meanwhile(world)

    bucket = Meanwhile()
    object.__setattr__(world.handler.attempts.rejects_files, "bucket", bucket)
    world.jobs.makers.clear()
    world.handle()
    assert not bucket.written
    assert len(bucket.removed) == 1


def test_undoing_a_duplicate_makes_no_file() -> None:
    world = World(FILES["csv"])
    world.jobs.jobs[world.job.id] = changed(world.loaded, duplicate_of=world.job.id)
    world.jobs.act(world.job.id, Action.UNDO)
    world.handle()
    assert world.loaded.status is Status.UNDONE
    assert not world.written


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("people.csv", "people-rejects.csv"),
        ("people.csv.gz", "people-rejects.csv"),
        ("people", "people-rejects.csv"),
        ("2026/jän & feb.csv", "jän & feb-rejects.csv"),
        (r"C:\data\people.tsv.zip", "people-rejects.csv"),
        ("../..", "file-rejects.csv"),
        (".csv", "csv-rejects.csv"),
        ('a"\r\nb.csv', 'a"b-rejects.csv'),
        ("x" * 500 + ".csv", "x" * 100 + "-rejects.csv"),
    ],
)
def test_the_download_is_named_after_the_file(filename: str, expected: str) -> None:
    assert download_name(filename, Format.CSV) == expected
