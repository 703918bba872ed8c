"""A job that kills every worker that claims it ends FAILED."""

import json
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import redis

from tests.support.faults import files
from tests.support.faults.scenario import FIGURES, Loading, Scenario, sqs
from tests.support.faults.workers import Process

MOST = 3  # deliveries
FAULTS = {
    # where it dies: whether the last worker would die there, too, if it came so far
    "leases.claim after 1 kill": False,
    "store.begin after 1 kill": True,
    "blocks.write before 1 kill": True,
}


@dataclass
class Lane:
    """A poison job on a queue of its own, and the worker that has to do with it."""

    fault: str
    queue: dict[str, str]
    loading: Loading
    worker: Process
    deaths: int = 0


def start(scenario: Scenario, fault: str, queue: dict[str, str]) -> Process:
    # no sweeps: all deliveries shall be those of one message
    return scenario.worker(queue, fault=fault, SLUICE_SWEEP_SECONDS="3600")


def with_dead_letters(scenario: Scenario, queue: dict[str, str]) -> dict[str, str]:
    if queue["SLUICE_QUEUE_BACKEND"] == "sqs":
        client = sqs(scenario.env["AWS_ENDPOINT_URL"])
        dead = scenario.lane("sqs")["SLUICE_QUEUE_URL"]
        told = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": told["Attributes"]["QueueArn"], "maxReceiveCount": MOST}
        client.set_queue_attributes(
            QueueUrl=queue["SLUICE_QUEUE_URL"], Attributes={"RedrivePolicy": json.dumps(policy)}
        )
        queue["SLUICE_DEAD_LETTER_QUEUE_URL"] = dead
    return queue


def dead_letters(scenario: Scenario, queue: dict[str, str]) -> int:
    if queue["SLUICE_QUEUE_BACKEND"] == "sqs":
        told = sqs(scenario.env["AWS_ENDPOINT_URL"]).get_queue_attributes(
            QueueUrl=queue["SLUICE_DEAD_LETTER_QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(told["Attributes"]["ApproximateNumberOfMessages"])
    with redis.Redis.from_url(scenario.env["REDIS_URL"]) as store:
        return int(store.xlen(f"{queue['SLUICE_REDIS_STREAM']}:dead"))


def test_a_job_that_kills_every_worker_fails(
    make_scenario: Callable[..., Scenario], draw: random.Random
) -> None:
    scenario = make_scenario(SLUICE_MAX_DELIVERIES=str(MOST))
    lanes = []
    for kind, fault in product(["sqs", "redis"], FAULTS):
        queue = with_dead_letters(scenario, scenario.lane(kind))
        loading = scenario.load(files.make(draw.choice(list(files.KINDS)), draw.random(), 500), queue)
        lanes.append(Lane(fault, queue, loading, start(scenario, fault, queue)))

    def all_buried() -> bool:
        for lane in lanes:
            if (status := lane.worker.poll()) is not None:
                assert status == -signal.SIGKILL
                FIGURES["kills"] += 1
                lane.deaths += 1
                lane.worker = start(scenario, lane.fault, lane.queue)
        return all(dead_letters(scenario, lane.queue) for lane in lanes)

    scenario.until(all_buried, "all messages are dead letters")
    assert [lane.deaths for lane in lanes] == [MOST] * len(lanes)
    for lane in lanes:
        again = lane.fault if FAULTS[lane.fault] else ""
        lane.worker.kill()
        lane.worker = scenario.worker(lane.queue, fault=again, SLUICE_SWEEP_SECONDS="2")
    for job in scenario.ended():
        assert (job["status"], job["error_code"], job["attempts"]) == (
            "FAILED",
            "retries-exhausted",
            MOST + 1,
        )
        assert job["blocks"] == 0
    for lane in lanes:  # further messages change nothing
        scenario.enqueue(lane.loading, **lane.queue)
        scenario.load(files.make("csv", draw.random(), 50), lane.queue)
    if_well = [it for it in scenario.loadings if it not in [lane.loading for lane in lanes]]
    for lane in lanes:
        lane.worker.kill()
        lane.worker = scenario.worker(lane.queue)
    assert [job["status"] for job in scenario.ended(*if_well)] == ["COMPLETED"] * len(lanes)
    assert [job["attempts"] for job in scenario.jobs(*[lane.loading for lane in lanes])] == [MOST + 1] * len(
        lanes
    )
