"""The application on LocalStack: the real `chalice deploy`, from a staged copy."""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from infra import configure
from infra.deploy import EMULATED, KEPT, deployed_functions, finish, stage_copy
from infra.local import processes, resources
from infra.local.environment import aws_env, pip_env
from infra.local.layout import CHECKOUT, Layout
from infra.local.processes import Command

STAGE = "local"
# LocalStack goes on polling a function's events for this long after an update took its place, and an event
# that the old poller gets is hidden until its visibility timeout of 90 s has passed. Nothing tells when it
# has ended.
_OLD_POLLER_SECONDS = 2.5


def deploy(layout: Layout, endpoint: str, localstack: str, variables: Mapping[str, str]) -> tuple[str, bool]:
    """Deploy the application with `variables` as its environment, unless just that is deployed.

    `localstack` identifies the running LocalStack: a new one knows nothing of old deployments.
    Returns the API's URL and whether anything was done. Raises `StackError`.
    """
    folder = layout.build / "app"
    known = _read(_state(layout))
    _state(layout).unlink(missing_ok=True)
    is_update = known.get("localstack") == localstack
    if not is_update:
        shutil.rmtree(folder / ".chalice" / "deployed", ignore_errors=True)
    outputs = resources.outputs()
    config = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
    config = configure.configured(config, STAGE, outputs, settings=variables)
    stage_copy(folder, STAGE, config, configure.policies(CHECKOUT / ".chalice" / "policies", STAGE, outputs))
    state = {"localstack": localstack, "version": version_of(folder)}
    changed = known != state or not _deployed(folder).exists()
    if changed:
        log = layout.log("deploy")
        log.unlink(missing_ok=True)
        # the staged copy has its bytecode, and Python's own would not be for where functions run
        env = pip_env(layout) | aws_env(endpoint) | {"PYTHONDONTWRITEBYTECODE": "1"}
        argv = (sys.executable, "-P", str(EMULATED), "deploy", "--stage", STAGE)
        processes.logged("app", "chalice deploy", Command(argv, env, folder), log)
        _drop_old_packages(folder)
        finish(
            deployed_functions(folder, STAGE),
            resources.functions(endpoint),
            resources.logs(endpoint),
            dead_letters=outputs["EventsDeadLetterQueueArn"],
            retention_days=None,  # LocalStack ends before any log grows old
        )
        if is_update:
            time.sleep(_OLD_POLLER_SECONDS)
    url = api_url(folder, endpoint, STAGE)
    _state(layout).write_text(json.dumps(state))
    return url, changed


def _drop_old_packages(folder: Path) -> None:
    """Keep the newest package only; Chalice keeps them all, and each code change makes one."""
    packages = sorted(folder.glob(".chalice/deployments/*.zip"), key=lambda p: p.stat().st_mtime)
    for package in packages[:-1]:
        package.unlink()


def version_of(folder: Path) -> str:
    """Changes with the name or content of any staged file."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not (name.parts[0] == ".chalice" and name.parts[1] in KEPT):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def api_url(folder: Path, endpoint: str, stage: str) -> str:
    """Where the deployed API answers (what Chalice prints is an address of AWS's)."""
    resources = json.loads(_deployed(folder, stage).read_text())["resources"]
    identifier = next(r["rest_api_id"] for r in resources if r["resource_type"] == "rest_api")
    stage_name = json.loads((folder / ".chalice" / "config.json").read_text())["stages"][stage][
        "api_gateway_stage"
    ]
    return f"{endpoint}/_aws/execute-api/{identifier}/{stage_name}"


def deployed_url(layout: Layout, endpoint: str, localstack: str) -> str | None:
    """The URL of the API if one is deployed on the LocalStack that runs."""
    if _read(_state(layout)).get("localstack") != localstack:
        return None
    return api_url(layout.build / "app", endpoint, STAGE)


def forget(layout: Layout) -> None:
    """LocalStack has ended, and what was deployed with it."""
    _state(layout).unlink(missing_ok=True)


def _deployed(folder: Path, stage: str = STAGE) -> Path:
    return folder / ".chalice" / "deployed" / f"{stage}.json"


def _state(layout: Layout) -> Path:
    return layout.run / "deployed"


def _read(file: Path) -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return state
