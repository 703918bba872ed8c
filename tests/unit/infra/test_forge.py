"""What the forge and pre-commit run: the script and the tools of the checkout. Schemas: `make lint`."""

import os
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ruamel.yaml import YAML

from infra.packages.contents import pinned
from tests.support.paths import CHECKOUT

WORKFLOW = ".github/workflows/ci.yml"
PACKAGE_OF = {"lint-imports": "import-linter"}  # where a command is called otherwise than its package


def load(name: str) -> Any:
    return YAML(typ="safe").load(CHECKOUT / name)


def steps() -> list[dict[str, Any]]:
    return [step for job in load(WORKFLOW)["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    assert [step["run"] for step in steps() if "run" in step] == [".ci/run"]
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK)


def test_actions_are_pinned_by_major_version() -> None:
    pins = [step["uses"].partition("@")[2] for step in steps() if "uses" in step]
    assert pins
    assert [pin for pin in pins if not (pin[:1] == "v" and pin[1:].isdigit())] == []


def test_the_workflow_may_read_only_and_ends() -> None:
    workflow = load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "timeout-minutes" not in job] == []


def test_the_workflow_tries_pythons_that_sluice_runs_on() -> None:
    versions = load(WORKFLOW)["jobs"]["gates-and-tests"]["strategy"]["matrix"]["python"]
    assert [it for it in versions if Version(it) not in SpecifierSet(">=3.11,<3.14")] == []


@pytest.mark.parametrize(
    "hook", load(".pre-commit-config.yaml")["repos"][0]["hooks"], ids=lambda it: it["id"]
)
def test_a_hook_runs_a_locked_tool_of_the_checkout(hook: dict[str, Any]) -> None:
    command, *_ = hook["entry"].split()
    assert hook["language"] == "system"
    assert command.startswith(".venv/bin/")
    tool = command.removeprefix(".venv/bin/")
    assert PACKAGE_OF.get(tool, tool) in pinned((CHECKOUT / "requirements-dev.txt").read_text())


def test_hooks_bring_no_tools_of_their_own() -> None:
    assert {repository["repo"] for repository in load(".pre-commit-config.yaml")["repos"]} == {"local"}
