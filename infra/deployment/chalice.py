"""The `chalice` command, and its record of what it deployed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.steps.errors import StepError

CHALICE = Path(sys.executable).with_name("chalice")
FAST_CHALICE = Path(__file__).with_name("fast_chalice.py")
# The staged copy has its bytecode already, made for /var/task. Python's own would name other paths.
ENV = {"PYTHONDONTWRITEBYTECODE": "1"}


def run_chalice(folder: Path, *arguments: str) -> None:
    """Run the `chalice` command in `folder`, on LocalStack with short waits. Raises `StepError`."""
    emulated = "AWS_ENDPOINT_URL" in os.environ
    command = fast_chalice() if emulated else (str(CHALICE),)
    done = subprocess.run((*command, *arguments), cwd=folder, env={**os.environ, **ENV}, check=False)
    if done.returncode:
        raise StepError("app", f"chalice {arguments[0]} ended with status {done.returncode}")


def fast_chalice() -> tuple[str, ...]:
    """Return the command that runs Chalice with the short waits of an emulator."""
    return (sys.executable, "-P", str(FAST_CHALICE))


def record_of(folder: Path, stage: str) -> Path:
    """Return the file below `folder` in which Chalice keeps what it deployed as `stage`."""
    return folder / ".chalice" / "deployed" / f"{stage}.json"


def deployed_api(folder: Path, stage: str) -> str:
    """Return the id of the API that Chalice deployed from `folder`."""
    resources = json.loads(record_of(folder, stage).read_text())["resources"]
    identifier: str = next(it["rest_api_id"] for it in resources if it["resource_type"] == "rest_api")
    return identifier


def deployed_functions(folder: Path, stage: str) -> dict[str, str]:
    """Return the ARNs of the functions that Chalice deployed from `folder`, by their names in the code."""
    resources = json.loads(record_of(folder, stage).read_text())["resources"]
    functions = [resource for resource in resources if resource["resource_type"] == "lambda_function"]
    return {function["name"]: function["lambda_arn"] for function in functions}
