"""The application on LocalStack: the real `chalice deploy`, from a staged copy."""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from infra.deployment import chalice, configuration, functions, staging
from infra.emulator import resources
from infra.emulator.environment import aws_env
from infra.steps import commands
from infra.steps.layout import Layout
from infra.steps.pip import pip_env

STAGE = "local"
# LocalStack keeps polling a function's events for this long after an update replaced it. An event that the
# old poller receives is hidden until its visibility timeout of 90 s has passed. LocalStack does not report
# the end.
OLD_POLLER_SECONDS = 2.5


def deploy(
    layout: Layout,
    endpoint: str,
    localstack: str,
    variables: Mapping[str, str],
    of_functions: configuration.FunctionSettings = configuration.NO_SETTINGS,
) -> tuple[str, bool]:
    """Deploy the application with `variables` as its environment, unless exactly that is deployed.

    `of_functions` has further variables of single functions, which come before.
    `localstack` identifies the running LocalStack: a new one has no deployments.
    Return the API's URL and whether anything changed. Raises `StepError`.
    """
    folder = layout.build / "app"
    previous = _read(_state(layout))
    _state(layout).unlink(missing_ok=True)
    is_update = previous.get("localstack") == localstack
    if not is_update:
        shutil.rmtree(folder / ".chalice" / "deployed", ignore_errors=True)
    _stage(folder, variables, of_functions)
    state = {"localstack": localstack, "version": version_of(folder)}
    changed = previous != state or not chalice.record_of(folder, STAGE).exists()
    if changed:
        _run_chalice(layout, folder, endpoint)
        if is_update:
            time.sleep(OLD_POLLER_SECONDS)
    url = api_url(folder, endpoint, STAGE)
    _state(layout).write_text(json.dumps(state))
    return url, changed


def _stage(folder: Path, variables: Mapping[str, str], of_functions: configuration.FunctionSettings) -> None:
    outputs = resources.outputs()
    config = configuration.configure_stage(
        configuration.read_config(), STAGE, outputs, settings=variables, of_functions=of_functions
    )
    staging.stage_application(folder, STAGE, config, configuration.fill_policies(STAGE, outputs))


def _run_chalice(layout: Layout, folder: Path, endpoint: str) -> None:
    log = layout.log("deploy")
    log.unlink(missing_ok=True)
    env = pip_env(layout) | aws_env(endpoint) | chalice.ENV
    argv = (*chalice.fast_chalice(), "deploy", "--stage", STAGE)
    commands.run_logged("app", "chalice deploy", commands.Command(argv, env, folder), log)
    _remove_old_packages(folder)
    functions.finish_functions(
        chalice.deployed_functions(folder, STAGE),
        resources.functions(endpoint),
        resources.logs(endpoint),
        dead_letters=resources.outputs()["EventsDeadLetterQueueArn"],
        retention_days=None,  # LocalStack ends before any log grows old
    )


def _remove_old_packages(folder: Path) -> None:
    """Keep the newest package only. Chalice keeps all, and each code change makes one."""
    packages = sorted(folder.glob(".chalice/deployments/*.zip"), key=lambda path: path.stat().st_mtime)
    for package in packages[:-1]:
        package.unlink()


def version_of(folder: Path) -> str:
    """Return a hash that changes with the name or content of any staged file."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not (name.parts[0] == ".chalice" and name.parts[1] in staging.KEPT):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def api_url(folder: Path, endpoint: str, stage: str) -> str:
    """Return the deployed API's URL on LocalStack. Chalice prints one of AWS instead."""
    identifier = chalice.deployed_api(folder, stage)
    config = json.loads((folder / ".chalice" / "config.json").read_text())
    return f"{endpoint}/_aws/execute-api/{identifier}/{config['stages'][stage]['api_gateway_stage']}"


def deployed_url(layout: Layout, endpoint: str, localstack: str) -> str | None:
    """Return the API's URL if the application is deployed on the running LocalStack."""
    if _read(_state(layout)).get("localstack") != localstack:
        return None
    return api_url(layout.build / "app", endpoint, STAGE)


def forget(layout: Layout) -> None:
    """Forget the deployment: LocalStack has ended, and the application with it."""
    _state(layout).unlink(missing_ok=True)


def _state(layout: Layout) -> Path:
    return layout.run / "deployed"


def _read(file: Path) -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return state
