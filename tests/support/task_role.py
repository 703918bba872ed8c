"""The rights of the worker in a container, out of its template."""

from collections.abc import Mapping
from typing import Any

from cfnlint.decode import decode

from infra.stacks import FOLDER

_IMPORTED = "sluice-${Stage}-"


def task_policy(outputs: Mapping[str, str], *true: str) -> dict[str, Any]:
    """Return the policy of the role `TaskRole`, with the outputs of the other stacks.

    ``true`` are the conditions of the template that hold.
    """
    (policy,) = decode(str(FOLDER / "worker.yaml"))[0]["Resources"]["TaskRole"]["Properties"]["Policies"]

    def resolve(value: Any) -> Any:  # noqa: PLR0911 - one for each function of CloudFormation
        match value:
            case {"Fn::If": [condition, one, other]}:
                return resolve(one if condition in true else other)
            case {"Fn::ImportValue": {"Fn::Sub": name}}:
                return outputs[name.removeprefix(_IMPORTED)]
            case {"Fn::Sub": [text, names]}:
                for name, found in names.items():
                    text = text.replace(f"${{{name}}}", resolve(found))
                return text
            case {"Ref": "AWS::NoValue"}:
                return None
            case dict():
                return {name: resolve(item) for name, item in value.items()}
            case list():
                return [found for item in value if (found := resolve(item)) is not None]
        return value

    resolved: dict[str, Any] = resolve(policy["PolicyDocument"])
    return resolved
