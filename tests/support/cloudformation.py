"""The part of CloudFormation that deploying needs, in memory."""

# ruff: noqa: N803 - the parameters' names are AWS's

import argparse
from typing import Any

from botocore.exceptions import ClientError

MISSING = ClientError(
    {"Error": {"Code": "ValidationError", "Message": "Stack with id x does not exist"}}, "DescribeStacks"
)


class Cloud:
    """The part of CloudFormation that deploying needs. A stack is its status, template and parameters."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.exports: dict[str, str] = {}
        self.calls: list[str] = []
        self.failing: set[str] = set()  # stacks that will not come to be
        self.refusal = ""  # why no change set can be made
        self.events: list[dict[str, str]] = []
        self.protected: list[str] = []
        self._sets: dict[str, dict[str, Any]] = {}

    def parameters(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.stacks[name]["parameters"]
        return found

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        if StackName not in self.stacks:
            raise MISSING
        stack = self.stacks[StackName]
        told = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()]
        status = stack["coming"].pop(0) if len(stack["coming"]) > 1 else stack["coming"][0]
        return {"Stacks": [{"StackStatus": status, "Parameters": told}]}

    def get_template_summary(self, *, TemplateBody: str) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": key} for key in ("Stage", "Image", "MaxWorkers")]}

    def create_change_set(self, **said: Any) -> dict[str, Any]:
        name, before = said["StackName"], self.stacks.get(said["StackName"], {})
        assert said["ChangeSetType"] == ("UPDATE" if before and before["template"] else "CREATE")
        old = before.get("parameters", {})
        values = {
            one["ParameterKey"]: old[one["ParameterKey"]]
            if "UsePreviousValue" in one
            else one["ParameterValue"]
            for one in said["Parameters"]
        }
        made = {"name": name, "template": said["TemplateBody"], "parameters": values}
        made["changes"] = any(before.get(key) != made[key] for key in ("template", "parameters"))
        if not before:
            self.stacks[name] = {"template": "", "parameters": {}, "coming": ["REVIEW_IN_PROGRESS"]}
        self._sets[said["ChangeSetName"]] = made
        return {"Id": said["ChangeSetName"]}

    def describe_change_set(self, *, ChangeSetName: str) -> dict[str, Any]:
        if self.refusal:
            return {"Status": "FAILED", "StatusReason": self.refusal}
        if self._sets[ChangeSetName]["changes"]:
            return {"Status": "CREATE_COMPLETE"}
        return {
            "Status": "FAILED",
            "StatusReason": "The submitted information didn't contain changes. Submit …",
        }

    def delete_change_set(self, *, ChangeSetName: str) -> None:
        del self._sets[ChangeSetName]

    def execute_change_set(self, *, ChangeSetName: str) -> None:
        made = self._sets.pop(ChangeSetName)
        name, verb = made["name"], "UPDATE" if self.stacks[made["name"]]["template"] else "CREATE"
        self.calls.append(f"{verb.lower()} {name}")
        end = "ROLLBACK_COMPLETE" if name in self.failing else f"{verb}_COMPLETE"
        first = "REVIEW_IN_PROGRESS" if verb == "CREATE" else "UPDATE_IN_PROGRESS"  # for a moment, still
        self.stacks[name] = {**made, "coming": [first, f"{verb}_IN_PROGRESS", end]}

    def delete_stack(self, *, StackName: str) -> None:
        self.calls.append(f"delete {StackName}")
        if StackName in self.failing:
            self.stacks[StackName]["coming"] = ["DELETE_IN_PROGRESS", "DELETE_FAILED"]
        else:
            del self.stacks[StackName]

    def update_termination_protection(self, *, StackName: str, EnableTerminationProtection: bool) -> None:
        assert EnableTerminationProtection
        self.protected.append(StackName)

    def get_paginator(self, name: str) -> Any:
        pages = {
            "list_exports": [{"Exports": [{"Name": k, "Value": v}]} for k, v in self.exports.items()],
            "describe_stack_events": [{"StackEvents": [event]} for event in self.events],
        }[name]
        return argparse.Namespace(paginate=lambda **_: iter(pages))
