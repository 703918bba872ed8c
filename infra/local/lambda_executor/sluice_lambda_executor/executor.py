"""LocalStack's side: a sandbox for each execution environment, and invocations in it."""

# mypy does not see the environment that LocalStack is installed in.
# mypy: disable-error-code="import-not-found,misc,no-any-return"

import json
import os
import sys
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from .runtime_api import HOST, Event, Invocation
from .sandbox import Sandbox

# The interpreter with awslambdaric, and the folder for one readable log per function.
PYTHON = os.environ.get("SLUICE_LAMBDA_PYTHON") or sys.executable
LOGS = os.environ.get("SLUICE_LAMBDA_LOGS")
# The last one marks the process as one of the embedded stack: see infra/local/processes.py.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SLUICE_STACK_PART")


class SubprocessExecutor(RuntimeExecutor):
    """One execution environment of a function."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._sandbox: Sandbox | None = None
        self._env: dict[str, str] = {}

    def start(self, env_vars: dict[str, object]) -> None:
        """Start the process. Raises `StatusErrorException` if it does not become ready."""
        conf = self.function_version.config
        variables = {name: str(value) for name, value in env_vars.items() if value is not None}
        self._env = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._env |= variables | {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{conf.runtime}",
            "LAMBDA_TASK_ROOT": str(self._code()),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [*self._layers(), variables.get("PYTHONPATH")])),
            "TZ": "UTC",
        }
        self._spawn()

    def _code(self) -> Path:
        return Path(self.function_version.config.code.get_unzipped_code_location())

    def _layers(self) -> list[str]:
        conf = self.function_version.config
        inside = ("python", f"python/lib/{conf.runtime}/site-packages")
        folders = [Path(layer.code.get_unzipped_code_location()) for layer in conf.layers]
        return [str(folder / path) for folder in folders for path in inside]

    def _spawn(self) -> Sandbox:
        sandbox = Sandbox(PYTHON, self._env["_HANDLER"], self._code(), self._env)
        self._sandbox = sandbox
        event = sandbox.wait_for(
            "next", "init_error", "exit", timeout=config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT
        )
        if event.kind == "next":
            return sandbox
        logs = sandbox.take_logs()
        self._append_log(logs)
        body = event.body
        if event.kind != "init_error":
            body = _error("Runtime.ExitError", f"{event.kind} {body.decode()} during init\n{logs}")
        self.stop()
        raise StatusErrorException("Environment startup failed", payload=body)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation and return its result. Every failure of the function is a result too."""
        request_id, limit = payload["invoke-id"], self.function_version.config.timeout
        began = time.time()
        sandbox = self._ready_sandbox()
        sandbox.hand_over(_invocation(payload, began + limit))
        event = _as_on_aws(sandbox.wait_for("response", "error", "exit", timeout=limit), request_id, limit)
        logs = sandbox.take_logs()
        if event.kind in ("timeout", "exit"):
            logs += f"{json.loads(event.body)['errorMessage']}\n"
            self.stop()
        logs = self._frame(request_id, logs, time.time() - began)
        self._append_log(logs)
        return InvocationResult(request_id, event.body, event.kind != "response", logs)

    def _ready_sandbox(self) -> Sandbox:
        """Return the sandbox, or a new one if the last invocation timed out or the process has ended."""
        if self._sandbox and self._sandbox.alive():
            return self._sandbox
        self.stop()
        return self._spawn()

    def _frame(self, request_id: str, logs: str, seconds: float) -> str:
        """Return the log of one invocation with the lines that AWS puts around it."""
        return (
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n"
            f"{logs}END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms\n"
        )

    def _append_log(self, logs: str) -> None:
        """Append to the function's log file, for people."""
        if LOGS and logs:
            name = self.function_version.id.function_name
            with (Path(LOGS) / f"lambda-{name}.log").open("a") as file:
                file.write(logs)

    def stop(self) -> None:
        """End the process, if one runs."""
        if sandbox := self._sandbox:
            self._sandbox = None
            sandbox.close()

    def get_logs(self) -> str:
        """Return the output that was written outside of any invocation."""
        return self._sandbox.take_logs() if self._sandbox else ""

    def get_address(self) -> str:
        """Return where LocalStack reaches the process: on this machine."""
        return HOST

    def get_endpoint_from_executor(self) -> str:
        """Return where the process reaches LocalStack: on this machine too."""
        return HOST

    def get_runtime_endpoint(self) -> str:
        """Return LocalStack's URL. Only the helper program of the Docker executor uses it."""
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzip the function and its layers."""
        for unit in (function_version.config, *function_version.config.layers):
            unit.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Do nothing: LocalStack removes the code itself."""


def _invocation(payload: dict[str, str], deadline: float) -> Invocation:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": payload["invoke-id"],
        "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
        "Lambda-Runtime-Trace-Id": payload["trace-id"],
    }
    return Invocation(headers, payload["payload"].encode())


def _as_on_aws(event: Event, request_id: str, limit: int) -> Event:
    """Return the event with the body that AWS would give it."""
    if event.kind == "timeout":
        text = f"RequestId: {request_id} Error: Task timed out after {limit:.2f} seconds"
        return Event("timeout", _error("Sandbox.Timedout", text))
    if event.kind == "exit":
        status = event.body.decode()
        text = f"RequestId: {request_id} Error: Runtime exited with status {status}"
        return Event("exit", _error("Runtime.ExitError", text))
    if event.kind == "response" and len(event.body) > _payload_limit():
        text = f"Response payload size exceeded the maximum of {_payload_limit()} bytes."
        return Event("error", _error("Function.ResponseSizeTooLarge", text))
    return event


def _payload_limit() -> int:
    return int(config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
