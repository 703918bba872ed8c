"""Other settings for functions of a stack while it runs: much quicker than to deploy them again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.emulator import resources
from infra.emulator.application import OLD_POLLER_SECONDS
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

API, INTAKE = "sluice-local", "sluice-local-on_upload"


@contextmanager
def function_settings(endpoint: str, *functions: str, **settings: str) -> Iterator[None]:
    """Add environment variables to those functions, and take them away again."""
    client = resources.functions(endpoint)
    before = {
        name: client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        for name in functions
    }
    try:
        _set(client, {name: {**own, **settings} for name, own in before.items()})
        yield
    finally:
        _set(client, before)


def _set(client: "LambdaClient", variables: dict[str, dict[str, str]]) -> None:
    for name, own in variables.items():
        client.update_function_configuration(FunctionName=name, Environment={"Variables": own})

    def are_updated() -> bool:
        found = [client.get_function_configuration(FunctionName=name) for name in variables]
        return all(it["LastUpdateStatus"] == "Successful" for it in found)

    wait_for(are_updated)
    if INTAKE in variables:  # it gets events; the others are invoked directly
        time.sleep(OLD_POLLER_SECONDS)
