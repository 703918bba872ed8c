"""One invocation of the Lambda worker, over ports in memory; and which functions there are."""

import importlib.util
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from chalice.test import Client

from chalicelib import settings
from chalicelib.backends.sqs import parse_body
from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import Claim
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Source, Status
from chalicelib.core.workers import WorkerKind
from chalicelib.entrypoints.lambda_worker import MessageKept, handle_invocation
from chalicelib.service.signs_of_life import SignsOfLife
from tests.support.fakes import FILE, MemoryJobs, MemoryQueue, MemoryServices, MemoryStore
from tests.support.jobs import new_job
from tests.support.paths import CHECKOUT
from tests.support.s3_events import s3_event
from tests.support.waiting import PATIENCE
from tests.support.workers import new_handler, new_ingester

GRACE = 600  # seconds
ANY_TIME = -GRACE  # of grace: the 3 s of the test client's invocations are never up


@dataclass
class LambdaQueue(MemoryQueue):
    """What the SqsReceiver is to an invocation; ``said`` is what it was told, in order."""

    said: list[str] = field(default_factory=list)

    def delivery_of(self, record: Mapping[str, Any]) -> Delivery | None:
        job_id = parse_body(record["body"])
        self.said.append("taken" if job_id else "buried")
        return None if job_id is None else Delivery(job_id, record["receiptHandle"], 1)

    def extend(self, delivery: Delivery) -> None:
        super().extend(delivery)
        self.said.append("extended")

    def acknowledge(self, *deliveries: Delivery) -> None:
        super().acknowledge(*deliveries)
        self.said.append("acknowledged")


@dataclass
class Register(MemoryJobs):
    """Notes when a job is claimed in the queue's own list."""

    queue: LambdaQueue = field(default_factory=LambdaQueue)

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
        self.queue.said.append("claimed")
        return super().claim(job_id, owner=owner, lease_seconds=lease_seconds)


class Services:
    """As much of chalicelib.wiring.Services as an invocation asks for."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.settings = settings.load({"SLUICE_GRACE_SECONDS": str(GRACE)})
        self.store = store or MemoryStore(FILE)
        self.sqs_receiver = LambdaQueue()
        self.jobs = Register(queue=self.sqs_receiver)
        self.job = self.jobs.put(new_job())
        queue = self.sqs_receiver
        ingester = new_ingester(self.jobs, self.store, loaders=1, sender=queue)
        self.lambda_message_handler = new_handler(self.jobs, ingester, queue, one_claim=True)

    def lambda_signs_of_life(self) -> SignsOfLife:
        activity = self.lambda_message_handler.attempts.activity
        workers, kind = self.jobs.workers, WorkerKind.LAMBDA
        return SignsOfLife(workers, activity, name="me", kind=kind, version="1", slots=1, interval=60)

    @property
    def status(self) -> Status:
        return self.jobs.jobs[self.job.id].status


@dataclass
class Patient(MemoryStore):
    """An object that takes for ever to read, until the work is to stop."""

    until: float = 0  # by time.monotonic()

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        for timer in timers():
            timer.join(PATIENCE)
        self.until = time.monotonic()
        return super().pin(bucket, key, version_id)


def timers() -> list[threading.Timer]:
    return [it for it in threading.enumerate() if isinstance(it, threading.Timer)]


def event(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [{"messageId": "m", "receiptHandle": f"r{n}", "body": b} for n, b in enumerate(bodies)]
    }


def invoke(services: Services, event: dict[str, Any], seconds: float) -> None:
    """Handle the event as `app.on_job` does."""
    grace = services.settings.grace_seconds
    handler = services.lambda_message_handler
    handle_invocation(event, services.sqs_receiver, lambda: handler, seconds=seconds - grace)


def message(job_id: UUID) -> str:
    return f'{{"job_id": "{job_id}"}}'


@pytest.fixture(autouse=True)
def no_timer_is_left() -> Iterator[None]:
    yield
    for timer in timers():  # it was cancelled: it ends at once
        timer.join(PATIENCE)
    assert timers() == []


def test_a_message_of_a_finished_job_is_left_to_lambda_to_remove() -> None:
    services = Services()
    invoke(services, event(message(services.job.id)), 900)
    assert services.status is Status.COMPLETED
    assert [it.receipt for it in services.sqs_receiver.acknowledged] == ["r0"]


def test_the_visibility_is_shortened_before_the_job_is_claimed() -> None:
    services = Services()
    invoke(services, event(message(services.job.id)), 900)
    assert services.sqs_receiver.said == ["taken", "extended", "claimed", "acknowledged"]


def test_a_message_to_be_redelivered_fails_the_invocation() -> None:
    services = Services(MemoryStore(FILE))
    services.store.errors.append(KeyError("bug"))
    with pytest.raises(MessageKept, match=str(services.job.id)):
        invoke(services, event(message(services.job.id)), 900)
    assert services.sqs_receiver.returned == [(Delivery(services.job.id, "r0", 1), 2)]
    assert services.sqs_receiver.acknowledged == []


def test_a_message_of_a_held_job_is_delayed() -> None:
    services = Services()
    services.jobs.owners[services.job.id] = "another"
    services.sqs_receiver.delivery_of = lambda record: Delivery(services.job.id, record["receiptHandle"], 2)  # type: ignore[method-assign]
    with pytest.raises(MessageKept):
        invoke(services, event(message(services.job.id)), 900)
    assert services.sqs_receiver.returned == [(Delivery(services.job.id, "r0", 2), 30)]


@pytest.mark.parametrize("down", ["jobs", "sqs_receiver"])
def test_an_outage_keeps_the_message(down: str) -> None:
    services = Services()
    getattr(services, down).down = True
    with pytest.raises(RetryLater):
        invoke(services, event(message(services.job.id)), 900)
    assert services.sqs_receiver.acknowledged == []
    assert services.jobs.owners == {}


def test_a_message_that_is_not_a_jobs_id_goes_to_the_dead_letters() -> None:
    services = Services()
    invoke(services, event("nonsense"), 900)
    assert services.sqs_receiver.said == ["buried"]


@pytest.mark.parametrize("count", [0, 2])
def test_an_event_has_one_message(count: int) -> None:
    """Of several, one that failed would bring back the others, too."""
    services = Services()
    with pytest.raises(ValueError, match="unpack"):
        invoke(services, event(*[message(services.job.id)] * count), 900)
    assert services.sqs_receiver.said == []


@pytest.mark.parametrize("seconds", [-1, 0, 0.2])
def test_a_job_is_requeued_before_the_invocation_times_out(seconds: float) -> None:
    store = Patient(FILE)
    services = Services(store)
    began = time.monotonic()
    invoke(services, event(message(services.job.id)), GRACE + seconds)
    assert max(0, seconds) <= store.until - began < GRACE
    assert services.status is Status.PROCESSING
    assert not services.jobs.owners
    assert [it.job_id for it in services.sqs_receiver.waiting] == [services.job.id]
    assert [it.receipt for it in services.sqs_receiver.acknowledged] == ["r0"]
    assert services.jobs.jobs[services.job.id].progress.attempts_without_progress == 1  # no block was done


def test_an_invocation_with_enough_time_is_not_stopped() -> None:
    class Looking(MemoryStore):
        def read(self, *args: Any) -> bytes:
            [timer] = timers()
            left.append(timer.interval)
            return super().read(*args)

    left: list[float] = []
    services = Services(Looking(FILE))
    invoke(services, event(message(services.job.id)), 900)
    assert services.status is Status.COMPLETED
    assert set(left) == {900 - GRACE}


# Which functions there are depends on settings. app.py is loaded once more for each of them.

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dev-jobs"
APP = CHECKOUT / "app.py"


def load_app(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Load a second app.py in that environment; the one that others import stays unchanged."""
    for name in ("SLUICE_LAMBDA_WORKERS", "SLUICE_QUEUE_URL", "SLUICE_BUCKET_EVENTS", "SLUICE_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("app_in_another_environment", APP)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def sources(loaded: ModuleType) -> dict[str, Any]:
    return {it.name: it for it in loaded.app.event_sources}


def test_without_lambda_workers_there_is_no_such_function(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_app(monkeypatch, SLUICE_QUEUE_URL=QUEUE_URL)
    assert set(sources(loaded)) == {"on_upload", "on_schedule"}
    assert "on_job" not in loaded.app.handler_map
    assert {it.name for it in loaded.app.pure_lambda_functions} == {"migrate"}


def test_lambda_workers_take_one_message_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_app(monkeypatch, SLUICE_QUEUE_URL=QUEUE_URL, SLUICE_LAMBDA_WORKERS="7")
    on_job = sources(loaded)["on_job"]
    assert (on_job.queue, on_job.batch_size, on_job.maximum_concurrency) == ("sluice-dev-jobs", 1, 7)
    assert on_job.maximum_batching_window_in_seconds == 0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, Services]:
    loaded = load_app(monkeypatch, SLUICE_QUEUE_URL=QUEUE_URL, SLUICE_LAMBDA_WORKERS="2")
    services = Services()
    monkeypatch.setattr(loaded, "services", lambda: services)
    return loaded, services


def test_the_deployed_function_loads_a_job(worker: tuple[ModuleType, Services]) -> None:
    loaded, services = worker
    with Client(loaded.app) as client:
        client.lambda_.invoke("on_job", client.events.generate_sqs_event([message(services.job.id)]))
        # the test client's invocations have 3 s: less than the grace, so there was time for nothing
        assert (services.status, services.sqs_receiver.said) == (
            Status.PROCESSING,
            ["taken", "extended", "claimed", "acknowledged"],
        )
        assert [it.job_id for it in services.sqs_receiver.waiting] == [services.job.id]
        services.settings = replace(services.settings, grace_seconds=ANY_TIME)
        client.lambda_.invoke("on_job", client.events.generate_sqs_event([message(services.job.id)]))
    assert services.status is Status.COMPLETED


def test_the_deployed_function_fails_if_its_message_is_to_be_redelivered(
    worker: tuple[ModuleType, Services],
) -> None:
    loaded, services = worker
    services.settings = replace(services.settings, grace_seconds=ANY_TIME)
    services.store.errors.append(KeyError("bug"))
    with Client(loaded.app) as client, pytest.raises(MessageKept):
        client.lambda_.invoke("on_job", client.events.generate_sqs_event([message(services.job.id)]))


def test_chalice_attaches_the_intake_to_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_app(monkeypatch, SLUICE_BUCKET="files")
    on_upload = sources(loaded)["on_upload"]
    assert (on_upload.bucket, on_upload.events) == ("files", ["s3:ObjectCreated:*"])


@pytest.mark.parametrize("events", ["chalice", "template"])
def test_the_intake_takes_s3s_event_however_it_is_attached(
    monkeypatch: pytest.MonkeyPatch, events: str
) -> None:
    loaded = load_app(monkeypatch, SLUICE_BUCKET_EVENTS=events)
    services = MemoryServices()
    monkeypatch.setattr(loaded, "services", lambda: services)
    pure = {it.name for it in loaded.app.pure_lambda_functions}
    assert ("on_upload" in pure) == (events == "template")
    assert ("on_upload" in sources(loaded)) == (events == "chalice")
    job = services.jobs.put(new_job(key=f"uploads/default/{(job_id := uuid4())}/a b.csv", id=job_id))
    with Client(loaded.app) as client:
        answer = client.lambda_.invoke("on_upload", s3_event(f"uploads/default/{job.id}/a+b.csv"))
    assert answer.payload == {"enqueued": 1}
    assert [it.job_id for it in services.sender.waiting] == [job.id]
