"""Lambda functions on the embedded LocalStack behave as on AWS, as far as the project relies on it."""

import base64
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.emulator import resources
from infra.local.launch import identity
from tests.support.lambda_functions import ROLE, zipped
from tests.support.waiting import PATIENCE, wait_for

# One function for all cases: what it does is in the event.
CODE = """
import os, sys, time
calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("told to", event["do"])
    return globals()[event["do"]](event, context)

def describe(event, context):
    return {
        "event": event, "calls": calls, "pid": os.getpid(), "greeting": os.environ["GREETING"],
        "name": context.function_name, "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
        "cwd": os.getcwd(), "first_on_path": sys.path[0], "region": os.environ["AWS_REGION"],
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
    }

def fail(event, context):
    raise ValueError("on purpose")

def hang(event, context):
    print("before the end", flush=True)
    time.sleep(60)

def meet(event, context):
    "Return once as many invocations run as are expected."
    open(os.path.join(event["folder"], context.aws_request_id), "w").close()
    while len(os.listdir(event["folder"])) < event["expected"]:
        time.sleep(0.02)
    return os.getpid()

def crash(event, context):
    os._exit(7)

def large(event, context):
    return "x" * (7 << 20)

def find_modules(event, context):
    import importlib.util
    return {name: importlib.util.find_spec(name) is not None for name in event["names"]}

def breed(event, context):
    import subprocess
    return subprocess.Popen(["sleep", "300"]).pid
"""

Invoke = Callable[..., tuple[dict[str, Any], Any]]
Create = Callable[..., str]


@pytest.fixture(scope="module")
def client(services: Mapping[str, str]) -> Any:
    endpoint = services["AWS_ENDPOINT_URL"]
    return resources.session().client("lambda", endpoint_url=endpoint, config=resources.config())


@pytest.fixture(scope="module")
def create(client: Any) -> Iterator[Create]:
    names = []

    def _create(code: str, *, timeout: int = 10) -> str:
        name = f"try-{uuid4().hex[:8]}"
        client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=ROLE,
            Handler="main.handler",
            Code={"ZipFile": zipped(code)},
            Timeout=timeout,
            Environment={"Variables": {"GREETING": "hello, wörld"}},
        )
        names.append(name)
        wait_for(lambda: client.get_function(FunctionName=name)["Configuration"]["State"] == "Active")
        return name

    yield _create
    for name in names:
        with suppress(client.exceptions.ResourceNotFoundException):  # a test may have done so
            client.delete_function(FunctionName=name)


@pytest.fixture(scope="module")
def invoke(client: Any) -> Invoke:
    def _invoke(name: str, **event: Any) -> tuple[dict[str, Any], Any]:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        return answer, json.loads(answer["Payload"].read())

    return _invoke


@pytest.fixture(scope="module")
def function(create: Create) -> str:
    return create(CODE)


@pytest.fixture(scope="module")
def hasty(create: Create) -> str:
    return create(CODE, timeout=3)


def logs_of(answer: dict[str, Any]) -> str:
    return base64.b64decode(answer["LogResult"]).decode()


def test_a_function_gets_its_event_environment_and_context(
    invoke: Invoke, function: str, services: Mapping[str, str]
) -> None:
    answer, said = invoke(function, do="describe", text="ü")

    assert "FunctionError" not in answer
    assert said["event"] == {"do": "describe", "text": "ü"}
    assert said["greeting"] == "hello, wörld"
    assert said["name"] == function
    assert said["arn"].endswith(f":function:{function}")
    assert 0 < said["left"] <= 10_000
    assert said["request"] == answer["ResponseMetadata"]["RequestId"]
    assert said["region"] == "us-east-1"
    assert said["endpoint"] == services["AWS_ENDPOINT_URL"]
    assert said["first_on_path"] == said["cwd"]


def test_an_environment_stays_warm(invoke: Invoke, function: str) -> None:
    _, first = invoke(function, do="describe")
    _, second = invoke(function, do="describe")

    assert second["pid"] == first["pid"]
    assert second["calls"] == first["calls"] + 1


def test_several_invocations_run_at_once(create: Create, invoke: Invoke, tmp_path: Path) -> None:
    patient = create(CODE, timeout=int(PATIENCE))
    with ThreadPoolExecutor(3) as pool:
        meetings = pool.map(lambda _: invoke(patient, do="meet", folder=str(tmp_path), expected=3), range(3))
        pids = [pid for _, pid in meetings]

    assert len(set(pids)) == 3


def test_an_error_of_the_handler_is_the_answer(invoke: Invoke, function: str) -> None:
    answer, said = invoke(function, do="fail")

    assert answer["FunctionError"] == "Unhandled"
    assert (said["errorType"], said["errorMessage"]) == ("ValueError", "on purpose")
    assert said["stackTrace"]
    assert "FunctionError" not in invoke(function, do="describe")[0]


def test_an_invocation_that_takes_too_long_times_out(invoke: Invoke, hasty: str) -> None:
    answer, said = invoke(hasty, do="hang")

    assert answer["FunctionError"] == "Unhandled"
    assert said["errorMessage"].endswith("Task timed out after 3.00 seconds")
    assert "before the end" in logs_of(answer)
    assert invoke(hasty, do="describe")[1]["calls"] == 1  # a new environment


def test_a_function_that_crashes_is_reported_and_replaced(invoke: Invoke, function: str) -> None:
    answer, said = invoke(function, do="crash")

    assert answer["FunctionError"] == "Unhandled"
    assert said["errorType"] == "Runtime.ExitError"
    assert "exited with status 7" in said["errorMessage"]
    assert invoke(function, do="describe")[1]["calls"] == 1


def test_a_process_that_ended_between_invocations_is_replaced(invoke: Invoke, function: str) -> None:
    _, before = invoke(function, do="describe")
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: identity(before["pid"]) is None)

    answer, after = invoke(function, do="describe")

    assert "FunctionError" not in answer
    assert after["pid"] != before["pid"]


def test_a_response_over_6_mb_is_an_error(invoke: Invoke, function: str) -> None:
    answer, said = invoke(function, do="large")

    assert answer["FunctionError"] == "Unhandled"
    assert said["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_missing_module_is_an_error(create: Create, invoke: Invoke) -> None:
    answer, said = invoke(create("import no_such_module"), do="anything")

    assert answer["FunctionError"] == "Unhandled"
    assert said["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'no_such_module'" in said["errorMessage"]


def test_nothing_of_the_project_is_importable(invoke: Invoke, function: str) -> None:
    project = ["psycopg", "redis", "aws_lambda_powertools", "chalice", "chalicelib", "setuptools", "pip"]
    _, found = invoke(function, do="find_modules", names=["boto3", *project])

    assert found == {"boto3": True} | dict.fromkeys(project, False)


def test_an_answer_and_a_file_hold_the_logs(invoke: Invoke, function: str, stack_root: Path) -> None:
    answer, _ = invoke(function, do="describe")
    request = answer["ResponseMetadata"]["RequestId"]

    lines = logs_of(answer).splitlines()
    assert lines[0] == f"START RequestId: {request} Version: $LATEST"
    assert lines[1] == "told to describe"
    assert lines[2] == f"END RequestId: {request}"
    assert lines[3].startswith(f"REPORT RequestId: {request}\tDuration: ")
    file = stack_root / "logs" / f"lambda-{function}.log"
    assert f"START RequestId: {request} Version: $LATEST\ntold to describe\n" in file.read_text()


def test_deleting_a_function_ends_its_processes(client: Any, create: Create, invoke: Invoke) -> None:
    name = create(CODE)
    pids = [invoke(name, do="describe")[1]["pid"], invoke(name, do="breed")[1]]
    assert all(map(identity, pids))

    client.delete_function(FunctionName=name)

    wait_for(lambda: not any(map(identity, pids)))
