"""Erasures, over ports in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from chalicelib.core.erasures import ErasedObject, Erasure
from chalicelib.core.errors import InvalidRequest, RetryLater
from chalicelib.service.record_erasure import Erasing, RecordEraser
from tests.support.fakes import MemoryServices, MemoryUploads
from tests.support.jobs import NOW

JOB = UUID(int=7)


@dataclass
class Records:
    """Erasures that take some steps each, and then have one object."""

    steps: dict[UUID, int]
    stuck: set[UUID] = field(default_factory=set)
    removed_jobs: list[tuple[UUID, UUID, int]] = field(default_factory=list)
    done: list[UUID] = field(default_factory=list)

    def running(self) -> Sequence[UUID]:
        return [it for it in self.steps if it not in self.done]

    def erase(self, erasure_id: UUID) -> Iterator[None]:
        if erasure_id in self.stuck:
            raise RetryLater("a block is being committed")
        while self.steps[erasure_id]:
            self.steps[erasure_id] -= 1
            yield

    def objects(self, erasure_id: UUID, *, settled: float) -> Sequence[ErasedObject]:
        assert settled == 5
        if self.removed_jobs:
            return []
        return [ErasedObject(JOB, "acme", "uploads/acme/crm/a.csv", NOW)]

    def removed(self, erasure_id: UUID, erased: ErasedObject, count: int) -> None:
        self.removed_jobs.append((erasure_id, erased.job_id, count))

    def finish(self, erasure_id: UUID, *, settled: float) -> bool:
        assert settled == 5
        self.done.append(erasure_id)
        return True


def eraser(records: Records, bucket: MemoryUploads, ticks: Iterator[float] | None = None) -> RecordEraser:
    clock = (lambda: 0.0) if ticks is None else ticks.__next__
    return RecordEraser(records, bucket, settled=5, clock=clock)


@pytest.fixture
def bucket() -> MemoryUploads:
    made = MemoryUploads()
    made.written |= {
        "uploads/acme/crm/a.csv": b"x",
        "uploads/acme/crm/a.csv.old": b"x",
        f"rejects/acme/{JOB}/1-x/rejects.csv": b"x",
        f"rejects/{JOB}/1-x/rejects.csv": b"x",
        f"rejects/bond/{JOB}/rejects.csv": b"x",
    }
    return made


def test_an_erasure_is_carried_out(bucket: MemoryUploads) -> None:
    one = uuid4()
    records = Records({one: 3})
    assert eraser(records, bucket).erase() == 1
    assert records.removed_jobs == [(one, JOB, 1)]
    assert set(bucket.written) == {"uploads/acme/crm/a.csv.old", f"rejects/bond/{JOB}/rejects.csv"}
    assert eraser(records, bucket).erase() == 0


def test_a_sweep_stops_after_a_while_and_the_next_goes_on(bucket: MemoryUploads) -> None:
    records = Records({uuid4(): 10})
    rounds = 1
    while not eraser(records, bucket, iter([0.0, 1.0, 1.0, 19.0, 21.0])).erase():
        rounds += 1
    assert rounds > 3
    assert len(records.removed_jobs) == 1


def test_after_its_time_a_sweep_begins_no_other(bucket: MemoryUploads) -> None:
    one, other = uuid4(), uuid4()
    records = Records({one: 10, other: 10})
    assert eraser(records, bucket, iter([0.0, 1.0, 2.0, 21.0, 22.0])).erase() == 0
    assert records.steps == {one: 8, other: 10}


def test_one_that_cannot_go_on_does_not_stop_the_others(bucket: MemoryUploads) -> None:
    one, other = uuid4(), uuid4()
    records = Records({one: 1, other: 1}, stuck={one})
    with pytest.raises(RetryLater):
        eraser(records, bucket).erase()
    assert records.done == [other]
    records.stuck.clear()
    assert eraser(records, bucket).erase() == 1


def test_while_the_bucket_is_away_it_is_not_completed(bucket: MemoryUploads) -> None:
    records = Records({uuid4(): 1})
    bucket.down = True
    with pytest.raises(RetryLater):
        eraser(records, bucket).erase()
    assert records.done == []


@dataclass
class Asked:
    """Keeps what was asked for."""

    texts: Sequence[str] = ()
    name: str = ""
    salts: set[bytes] = field(default_factory=set)

    def begin(
        self, dataset: str, erasure_id: UUID, field: str, texts: Sequence[str], salt: bytes
    ) -> Erasure | None:
        self.texts, self.name = texts, field
        self.salts.add(salt)
        return None

    def get(self, dataset: str, erasure_id: UUID) -> Erasure | None:
        raise AssertionError(dataset, erasure_id)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (" Ada@Example.ORG ", ["ada@example.org"]),
        ("1990/01/31", ["1990-01-31"]),
        ("5", ["5"]),
        ("05", ["05"]),
        ("5.0", ["5.0"]),
        ("1" + "0" * 21, ["1" + "0" * 21, "1e+21"]),
        ("1E21", ["1E21"]),
        ("0.0000001", ["0.0000001", "1e-7"]),
        ("1e+9999999999999999999999999", ["1e+9999999999999999999999999"]),
        ("1e+30", ["1e+30", "1" + "0" * 30]),
        ("1e-7", ["1e-7", "0.0000001"]),
        ("true", ["true"]),
        ("NaN", ["NaN"]),
        ("9" * 900, ["9" * 900]),
    ],
)
def test_the_value_is_compared_as_it_is_stored(value: str, texts: list[str]) -> None:
    asked = Asked()
    for _ in range(2):
        assert Erasing(asked).begin("crm", " email ", value) is None
    assert (asked.name, asked.texts) == ("email", texts)
    assert len(asked.salts) == 2
    assert {len(it) for it in asked.salts} == {32}


def test_a_blank_value_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Erasing(Asked()).begin("crm", "email", " \t")
    assert refused.value.field == "value"


def test_sweeps_do_it() -> None:
    services = MemoryServices()
    services.objects.missing = True
    assert services.sweeper.sweep()["erased"] == 0
