"""What workers need goes away in mid-load and comes back: they go on by themselves, and nothing is lost."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from infra.emulator import resources
from tests.support.faults import files, outages
from tests.support.faults.proxy import Proxy, plan, running
from tests.support.faults.scenario import LONG, Scenario, s3, sqs
from tests.support.waiting import wait_for

ROUNDS = 3 if LONG else 1
RECORDS = 60_000 if LONG else 16_000


@pytest.fixture
def root(faults_root: Path) -> Iterator[Path]:
    """Of the stack, which is whole again afterwards, whatever the test did."""
    yield faults_root
    outages.start(faults_root)


def loads(
    scenario: Scenario,
    draw: random.Random,
    kinds: tuple[str, ...] = ("csv-newlines", "ndjson"),
    records: int = RECORDS,
) -> None:
    for kind in kinds:
        scenario.load(files.make(kind, draw.random(), records))


def in_mid_load(scenario: Scenario) -> None:
    for loading in scenario.loadings:
        scenario.moved(loading, 5)


def was_in_mid_load(scenario: Scenario) -> None:
    """The files must have been so large that something was left to do."""
    assert any(not job["completed_at"] for job in scenario.jobs(*scenario.loadings))


@pytest.mark.parametrize("queue", ["sqs", "redis"] if LONG else ["sqs"])
def test_a_killed_postgres_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, root: Path, queue: str
) -> None:
    scenario = make_scenario(queue)
    loads(scenario, draw)
    for _ in range(2):
        scenario.true_worker()
    in_mid_load(scenario)
    for _ in range(ROUNDS):
        outages.kill(root, "postgres")
        time.sleep(draw.uniform(0.5, 4))
        outages.start(root, "postgres")
        was_in_mid_load(scenario)
        time.sleep(draw.uniform(0.5, 2))
    scenario.check()
    assert all(worker.poll() is None for worker in scenario.processes)


def test_a_postgres_without_free_connections_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, faults_stack: Mapping[str, str]
) -> None:
    scenario = make_scenario()
    loads(scenario, draw)
    scenario.true_worker()
    in_mid_load(scenario)
    was_in_mid_load(scenario)
    with outages.all_connections_of(faults_stack["DATABASE_URL"]):
        scenario.true_worker()  # has none yet
        time.sleep(4)
    scenario.check()
    assert all(worker.poll() is None for worker in scenario.processes)


def is_written(url: str) -> bool:
    """Return whether the append-only file has every message: Redis may put off writing while it syncs."""
    with redis.Redis.from_url(url) as client:
        state: dict[str, Any] = client.info("persistence")
    return bool(state["aof_buffer_length"] == state["aof_pending_bio_fsync"] == 0)


def test_a_killed_redis_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, root: Path
) -> None:
    scenario = make_scenario("redis")
    loads(scenario, draw, records=4 * RECORDS)  # the test waits for the disk, and the load must outlast that
    for _ in range(2):
        scenario.true_worker()
    in_mid_load(scenario)
    for _ in range(ROUNDS):
        wait_for(lambda: is_written(scenario.env["REDIS_URL"]))
        was_in_mid_load(scenario)
        outages.kill(root, "redis")
        time.sleep(draw.uniform(0.5, 4))
        outages.start(root, "redis")
    scenario.load(files.make("csv", draw.random(), 1000))  # is still heard of
    scenario.check()
    assert all(worker.poll() is None for worker in scenario.processes)


def object_reads(method: str, path: str) -> bool:
    return method in ("GET", "HEAD") and path.startswith(f"/{resources.BUCKET}/faults/")


@pytest.fixture
def proxy(faults_stack: Mapping[str, str]) -> Iterator[Proxy]:
    with running(faults_stack["AWS_ENDPOINT_URL"], object_reads) as proxy:
        yield proxy


def through(proxy: Proxy, scenario: Scenario) -> dict[str, str]:
    """The settings of a worker that reaches LocalStack by the proxy."""
    direct = scenario.env["AWS_ENDPOINT_URL"]
    return {
        "AWS_ENDPOINT_URL": proxy.url,
        "SLUICE_QUEUE_URL": scenario.env["SLUICE_QUEUE_URL"].replace(direct, proxy.url),
    }


def test_errors_and_stalls_of_s3_cost_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, proxy: Proxy
) -> None:
    scenario = make_scenario()
    proxy.follow(plan(draw, 60 if LONG else 14, stalls=3 if LONG else 1))
    kinds = [*files.KINDS] * (3 if LONG else 1)
    for kind in kinds:
        scenario.load(files.make(kind, draw.random(), 3000))
    for _ in range(2):
        scenario.true_worker(**through(proxy, scenario))
    scenario.check()
    assert proxy.done.total() > len(kinds)


def test_a_killed_localstack_costs_no_record(
    make_scenario: Callable[..., Scenario], draw: random.Random, root: Path, proxy: Proxy
) -> None:
    scenario = make_scenario(SLUICE_SWEEP_SECONDS="2")
    loads(scenario, draw, ("csv-newlines", "csv-gzip", "ndjson"))
    for _ in range(2):
        scenario.true_worker(**through(proxy, scenario))
    scenario.moved(scenario.loadings[0], 5)
    was_in_mid_load(scenario)
    proxy.closed.set()  # nobody sees LocalStack without its objects
    outages.kill(root, "localstack")
    time.sleep(draw.uniform(0.5, 3))
    outages.start(root, "localstack")
    name = scenario.env["SLUICE_QUEUE_URL"].rpartition("/")[2]
    again = sqs(scenario.env["AWS_ENDPOINT_URL"]).create_queue(QueueName=name)["QueueUrl"]
    assert again == scenario.env["SLUICE_QUEUE_URL"]
    s3(scenario.env["AWS_ENDPOINT_URL"]).create_bucket(Bucket=resources.BUCKET)
    for loading, job in zip(scenario.loadings, scenario.jobs(*scenario.loadings), strict=True):
        assert scenario.store(loading) == job["etag"]
    proxy.closed.clear()
    scenario.check()  # the messages are lost: a sweep has announced the jobs
