"""Measure the deployed functions: their size, their answers cold and warm, the steps of a cold start.

An empty function behind the same gateway, run by the same executor, is measured in turn with them: it shows
the cost of LocalStack and of the machine.
"""

import io
import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import boto3
import httpx

from bench.access import key_headers
from bench.figures import Measurement, Table, percentiles, ratios, spread
from bench.stack import Stack, delete_dataset
from infra.emulator.application import STAGE
from infra.emulator.environment import REGION, aws_env
from infra.emulator.resources import ACCOUNT, functions
from infra.local import installs, processes
from infra.local.sample.make_sample import FILE
from infra.packages.__main__ import sizes
from infra.packages.bytecode import RUNNING
from infra.packages.install import ARCHITECTURES
from infra.packages.sizes import MAX_UNZIPPED, MAX_ZIPPED, MIB, Size
from infra.steps.layout import Layout

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

API = f"sluice-{STAGE}"
REQUESTS = 200  # of each route, a round
TIMEOUT = 60.0  # seconds
EMPTY_FUNCTION = "empty function"
EMPTY_SOURCE = 'def answer(event, context):\n    return {"statusCode": 200, "body": "{}"}\n'

_ABOUT_PACKAGES = "MiB, with AWS's limits: zipped for each package, unzipped for function and layer together."
_ABOUT_REQUESTS = f"""\
Milliseconds. Cold is the first request to a new process; the percentiles are of {REQUESTS} requests after it,
of each kind in turn. The empty function is behind the same gateway and run by the same executor: it shows the
cost of LocalStack itself."""
_ABOUT_STARTS = """\
Milliseconds of each step, medians: the interpreter with AWS's runtime, the imports, the first answer, which
opens the connections, the sum of these, and the second answer."""

# The program of a function's process. It takes the event as an argument and prints the time after each step.
_BEGIN = """
import json, sys, time
import awslambdaric.bootstrap
event = json.loads(sys.argv[1])
marks = [time.monotonic()]
import app
"""
_API = """
def answer():
    assert app.app(event, None)["statusCode"] < 300
"""
_WORKER = """
import chalice.app
import chalicelib.entrypoints.lambda_worker
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
def answer():
    app.on_job(chalice.app.SQSEvent(event, Context()))
"""
_END = """
marks.append(time.monotonic())
answer()
marks.append(time.monotonic())
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
again = time.monotonic()
answer()
marks += [time.monotonic() - again, peak / 1024]
app.services().close()
print(json.dumps(marks))
"""


@dataclass(frozen=True)
class Route:
    """A request, the function that answers it, and the expected status."""

    name: str
    function: str
    request: httpx.Request
    status: int


@dataclass(frozen=True)
class Times:
    """Milliseconds: the first request to a new process, and percentiles of the requests after it."""

    cold: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Start:
    """A function's process by itself: milliseconds per step, and its peak memory after the first answer."""

    runtime: float  # the interpreter and AWS's runtime
    imports: float
    first: float
    second: float
    peak_mib: float


_Figures = TypeVar("_Figures", Times, Start)


def measure(stack: Stack, rounds: int, _rows: int) -> Measurement:
    """Measure packages, requests through the gateway, and the functions' processes by themselves."""
    env = stack.env
    with TemporaryDirectory(dir=stack.folder) as folder, loaded_sample(env) as (dataset, job_id):
        packages = sizes(Path(folder), RUNNING, tuple(ARCHITECTURES))
        times = _requests(stack, rounds, _routes(env, dataset, job_id))
        starts = _starts(env, Path(folder), rounds, job_id, dataset)
    tables = [_packages_table(packages), _requests_table(times), _starts_table(starts)]
    return Measurement(tables, _figures(times) | _figures(starts))


def _figures(rows_by_name: Mapping[str, Sequence[_Figures]]) -> dict[str, list[float]]:
    """Return every figure of every round, by name."""
    return {
        f"{name}: {kind}": [getattr(row, kind) for row in rows]
        for name, rows in rows_by_name.items()
        for kind in vars(rows[0])
    }


def _packages_table(packages: Sequence[Size]) -> Table:
    lines = [
        [size.name, size.architecture, f"{size.zipped / MIB:.1f}", f"{size.unzipped / MIB:.1f}"]
        for size in packages
    ]
    lines.append(["limit", "each; together", f"{MAX_ZIPPED // MIB}", f"{MAX_UNZIPPED // MIB}"])
    return Table("Packages", _ABOUT_PACKAGES, ["package", "architecture", "zipped", "unzipped"], lines)


def _requests(stack: Stack, rounds: int, own: Sequence[Route]) -> dict[str, list[Times]]:
    times_by_route: dict[str, list[Times]] = {}
    lambdas = functions(stack.env["AWS_ENDPOINT_URL"])
    with (
        empty_function(stack.env, lambdas) as floor,
        httpx.Client(trust_env=False, timeout=TIMEOUT) as client,
    ):
        routes = (floor, *own)
        try:
            for number in range(1, rounds + 1):
                colds = [cold(client, lambdas, stack.layout, route) for route in routes]
                for route, first, others in zip(routes, colds, warm(client, routes), strict=True):
                    times = Times(first, *percentiles(others))
                    times_by_route.setdefault(route.name, []).append(times)
                    summary = f"cold {times.cold:.0f} ms, p50 {times.p50:.1f}, p95 {times.p95:.1f}"
                    print(f"  {route.name}, round {number}: {summary}", flush=True)
        finally:
            lambdas.update_function_configuration(FunctionName=API, Description="")
    return times_by_route


def _requests_table(times_by_route: Mapping[str, Sequence[Times]]) -> Table:
    floors = times_by_route[EMPTY_FUNCTION]
    lines = []
    for name, rows in times_by_route.items():
        columns = [[getattr(row, kind) for row in rows] for kind in ("cold", "p50", "p95", "p99")]
        colds = ratios([row.cold for row in rows], [floor.cold for floor in floors])
        warms = ratios([row.p50 for row in rows], [floor.p50 for floor in floors])
        lines.append([name, *(spread(column, 1) for column in columns), spread(colds, 2), spread(warms, 2)])
    heads = ["ms", "cold", "p50", "p95", "p99", "cold / empty", "p50 / empty"]
    return Table("Requests through the gateway", _ABOUT_REQUESTS, heads, lines)


def _starts(
    env: Mapping[str, str], packages: Path, rounds: int, job_id: str, dataset: str
) -> dict[str, list[Start]]:
    get, post = _get_event(env, job_id), _post_event(env, dataset)
    message = _message_event(job_id)
    (ours, layer), (our_sources, layer_sources) = unpack(packages)
    programs = {
        "GET /jobs/{id} alone": (_API, [ours], get),
        "POST /uploads alone": (_API, [ours], post),
        "GET alone, no bytecode": (_API, [our_sources], get),
        "on_job": (_WORKER, [ours, layer], message),  # about a job that is COMPLETED already
        "on_job, no bytecode": (_WORKER, [our_sources, layer_sources], message),
    }
    starts_by_name: dict[str, list[Start]] = {}
    for _ in range(rounds):
        for name, (program, path, event) in programs.items():
            starts_by_name.setdefault(name, []).append(start(env, program, path, event))
    return starts_by_name


def _starts_table(starts_by_name: Mapping[str, Sequence[Start]]) -> Table:
    lines = []
    for name, rows in starts_by_name.items():
        median_start = medians(rows)
        total = median_start.runtime + median_start.imports + median_start.first
        columns = (
            median_start.runtime,
            median_start.imports,
            median_start.first,
            total,
            median_start.second,
            median_start.peak_mib,
        )
        lines.append([name, *(f"{figure:.0f}" for figure in columns)])
    heads = ["ms", "runtime", "imports", "first", "sum", "second", "peak, MiB"]
    return Table("A function's process by itself", _ABOUT_STARTS, heads, lines)


@contextmanager
def loaded_sample(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Load the sample, yield its dataset and its job's id, and delete the dataset afterwards."""
    dataset = f"bench-{uuid4().hex}"
    url = env["SLUICE_URL"]
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
            key = key_headers(env)
            body = {"filename": FILE.name, "dataset": dataset}
            response = client.post(f"{url}/uploads", headers=key, json=body)
            upload = response.raise_for_status().json()
            client.put(upload["upload"]["url"], content=FILE.read_bytes()).raise_for_status()
            deadline = time.monotonic() + TIMEOUT
            job = url + upload["links"]["job"]
            while client.get(job, headers=key).raise_for_status().json()["status"] != "COMPLETED":
                if time.monotonic() > deadline:
                    raise RuntimeError("the sample was not loaded: see the worker's log")
                time.sleep(0.2)
        yield dataset, upload["job_id"]
    finally:
        delete_dataset(env["DATABASE_URL"], dataset)


def _routes(env: Mapping[str, str], dataset: str, job_id: str) -> tuple[Route, ...]:
    url = env["SLUICE_URL"]
    key, body = key_headers(env), {"filename": FILE.name, "dataset": dataset}
    upload = httpx.Request("POST", f"{url}/uploads", headers=key, json=body)
    return (
        Route("POST /uploads", API, upload, 202),
        Route("GET /jobs/{id}", API, httpx.Request("GET", f"{url}/jobs/{job_id}", headers=key), 200),
    )


@contextmanager
def empty_function(env: Mapping[str, str], lambdas: "LambdaClient") -> Iterator[Route]:
    """Yield a function that does nothing, behind a gateway of its own, and delete both afterwards."""
    name = f"bench-{uuid4().hex}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("empty.py", EMPTY_SOURCE)
    runtime: Any = f"python{RUNNING}"
    arn = lambdas.create_function(
        FunctionName=name,
        Runtime=runtime,
        Role=f"arn:aws:iam::{ACCOUNT}:role/bench",
        Handler="empty.answer",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    gateway = boto3.client("apigateway")
    api = gateway.create_rest_api(name=name)["id"]
    try:
        lambdas.get_waiter("function_active_v2").wait(FunctionName=name)
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        gateway.put_integration(
            restApiId=api,
            resourceId=root,
            httpMethod="GET",
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
        )
        gateway.create_deployment(restApiId=api, stageName="api")
        url = f"{env['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/api/"
        yield Route(EMPTY_FUNCTION, name, httpx.Request("GET", url), 200)
    finally:
        gateway.delete_rest_api(restApiId=api)
        lambdas.delete_function(FunctionName=name)


def cold(client: httpx.Client, lambdas: "LambdaClient", layout: Layout, route: Route) -> float:
    """Return the milliseconds of a request that starts a process. Raises RuntimeError if it did not."""
    before = _processes(layout, route.function)
    # after any change of its configuration Lambda starts a new process of the function
    lambdas.update_function_configuration(FunctionName=route.function, Description=f"bench {uuid4().hex}")
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=route.function, WaiterConfig={"Delay": 1})
    elapsed = _timed(client, route)
    if not _processes(layout, route.function) - before:
        raise RuntimeError(f"no new process of {route.function} was started")
    return elapsed


def warm(client: httpx.Client, routes: Sequence[Route]) -> list[list[float]]:
    """Return the milliseconds of each route's requests, made in turn so that other load affects all alike."""
    for route in routes:  # the API's process has answered only one of its routes so far
        _timed(client, route)
    turns = [[_timed(client, route) for route in routes] for _ in range(REQUESTS)]
    return [list(column) for column in zip(*turns, strict=True)]


def _timed(client: httpx.Client, route: Route) -> float:
    began = time.perf_counter()
    answer = client.send(route.request)
    elapsed = (time.perf_counter() - began) * 1000
    if answer.status_code != route.status:
        raise RuntimeError(f"{route.name} answered {answer.status_code}: {answer.text}")
    return elapsed


def _processes(layout: Layout, function: str) -> set[int]:
    """Return the ids of a function's processes."""
    variable = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
    pids = set()
    for pid in processes.marked(processes.marker(layout, "localstack")):
        with suppress(OSError):  # it has ended
            if variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                pids.add(pid)
    return pids


def medians(rows: Sequence[_Figures]) -> _Figures:
    """Return the median of each figure by itself."""
    kind = type(rows[0])
    return kind(*(median(column) for column in zip(*(vars(row).values() for row in rows), strict=True)))


def unpack(packages: Path) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """Unpack the function and the layer that `sizes` built in `packages` for this machine.

    Return their folders twice: with bytecode, and without. AWS's runtime has its bytecode either way.
    """
    machine = next(architecture for architecture, name in ARCHITECTURES.items() if name == platform.machine())
    whole, sources = packages / "whole", packages / "sources"
    for package in ("function", "layer"):
        with zipfile.ZipFile(packages / f"{RUNNING}-{machine}" / f"{package}.zip") as opened:
            opened.extractall(whole / package)
    shutil.copytree(whole, sources, ignore=shutil.ignore_patterns("__pycache__"))
    inside = (Path("function"), Path("layer", "python"))
    return (whole / inside[0], whole / inside[1]), (sources / inside[0], sources / inside[1])


def start(env: Mapping[str, str], program: str, path: Sequence[Path], event: object) -> Start:
    """Run the program as Lambda's executor runs the API, with the API's settings. Raises RuntimeError."""
    lambdas = functions(env["AWS_ENDPOINT_URL"])
    settings = lambdas.get_function_configuration(FunctionName=API)["Environment"]["Variables"]
    own = {
        **aws_env(env["AWS_ENDPOINT_URL"]),
        **settings,
        "AWS_LAMBDA_FUNCTION_NAME": API,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",  # or the process without bytecode would have it the second time
    }
    if program == _WORKER:  # the API's role may not claim jobs
        own["DATABASE_URL"] = env["DATABASE_URL"]
    command = [str(installs.LAMBDA.python), "-sP", "-c", _BEGIN + program + _END, json.dumps(event)]
    began = time.monotonic()  # on Linux all processes share this clock
    process = subprocess.run(command, env=own, cwd=path[0], capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"the function's process ended with status {process.returncode}: {process.stderr}")
    ready, imported, first, second, peak_mib = json.loads(process.stdout.splitlines()[-1])
    runtime, imports, answer = (
        1000 * seconds for seconds in (ready - began, imported - ready, first - imported)
    )
    return Start(runtime, imports, answer, 1000 * second, peak_mib)


def _get_event(env: Mapping[str, str], job_id: str) -> dict[str, Any]:
    """Return API Gateway's event for `GET /jobs/{job_id}`."""
    return _gateway_event(env, "GET", "/jobs/{job_id}", {"job_id": job_id}, None)


def _post_event(env: Mapping[str, str], dataset: str) -> dict[str, Any]:
    """Return API Gateway's event for `POST /uploads`."""
    return _gateway_event(
        env, "POST", "/uploads", None, json.dumps({"filename": FILE.name, "dataset": dataset})
    )


def _gateway_event(
    env: Mapping[str, str], method: str, path: str, parameters: dict[str, str] | None, body: str | None
) -> dict[str, Any]:
    return {
        "requestContext": {"httpMethod": method, "resourcePath": path, "requestId": "bench"},
        "pathParameters": parameters,
        "multiValueQueryStringParameters": None,
        "headers": {"Content-Type": "application/json", **key_headers(env)},
        "body": body,
        "isBase64Encoded": False,
        "stageVariables": None,
    }


def _message_event(job_id: str) -> dict[str, Any]:
    """Return SQS's event for a message about the job."""
    message = {
        "messageId": "bench",
        "body": json.dumps({"job_id": job_id}),
        "receiptHandle": "bench",  # SQS refuses it, and the worker ignores that
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    return {"Records": [message]}
