"""What a file of each kind costs a worker, in the sizes of `docs/reference/costs.md`.

It takes an hour, and is only collected in `make faults`.
"""

import json
from collections.abc import Callable

import psycopg
import pytest

from bench.processes import cpu_seconds, peak_mib
from bench.stack import stored_bytes
from chalicelib import settings
from chalicelib.core.errors import NotPossible
from chalicelib.core.lifecycle import Action
from chalicelib.wiring import Services
from tests.support.costs import BUDGET, LARGE_PAGES
from tests.support.faults.files import File
from tests.support.faults.scenario import Loading, Scenario
from tests.support.kinds import KINDS, MB, SLACK_BYTES, SLACK_SECONDS, Kind, people
from tests.support.principals import REACH

# As a worker is by default, unlike others of a scenario
DEFAULTS = {
    "SLUICE_MAX_RECORD_SIZE": "1048576",
    "SLUICE_RANGE_SIZE": "268435456",
    "SLUICE_LEASE_SECONDS": "30",
}
BLOCK_SIZE = 4 << 20
HEARD = 4.0  # seconds of CPU that a worker of two cores has in the two seconds in which it hears of a cancel


def ordinary(number: int, size: int) -> File:
    return File("csv", f"{number}.csv", people(size) + b"%d,,,,\n" % number)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(kind, size) for kind in KINDS for size in kind.sizes],
    ids=lambda it: getattr(it, "name", it),
)
def test_a_file_costs_what_the_page_says_at_most(
    make_scenario: Callable[..., Scenario], kind: Kind, size: int
) -> None:
    scenario = make_scenario("redis", **DEFAULTS)
    worker = scenario.true_worker(**LARGE_PAGES)
    scenario.ended(scenario.load(ordinary(0, MB), block_size=BLOCK_SIZE))
    usual = cpu_seconds(worker.pid)
    scenario.ended(scenario.load(ordinary(1, 4 * MB), block_size=BLOCK_SIZE))
    usual = (cpu_seconds(worker.pid) - usual) / (4 * MB)
    cpu, stored = cpu_seconds(worker.pid), stored_bytes(scenario.env["DATABASE_URL"])
    file = File(kind.name, f"file.{kind.extension}", kind.make(size))

    (job,) = scenario.ended(load(scenario, kind, file))
    cpu, stored = cpu_seconds(worker.pid) - cpu, stored_bytes(scenario.env["DATABASE_URL"]) - stored
    assert job["error_code"] == kind.code
    assert cpu <= kind.cpu * usual * max(min(size, 64 << 20), len(file.data)) + SLACK_SECONDS
    assert stored <= kind.stored * len(file.data) + SLACK_BYTES

    again = load(scenario, kind, file)
    scenario.until(lambda: scenario.job(again)["started_at"], "it is claimed")
    services = Services(settings.load(scenario.env))
    try:
        services.of(REACH).job_actions.act(again.job, Action.CANCEL)
    except NotPossible:
        assert scenario.job(again)["error_code"] == kind.code
    finally:
        services.close()
    cpu, blocks = cpu_seconds(worker.pid), scenario.job(again)["blocks"]
    scenario.ended(scenario.load(ordinary(2, 1000), block_size=BLOCK_SIZE))
    assert cpu_seconds(worker.pid) - cpu < HEARD
    assert scenario.job(again)["blocks"] == blocks
    assert worker.poll() is None
    assert peak_mib(worker.pid) < BUDGET


def load(scenario: Scenario, kind: Kind, file: File) -> Loading:
    loading = scenario.put(file, block_size=BLOCK_SIZE)
    labels = json.dumps(dict(kind.labels))
    with psycopg.connect(scenario.env["DATABASE_URL"]) as connection:
        connection.execute("UPDATE ingestion_jobs SET metadata = %s WHERE id = %s", [labels, loading.job])
    scenario.enqueue(loading)
    return loading
