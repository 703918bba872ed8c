"""The staged copy: what a deployment consists of and nothing else, ready for Chalice.

Its requirements are installed, thinned out and compiled by :mod:`infra.packages`, so packages are small and
start fast.
"""

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from infra.deployment.configuration import (
    CERTIFICATES,
    DATABASE_CA,
    FUNCTIONS,
    Document,
    copy_of,
    write_stage,
)
from infra.packages.build import build_vendor, copy_source
from infra.packages.bytecode import RUNNING
from infra.steps.errors import StepError
from infra.steps.layout import CHECKOUT

# The client, the tests and the tools are not deployed.
STAGED = ("app.py", "chalicelib", "requirements.txt", ".chalice/policies")
# Chalice keeps these between deployments: the record of what exists on AWS, and the packages it built.
KEPT = ("deployed", "deployments")
_ARCHITECTURE = "x86_64"  # Lambda's default


def stage_application(
    folder: Path,
    stage: str,
    config: Document,
    policies: Mapping[str, Document] = MappingProxyType({}),
) -> None:
    """Make `folder` the staged copy for `stage`. Raises `StepError`.

    `config` becomes its `.chalice/config.json`. `policies` are those of the stage that the checkout lacks.
    """
    _clear(folder)
    for name in STAGED:
        source, target = CHECKOUT / name, folder / name
        if not source.exists():
            raise StepError("app", f"{source} is missing: there is nothing to deploy")
        copy_source(source, target)
    certificates = CHECKOUT / ".chalice" / CERTIFICATES / f"{stage}.pem"
    if certificates.exists():
        copy_source(certificates, folder / DATABASE_CA)
    write_stage(folder, stage, _without_retention(config, stage), policies)
    _check_configured(folder, stage, config)
    architecture = config["stages"][stage].get("lambda_architecture", _ARCHITECTURE)
    build_vendor(folder, python=RUNNING, architecture=architecture)


def _check_configured(folder: Path, stage: str, config: Document) -> None:
    functions = config["stages"].get(stage, {}).get("lambda_functions", {})
    files = [functions.get(name, {}).get("iam_policy_file") for name in FUNCTIONS]
    if not all(file and (folder / ".chalice" / file).exists() for file in files):
        raise StepError("app", f"stage {stage} is not configured: run infra.configure first")


def _clear(folder: Path) -> None:
    """Remove an earlier staged copy, except what Chalice keeps.

    Chalice writes a package under its final name, and takes a package of that name for a whole one. So one
    that a killed run left unfinished is removed, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [path for path in folder.iterdir() if path.name != ".chalice"]
    paths += [path for path in folder.glob(".chalice/*") if path.name not in KEPT]
    paths += [path for path in folder.glob(".chalice/deployments/*.zip") if not zipfile.is_zipfile(path)]
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _without_retention(config: Document, stage: str) -> Document:
    """Return the configuration without the retention, which Chalice would set for the wrong log group."""
    result = copy_of(config)
    result["stages"].get(stage, {}).pop("log_retention_in_days", None)
    return result
