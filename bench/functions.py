"""The deployed functions: how large they are, how long they take cold and warm, where a cold start goes.

What LocalStack and the machine cost by themselves is measured in the same run, in turn with Sluice: an empty
function behind the same gateway, run by the same executor.
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
import psycopg

from bench.figures import Measured, Table, percentiles, ratios, spread
from bench.world import World
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
PATIENCE = 60.0  # seconds
EMPTY_NAME = "empty function"
EMPTY = 'def answer(event, context):\n    return {"statusCode": 200, "body": "{}"}\n'

_ABOUT_PACKAGES = "MiB, beside AWS's limits: zipped of each part, unzipped of function and layer together."
_ABOUT_REQUESTS = f"""\
Milliseconds. Cold is a new process's first request; after it {REQUESTS} of each, in turn. The empty function
stands behind the same gateway and is run by the same executor: it is what LocalStack costs by itself."""
_ABOUT_STARTS = """\
Milliseconds of each step, medians: the interpreter with AWS's own part, the imports, the first answer
(connections are made then), these together, and the second answer."""

# What a function's process does, with the time after each step. What it is to answer comes as arguments.
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
from chalicelib.entrypoints.lambda_worker import work
def answer():
    work(app.services(), event, 60)
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

_FORGET = (
    "DELETE FROM validation_errors WHERE job_id IN (SELECT id FROM ingestion_jobs WHERE dataset_id = %s)",
    "DELETE FROM ingestion_blocks WHERE job_id IN (SELECT id FROM ingestion_jobs WHERE dataset_id = %s)",
    "DELETE FROM ingested_data WHERE dataset_id = %s",
)
_FORGET_JOBS = "DELETE FROM ingestion_jobs WHERE dataset_id = %s RETURNING bucket, key, uploaded_at"


@dataclass(frozen=True)
class Route:
    """A request, and the function that answers it."""

    name: str
    function: str
    request: httpx.Request
    status: int


@dataclass(frozen=True)
class Times:
    """Milliseconds: of the first request to a new process, and percentiles of those after it."""

    cold: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Start:
    """A function's process by itself: milliseconds a step, and its peak memory once it has answered."""

    runtime: float  # the interpreter, and AWS's own part
    imports: float
    first: float
    second: float
    peak_mib: float


_Figures = TypeVar("_Figures", Times, Start)


def measure(place: World, rounds: int, _rows: int) -> Measured:
    """Packages, requests through the gateway, and the functions' processes by themselves."""
    env = place.env
    with TemporaryDirectory(dir=place.folder) as folder, loaded(env) as (dataset, job_id):
        packages = sizes(Path(folder), RUNNING, tuple(ARCHITECTURES))
        times = _requests(place, rounds, _routes(env, dataset, job_id))
        starts = _starts(env, Path(folder), rounds, job_id, dataset)
    tables = [_packages_table(packages), _requests_table(times), _starts_table(starts)]
    return Measured(tables, _each(times) | _each(starts))


def _each(found: Mapping[str, Sequence[_Figures]]) -> dict[str, list[float]]:
    """Every figure of every round, by what it is of."""
    return {
        f"{name}: {kind}": [getattr(row, kind) for row in rows]
        for name, rows in found.items()
        for kind in vars(rows[0])
    }


def _packages_table(packages: Sequence[Size]) -> Table:
    lines = [
        [it.name, it.architecture, f"{it.zipped / MIB:.1f}", f"{it.unzipped / MIB:.1f}"] for it in packages
    ]
    lines.append(["limit", "each; together", f"{MAX_ZIPPED // MIB}", f"{MAX_UNZIPPED // MIB}"])
    return Table("Packages", _ABOUT_PACKAGES, ["part", "architecture", "zipped", "unzipped"], lines)


def _requests(place: World, rounds: int, own: Sequence[Route]) -> dict[str, list[Times]]:
    found: dict[str, list[Times]] = {}
    lambdas = functions(place.env["AWS_ENDPOINT_URL"])
    with (
        empty_function(place.env, lambdas) as floor,
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
    ):
        routes = (floor, *own)
        try:
            for number in range(1, rounds + 1):
                colds = [cold(client, lambdas, place.layout, route) for route in routes]
                for route, first, others in zip(routes, colds, warm(client, routes), strict=True):
                    times = Times(first, *percentiles(others))
                    found.setdefault(route.name, []).append(times)
                    told = f"cold {times.cold:.0f} ms, p50 {times.p50:.1f}, p95 {times.p95:.1f}"
                    print(f"  {route.name}, round {number}: {told}", flush=True)
        finally:
            lambdas.update_function_configuration(FunctionName=API, Description="")
    return found


def _requests_table(found: Mapping[str, Sequence[Times]]) -> Table:
    floors = found[EMPTY_NAME]
    lines = []
    for name, rows in found.items():
        columns = [[getattr(row, kind) for row in rows] for kind in ("cold", "p50", "p95", "p99")]
        colds = ratios([it.cold for it in rows], [it.cold for it in floors])
        warms = ratios([it.p50 for it in rows], [it.p50 for it in floors])
        lines.append([name, *(spread(it, 1) for it in columns), spread(colds, 2), spread(warms, 2)])
    heads = ["ms", "cold", "p50", "p95", "p99", "cold, to empty", "p50, to empty"]
    return Table("Requests through the gateway", _ABOUT_REQUESTS, heads, lines)


def _starts(
    env: Mapping[str, str], place: Path, rounds: int, job_id: str, dataset: str
) -> dict[str, list[Start]]:
    get, post, message = _get(job_id), _post(dataset), _message(job_id)
    (ours, layer), (our_sources, layer_sources) = unpacked(place)
    programs = {
        "GET /jobs/{id} alone": (_API, [ours], get),
        "POST /uploads alone": (_API, [ours], post),
        "GET alone, no bytecode": (_API, [our_sources], get),
        "on_job": (_WORKER, [ours, layer], message),  # about a job that is done already
        "on_job, no bytecode": (_WORKER, [our_sources, layer_sources], message),
    }
    found: dict[str, list[Start]] = {}
    for _ in range(rounds):
        for name, (program, path, event) in programs.items():
            found.setdefault(name, []).append(start(env, program, path, event))
    return found


def _starts_table(found: Mapping[str, Sequence[Start]]) -> Table:
    lines = []
    for name, rows in found.items():
        it = medians(rows)
        together = it.runtime + it.imports + it.first
        columns = (it.runtime, it.imports, it.first, together, it.second, it.peak_mib)
        lines.append([name, *(f"{figure:.0f}" for figure in columns)])
    heads = ["ms", "runtime", "imports", "first", "together", "second", "peak, MiB"]
    return Table("A function's process by itself", _ABOUT_STARTS, heads, lines)


@contextmanager
def loaded(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The sample in a dataset of its own, and the id of its job; gone afterwards."""
    dataset = f"bench-{uuid4().hex}"
    url = env["SLUICE_URL"]
    try:
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            asked = client.post(f"{url}/uploads", json={"filename": FILE.name, "dataset": dataset})
            ticket = asked.raise_for_status().json()
            client.put(ticket["upload"]["url"], content=FILE.read_bytes()).raise_for_status()
            deadline = time.monotonic() + PATIENCE
            while client.get(url + ticket["links"]["job"]).raise_for_status().json()["status"] != "COMPLETED":
                if time.monotonic() > deadline:
                    raise RuntimeError("the sample was not loaded: see the worker's log")
                time.sleep(0.2)
        yield dataset, ticket["job_id"]
    finally:
        forget(env["DATABASE_URL"], dataset)


def forget(database_url: str, dataset: str) -> None:
    """Remove all that Postgres and S3 hold of a dataset."""
    with psycopg.connect(database_url) as connection:
        number = connection.execute("SELECT id FROM datasets WHERE name = %s", [dataset]).fetchone()
        if number is None:
            return
        for statement in _FORGET:
            connection.execute(statement, number)
        jobs = connection.execute(_FORGET_JOBS, number).fetchall()
        connection.execute("DELETE FROM datasets WHERE name = %s", [dataset])
    for bucket, key, uploaded_at in jobs:
        if uploaded_at:
            boto3.client("s3").delete_object(Bucket=bucket, Key=key)


def _routes(env: Mapping[str, str], dataset: str, job_id: str) -> tuple[Route, ...]:
    url = env["SLUICE_URL"]
    upload = httpx.Request("POST", f"{url}/uploads", json={"filename": FILE.name, "dataset": dataset})
    return (
        Route("POST /uploads", API, upload, 202),
        Route("GET /jobs/{id}", API, httpx.Request("GET", f"{url}/jobs/{job_id}"), 200),
    )


@contextmanager
def empty_function(env: Mapping[str, str], lambdas: "LambdaClient") -> Iterator[Route]:
    """A function that does nothing, behind a gateway of its own on the same LocalStack; gone afterwards."""
    name = f"bench-{uuid4().hex}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("empty.py", EMPTY)
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
        yield Route(EMPTY_NAME, name, httpx.Request("GET", url), 200)
    finally:
        gateway.delete_rest_api(restApiId=api)
        lambdas.delete_function(FunctionName=name)


def cold(client: httpx.Client, lambdas: "LambdaClient", layout: Layout, route: Route) -> float:
    """How long a request takes that no process waits for. Raises RuntimeError if one did."""
    before = _processes(layout, route.function)
    # any change of its configuration makes Lambda start the function anew
    lambdas.update_function_configuration(FunctionName=route.function, Description=f"bench {uuid4().hex}")
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=route.function, WaiterConfig={"Delay": 1})
    elapsed = _timed(client, route)
    if not _processes(layout, route.function) - before:
        raise RuntimeError(f"{route.function} was not started anew")
    return elapsed


def warm(client: httpx.Client, routes: Sequence[Route]) -> list[list[float]]:
    """Requests in turn, so that whatever else the machine does concerns all routes alike; a list a route."""
    for route in routes:  # the API's process has answered one route, and not yet the other
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
    """The processes of a function."""
    wanted = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
    found = set()
    for pid in processes.marked(processes.marker(layout, "localstack")):
        with suppress(OSError):  # it has ended
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def medians(rows: Sequence[_Figures]) -> _Figures:
    """The median of each figure by itself."""
    kind = type(rows[0])
    return kind(*(median(column) for column in zip(*(vars(it).values() for it in rows), strict=True)))


def unpacked(place: Path) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """Where the code of function and layer is: with its bytecode, and without.

    Both are those for this machine of what `sizes` built in `place`. What AWS's runtime brings has its
    bytecode either way.
    """
    machine = next(it for it, name in ARCHITECTURES.items() if name == platform.machine())
    whole, sources = place / "whole", place / "sources"
    for part in ("function", "layer"):
        with zipfile.ZipFile(place / f"{RUNNING}-{machine}" / f"{part}.zip") as opened:
            opened.extractall(whole / part)
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
        "PYTHONDONTWRITEBYTECODE": "1",  # else what has none would have some the second time
    }
    command = [str(installs.LAMBDA.python), "-sP", "-c", _BEGIN + program + _END, json.dumps(event)]
    began = time.monotonic()  # on Linux all processes have the same
    ended = subprocess.run(command, env=own, cwd=path[0], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"the function's process ended with status {ended.returncode}: {ended.stderr}")
    ready, imported, first, second, peak_mib = json.loads(ended.stdout.splitlines()[-1])
    runtime, imports, answer = (1000 * it for it in (ready - began, imported - ready, first - imported))
    return Start(runtime, imports, answer, 1000 * second, peak_mib)


def _get(job_id: str) -> dict[str, Any]:
    """`GET /jobs/{job_id}` as API Gateway tells a function of it."""
    return _request("GET", "/jobs/{job_id}", {"job_id": job_id}, None)


def _post(dataset: str) -> dict[str, Any]:
    """`POST /uploads`, likewise."""
    return _request("POST", "/uploads", None, json.dumps({"filename": FILE.name, "dataset": dataset}))


def _request(method: str, path: str, parameters: dict[str, str] | None, body: str | None) -> dict[str, Any]:
    return {
        "requestContext": {"httpMethod": method, "resourcePath": path, "requestId": "bench"},
        "pathParameters": parameters,
        "multiValueQueryStringParameters": None,
        "headers": {"Content-Type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
        "stageVariables": None,
    }


def _message(job_id: str) -> dict[str, Any]:
    """A message about the job as SQS tells a function of it."""
    message = {
        "messageId": "bench",
        "body": json.dumps({"job_id": job_id}),
        "receiptHandle": "bench",  # SQS refuses it, and the worker takes that for a message lost
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    return {"Records": [message]}
