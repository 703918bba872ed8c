"""Deploying the templates to a CloudFormation in memory. tests/integration uses LocalStack's."""

import argparse
from typing import Any

import pytest

from infra import stacks
from infra.stacks import StackFailedError
from infra.steps.progress import to_nowhere
from tests.support.cloudformation import Cloud

TROUBLE = "Bucket: CREATE_FAILED: the name is taken"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("infra.stacks.time.sleep", lambda _: None)
    return Cloud()


def deploy(cloud: Any, *templates: str, stage: str = "dev", **values: dict[str, str]) -> list[str]:
    """Return the reported result of each template."""
    lines: list[str] = []
    stacks.deploy(cloud, stage, templates, values, report=lines.append)
    return [line.split()[1] for line in lines if "changing" not in line]


def test_a_stack_is_created_then_unchanged_then_updated(cloud: Any) -> None:
    assert deploy(cloud, "storage", "network") == ["created", "created"]
    assert deploy(cloud, "storage", "network") == ["unchanged", "unchanged"]
    assert deploy(cloud, "storage", storage={"MaxWorkers": "3"}) == ["updated"]
    assert cloud.calls == [
        "create sluice-dev-storage",
        "create sluice-dev-network",
        "update sluice-dev-storage",
    ]


def test_a_parameter_keeps_its_value(cloud: Any) -> None:
    deploy(cloud, "worker", worker={"Image": "one", "MaxWorkers": "20"})
    deploy(cloud, "worker", worker={"Image": "two"})
    assert cloud.parameters("sluice-dev-worker") == {"Stage": "dev", "Image": "two", "MaxWorkers": "20"}


def test_a_parameter_removed_from_the_template_is_dropped(cloud: Any) -> None:
    deploy(cloud, "worker", worker={"Image": "one", "Old": "x"})
    deploy(cloud, "worker", worker={"Image": "two"})
    assert "Old" not in cloud.parameters("sluice-dev-worker")


def test_monitoring_gets_the_deployed_templates(cloud: Any) -> None:
    deploy(cloud, "database", "cache", "monitoring")
    told = {"WithDatabase": "true", "WithCache": "true", "WithWorker": "false"}
    assert cloud.parameters("sluice-dev-monitoring") == {"Stage": "dev", **told}
    assert cloud.parameters("sluice-dev-cache") == {"Stage": "dev"}


def test_deployed_templates_stay_selected(cloud: Any) -> None:
    always = ["storage", "network", "database", "monitoring"]
    assert stacks.select_templates(cloud, "dev", []) == always
    deploy(cloud, "cache")
    assert stacks.select_templates(cloud, "dev", ["worker"]) == list(stacks.TEMPLATES)
    assert stacks.select_templates(cloud, "prod", []) == always


def test_a_stack_whose_creation_failed_is_recreated(cloud: Any) -> None:
    cloud.failing.add("sluice-dev-storage")
    with pytest.raises(StackFailedError, match="ROLLBACK_COMPLETE"):
        deploy(cloud, "storage", "network")
    assert "sluice-dev-network" not in cloud.stacks  # it would need the other's exports
    cloud.failing.clear()
    assert deploy(cloud, "storage") == ["created"]
    assert cloud.calls == [
        "create sluice-dev-storage",
        "delete sluice-dev-storage",
        "create sluice-dev-storage",
    ]


def test_failures_of_the_last_operation_are_reported_in_order(cloud: Any) -> None:
    stack = "AWS::CloudFormation::Stack"
    cloud.failing.add("sluice-dev-storage")
    cloud.events = [  # newest first
        {"ResourceType": stack, "ResourceStatus": "ROLLBACK_COMPLETE"},
        event("Queue", "Resource creation cancelled"),
        event("Bucket", "the name is taken"),
        {"ResourceType": stack, "ResourceStatus": "CREATE_IN_PROGRESS"},
        event("Old", "long ago"),
    ]
    with pytest.raises(StackFailedError) as failed:
        deploy(cloud, "storage")
    assert failed.value.reasons == [TROUBLE, "Queue: CREATE_FAILED: Resource creation cancelled"]
    assert str(failed.value).splitlines()[:2] == ["sluice-dev-storage: ROLLBACK_COMPLETE", f"  {TROUBLE}"]


def event(resource: str, reason: str) -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceType": "AWS::S3::Bucket",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
    }


def test_a_failed_change_set_is_an_error_not_an_absence_of_changes(cloud: Any) -> None:
    cloud.refusal = "No export named sluice-dev-VpcId found"
    with pytest.raises(StackFailedError, match="No export named"):
        deploy(cloud, "database")
    cloud.refusal = ""
    assert deploy(cloud, "database") == ["created"]  # a stack that was only planned does not prevent it


def test_a_running_operation_is_waited_for(cloud: Any) -> None:
    deploy(cloud, "storage")
    cloud.stacks["sluice-dev-storage"]["coming"] = ["UPDATE_IN_PROGRESS"] * 3 + ["UPDATE_COMPLETE"]
    assert deploy(cloud, "storage") == ["unchanged"]
    assert cloud.stacks["sluice-dev-storage"]["coming"] == ["UPDATE_COMPLETE"]


def test_production_is_protected(cloud: Any) -> None:
    deploy(cloud, "storage")
    assert cloud.protected == []
    deploy(cloud, "storage", stage="prod")
    assert cloud.protected == ["sluice-prod-storage"]


def test_stacks_are_deleted_in_reverse_order(cloud: Any) -> None:
    deploy(cloud, "storage", "network", "monitoring")
    deploy(cloud, "storage", stage="prod")
    cloud.calls.clear()
    stacks.delete(cloud, "dev", report=to_nowhere)
    assert cloud.calls == [
        "delete sluice-dev-monitoring",
        "delete sluice-dev-network",
        "delete sluice-dev-storage",
    ]
    assert list(cloud.stacks) == ["sluice-prod-storage"]


def test_a_failed_deletion_stops_the_command(cloud: Any) -> None:
    deploy(cloud, "storage", "network")
    cloud.failing.add("sluice-dev-network")
    with pytest.raises(StackFailedError, match="DELETE_FAILED"):
        stacks.delete(cloud, "dev", report=to_nowhere)
    assert "sluice-dev-storage" in cloud.stacks


def test_outputs_are_the_stages_own(cloud: Any) -> None:
    cloud.exports = {
        "sluice-dev-VpcId": "v",
        "sluice-prod-VpcId": "w",
        "other": "x",
        "sluice-dev-RedisUrl": "r",
    }
    assert stacks.outputs("dev", cloud) == {"VpcId": "v", "RedisUrl": "r"}


def test_arguments_become_parameter_values() -> None:
    typed = "deploy --stage prod --with worker --with cache --image i"
    typed += " --parameter worker.MaxWorkers=20 --parameter storage.AllowedOrigins=https://a.example?x=y"
    told = stacks.parser().parse_args(typed.split())
    assert (told.stage, told.extra) == ("prod", ["worker", "cache"])
    assert stacks.merge_values(told.parameter, told.image) == {
        "worker": {"Image": "i", "MaxWorkers": "20"},
        "storage": {"AllowedOrigins": "https://a.example?x=y"},
    }


def test_one_key_is_for_all_templates_that_store_something() -> None:
    typed = "deploy --stage prod --key k --parameter cache.KmsKeyArn=other"
    told = stacks.parser().parse_args(typed.split())
    assert stacks.merge_values(told.parameter, told.image, told.key) == {
        **{name: {"KmsKeyArn": "k"} for name in ("storage", "database", "worker")},
        "cache": {"KmsKeyArn": "other"},
    }


@pytest.mark.parametrize("text", ["MaxWorkers=20", "worker.=1", "worker.MaxWorkers", "other.A=1", ""])
def test_a_parameter_without_its_template_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        stacks.parse_assignment(text)
