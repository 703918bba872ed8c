"""Metrics as CloudWatch reads them, and traces as X-Ray's daemon gets them."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.telemetry import Metric, emit_metrics, logger, trace_handler, trace_section
from tests.support.docpages import page
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

ROOT = CHECKOUT
JOB = UUID("00000000-0000-4000-8000-000000000001")
# Of CloudWatch's standard units those that Sluice uses (PutMetricData, MetricDatum).
UNITS = {"Count", "Bytes", "Milliseconds", "Seconds"}
OURS = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_TASK_ROOT",
    "POWERTOOLS_METRICS_NAMESPACE",
    "_X_AMZN_TRACE_ID",
)


def check(document: dict[str, Any]) -> dict[str, list[float]]:
    """Return the metrics of a document; fail if it breaks the embedded metric format's specification.

    Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
    """
    about = document["_aws"]
    assert type(about["Timestamp"]) is int
    assert abs(about["Timestamp"] - time.time() * 1000) < 60_000  # milliseconds
    found: dict[str, list[float]] = {}
    assert about["CloudWatchMetrics"]
    for directive in about["CloudWatchMetrics"]:
        assert 1 <= len(directive["Namespace"]) <= 255
        assert re.fullmatch(r"[A-Za-z0-9._/#:-]+", directive["Namespace"])
        assert directive["Dimensions"]
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            for name in dimensions:
                assert type(document[name]) is str
                assert 1 <= len(document[name]) <= 1024
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert set(metric) <= {"Name", "Unit", "StorageResolution"}
            assert metric["Unit"] in UNITS
            values = document[metric["Name"]]
            assert 1 <= len(values) <= 100
            assert all(type(value) in (int, float) for value in values)
            found[metric["Name"]] = values
    return found


def dimensions(document: dict[str, Any]) -> list[list[str]]:
    found: list[list[str]] = document["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    return found


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, as imports and decisions at import last as long as a process."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env |= {"POWERTOOLS_TRACE_DISABLED": "", "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        cwd=ROOT,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done


# Metrics


def test_metrics_are_one_line_in_cloudwatchs_format(capsys: pytest.CaptureFixture[str]) -> None:
    emit_metrics({Metric.ROWS_INSERTED: 3, Metric.BYTES_LOADED: 1 << 40, Metric.BLOCK_TIME: 12.5}, JOB)
    [line] = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert check(document) == {"RowsInserted": [3], "BytesLoaded": [1 << 40], "BlockTime": [12.5]}
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Sluice"


def test_the_jobs_id_is_in_the_line_but_is_not_a_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    """Each value of a dimension is a metric of its own, and costs as one."""
    emit_metrics({Metric.ROWS_INSERTED: 3}, JOB)
    document = json.loads(capsys.readouterr().out)
    assert document["job_id"] == str(JOB)
    assert dimensions(document) == [["service"]]
    assert document["service"] == "sluice"


def test_without_a_job_there_is_no_job_id(capsys: pytest.CaptureFixture[str]) -> None:
    emit_metrics({Metric.ROWS_INSERTED: 3}, JOB)
    emit_metrics({Metric.OBJECTS_ARRIVED: 1})
    _, second = capsys.readouterr().out.splitlines()
    assert "job_id" not in json.loads(second)
    assert check(json.loads(second)) == {"ObjectsArrived": [1]}


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_has_a_unit(metric: Metric, capsys: pytest.CaptureFixture[str]) -> None:
    emit_metrics({metric: 0})
    document = json.loads(capsys.readouterr().out)
    assert check(document) == {metric.value: [0]}
    [told] = document["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    units = {
        "BytesLoaded": "Bytes",
        "BlockTime": "Milliseconds",
        "QueueTime": "Seconds",
        "JobTime": "Seconds",
    }
    assert told["Unit"] == units.get(metric, "Count")


def test_threads_do_not_mix_their_lines() -> None:
    code = """
import sys, threading
from uuid import UUID
from chalicelib.telemetry import Metric, logger, emit_metrics
sys.setswitchinterval(1e-6)
def work(number):
    for value in range(100):
        emit_metrics({Metric.ROWS_INSERTED: value, Metric.RECORDS_READ: number}, UUID(int=number))
        logger.info("a line of the log")
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for it in threads: it.start()
for it in threads: it.join()
"""
    documents = [json.loads(line) for line in run(code).stdout.splitlines()]
    written = [it for it in documents if "_aws" in it]
    assert len(documents) == 2 * len(written) == 2 * 8 * 100
    seen = set()
    for it in written:
        metrics = check(it)
        [value], [number] = metrics["RowsInserted"], metrics["RecordsRead"]
        assert UUID(it["job_id"]).int == number
        seen.add((number, value))
    assert len(seen) == 8 * 100


@pytest.mark.parametrize(
    ("environment", "namespace"),
    [({}, "Sluice"), ({"POWERTOOLS_METRICS_NAMESPACE": "Sluice/prod"}, "Sluice/prod")],
)
def test_the_namespace_is_the_stages(environment: dict[str, str], namespace: str) -> None:
    code = "from chalicelib.telemetry import Metric, emit_metrics; emit_metrics({Metric.ROWS_INSERTED: 1})"
    document = json.loads(run(code, **environment).stdout)
    check(document)
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == namespace


def test_every_metric_is_documented() -> None:
    text = page("watch-it.md")
    assert [metric.value for metric in Metric if f"`{metric}`" not in text] == []


# Traces


class Daemon:
    """X-Ray's daemon, as far as it takes segments."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = "{}:{}".format(*self.socket.getsockname())

    def segments(self, count: int) -> list[dict[str, Any]]:
        """Return the next ``count`` items; fail if there are more."""
        found = [self._segment(self.socket.recv(65536)) for _ in range(count)]
        self.socket.settimeout(0)
        with pytest.raises(BlockingIOError):
            self.socket.recv(65536)
        return found

    def _segment(self, datagram: bytes) -> dict[str, Any]:
        header, _, body = datagram.partition(b"\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        found: dict[str, Any] = json.loads(body)
        return found


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.socket.close()


TRACED = """
import sys
from chalicelib.telemetry import trace_section
with trace_section("ingest", job_id="the job"):
    print("worked")
print("aws_xray_sdk" in sys.modules)
"""


def test_a_worker_without_a_daemon_has_no_traces() -> None:
    assert run(TRACED).stdout.splitlines() == ["worked", "False"]


def test_a_workers_job_is_a_segment_with_its_id(daemon: Daemon) -> None:
    done = run(TRACED, AWS_XRAY_DAEMON_ADDRESS=daemon.address)
    assert done.stdout.splitlines() == ["worked", "True"]
    [segment] = daemon.segments(1)
    assert segment["name"] == "ingest"
    assert segment["annotations"] == {"job_id": "the job"}
    assert "type" not in segment  # no subsegment
    assert segment["start_time"] <= segment["end_time"]


def test_a_job_that_fails_is_a_fault_in_its_trace(daemon: Daemon) -> None:
    code = """
from chalicelib.telemetry import trace_section
try:
    with trace_section("ingest", job_id="the job"):
        raise KeyError("bug")
except KeyError:
    print("raised")
"""
    assert run(code, AWS_XRAY_DAEMON_ADDRESS=daemon.address).stdout == "raised\n"
    [segment] = daemon.segments(1)
    assert segment["fault"] is True
    assert [it["type"] for it in segment["cause"]["exceptions"]] == ["KeyError"]


LAMBDA = """
import sys
from chalicelib.telemetry import trace_section, trace_handler
def handler(event, context):
    with trace_section("ingest", job_id="the job"):
        return {"answer": "nobody else's business"}
wrapped = trace_handler(handler)
print(wrapped is handler)
print(wrapped({"asked": "nobody else's either"}, None)["answer"])
print("aws_xray_sdk" in sys.modules)
"""
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={}"


def invoke(daemon: Daemon, trace: str | None) -> list[str]:
    function = {"AWS_LAMBDA_FUNCTION_NAME": "sluice-dev-on_job", "LAMBDA_TASK_ROOT": "/var/task"}
    asked = {} if trace is None else {"_X_AMZN_TRACE_ID": trace}
    done = run(LAMBDA, AWS_XRAY_DAEMON_ADDRESS=daemon.address, **function, **asked)
    return done.stdout.splitlines()


@pytest.mark.parametrize("trace", [None, TRACE.format(0), TRACE.partition(";Sampled")[0]])
def test_an_invocation_that_xray_does_not_sample_is_not_traced(daemon: Daemon, trace: str | None) -> None:
    assert invoke(daemon, trace) == ["True", "nobody else's business", "False"]
    assert daemon.segments(0) == []


def test_an_invocation_that_xray_samples_joins_its_trace(daemon: Daemon) -> None:
    assert invoke(daemon, TRACE.format(1)) == ["False", "nobody else's business", "True"]
    ingest, function = daemon.segments(2)
    assert (ingest["name"], ingest["annotations"]) == ("ingest", {"job_id": "the job"})
    assert (function["name"], function["annotations"]["Service"]) == ("## handler", "sluice")
    assert {it["trace_id"] for it in (ingest, function)} == {"1-5759e988-bd862e3fe1be46a994272793"}
    assert {it["type"] for it in (ingest, function)} == {"subsegment"}
    assert ingest["parent_id"] == function["id"]
    assert function["parent_id"] == "53995c3f42cd8ad8"
    assert "nobody" not in json.dumps([ingest, function])


def test_nothing_is_traced_without_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS", raising=False)

    def handler() -> None:
        pass

    assert trace_handler(handler) is handler
    with pytest.raises(KeyError), trace_section("ingest"):  # and nothing is swallowed
        raise KeyError


def test_the_functions_start_without_what_few_invocations_need() -> None:
    code = """
import sys
import app
slow = ("aws_xray_sdk", "pyarrow", "redis", "aws_lambda_powertools.utilities.data_classes")
print([name for name in slow if name in sys.modules])
"""
    assert run(code).stdout == "[]\n"


# Logs


def test_a_threads_job_is_in_its_own_lines_only() -> None:
    """The logger is one for all threads; what they append to its lines is each one's own."""
    both = threading.Barrier(2, timeout=PATIENCE)
    seen: dict[str, dict[str, Any]] = {}

    def work(job_id: str) -> None:
        logger.thread_safe_append_keys(job_id=job_id)
        both.wait()
        seen[job_id] = logger.thread_safe_get_current_keys()
        logger.thread_safe_clear_keys()

    threads = [threading.Thread(target=work, args=(str(uuid4()),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {job_id: {"job_id": job_id} for job_id in seen}
    assert len(seen) == 2
    assert logger.thread_safe_get_current_keys() == {}
