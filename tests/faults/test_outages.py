"""What workers need goes away in mid-load and comes back: they go on by themselves, and nothing is lost."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from infra.emulator import resources
from tests.support.faults import files, outages
from tests.support.faults.proxy import Proxy, plan, running
from tests.support.faults.world import LONG, World, s3, sqs

ROUNDS = 3 if LONG else 1
RECORDS = 60_000 if LONG else 16_000


@pytest.fixture
def root(faults_root: Path) -> Iterator[Path]:
    """Of the stack, which is whole again afterwards, whatever the test did."""
    yield faults_root
    outages.start(faults_root)


def loads(
    world: World,
    draw: random.Random,
    kinds: tuple[str, ...] = ("csv-newlines", "ndjson"),
    records: int = RECORDS,
) -> None:
    for kind in kinds:
        world.load(files.make(kind, draw.random(), records))


def in_mid_load(world: World) -> None:
    for loading in world.loadings:
        world.moved(loading, 5)


def was_in_mid_load(world: World) -> None:
    """The files must have been so large that something was left to do."""
    assert any(not job["completed_at"] for job in world.jobs(*world.loadings))


@pytest.mark.parametrize("queue", ["sqs", "redis"] if LONG else ["sqs"])
def test_postgres_is_killed(
    make_world: Callable[..., World], draw: random.Random, root: Path, queue: str
) -> None:
    world = make_world(queue)
    loads(world, draw)
    for _ in range(2):
        world.true_worker()
    in_mid_load(world)
    for _ in range(ROUNDS):
        outages.kill(root, "postgres")
        time.sleep(draw.uniform(0.5, 4))
        outages.start(root, "postgres")
        was_in_mid_load(world)
        time.sleep(draw.uniform(0.5, 2))
    world.check()
    assert all(worker.poll() is None for worker in world.processes)


@contextmanager
def all_connections_of(url: str) -> Iterator[None]:
    """Takes every connection that is left, and then those that Sluice had."""
    with ExitStack() as held:

        def take() -> None:
            until = time.monotonic() + 1
            while time.monotonic() < until:  # somebody may just be giving one back
                try:
                    held.enter_context(psycopg.connect(url))
                except psycopg.OperationalError:
                    time.sleep(0.05)

        first = held.enter_context(psycopg.connect(url))
        take()
        first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice'"
        )
        take()
        yield


def test_postgres_has_no_connection_left(
    make_world: Callable[..., World], draw: random.Random, faults_stack: Mapping[str, str]
) -> None:
    world = make_world()
    loads(world, draw)
    world.true_worker()
    in_mid_load(world)
    was_in_mid_load(world)
    with all_connections_of(faults_stack["DATABASE_URL"]):
        world.true_worker()  # has none yet
        time.sleep(4)
    world.check()
    assert all(worker.poll() is None for worker in world.processes)


def test_redis_is_killed(make_world: Callable[..., World], draw: random.Random, root: Path) -> None:
    world = make_world("redis")
    loads(world, draw, records=4 * RECORDS)  # the test waits for the disk, and the load must outlast that
    for _ in range(2):
        world.true_worker()
    in_mid_load(world)
    for _ in range(ROUNDS):
        time.sleep(1.5)  # appendfsync everysec: the messages are on the disk by now
        was_in_mid_load(world)
        outages.kill(root, "redis")
        time.sleep(draw.uniform(0.5, 4))
        outages.start(root, "redis")
    world.load(files.make("csv", draw.random(), 1000))  # is still heard of
    world.check()
    assert all(worker.poll() is None for worker in world.processes)


def object_reads(method: str, path: str) -> bool:
    return method in ("GET", "HEAD") and path.startswith(f"/{resources.BUCKET}/faults/")


@pytest.fixture
def proxy(faults_stack: Mapping[str, str]) -> Iterator[Proxy]:
    with running(faults_stack["AWS_ENDPOINT_URL"], object_reads) as proxy:
        yield proxy


def through(proxy: Proxy, world: World) -> dict[str, str]:
    """The settings of a worker that reaches LocalStack by the proxy."""
    direct = world.env["AWS_ENDPOINT_URL"]
    return {
        "AWS_ENDPOINT_URL": proxy.url,
        "SLUICE_QUEUE_URL": world.env["SLUICE_QUEUE_URL"].replace(direct, proxy.url),
    }


def test_s3_answers_badly(make_world: Callable[..., World], draw: random.Random, proxy: Proxy) -> None:
    world = make_world()
    proxy.follow(plan(draw, 60 if LONG else 14, stalls=3 if LONG else 1))
    kinds = [*files.KINDS] * (3 if LONG else 1)
    for kind in kinds:
        world.load(files.make(kind, draw.random(), 3000))
    for _ in range(2):
        world.true_worker(**through(proxy, world))
    world.check()
    assert proxy.done.total() > len(kinds)


def test_localstack_is_killed(
    make_world: Callable[..., World], draw: random.Random, root: Path, proxy: Proxy
) -> None:
    world = make_world(SLUICE_SWEEP_SECONDS="2")
    loads(world, draw, ("csv-newlines", "csv-gzip", "ndjson"))
    for _ in range(2):
        world.true_worker(**through(proxy, world))
    world.moved(world.loadings[0], 5)
    was_in_mid_load(world)
    proxy.closed.set()  # nobody sees LocalStack without its objects
    outages.kill(root, "localstack")
    time.sleep(draw.uniform(0.5, 3))
    outages.start(root, "localstack")
    name = world.env["SLUICE_QUEUE_URL"].rpartition("/")[2]
    again = sqs(world.env["AWS_ENDPOINT_URL"]).create_queue(QueueName=name)["QueueUrl"]
    assert again == world.env["SLUICE_QUEUE_URL"]
    s3(world.env["AWS_ENDPOINT_URL"]).create_bucket(Bucket=resources.BUCKET)
    for loading, job in zip(world.loadings, world.jobs(*world.loadings), strict=True):
        assert world.store(loading) == job["etag"]
    proxy.closed.clear()
    world.check()  # the messages are lost: a sweep has announced the jobs
