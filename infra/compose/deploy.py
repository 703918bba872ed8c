"""`python -m infra.compose.deploy`: deploy to the LocalStack at AWS_ENDPOINT_URL.

It creates the bucket and the queues and deploys the functions. These get the settings in this command's own
environment, which are the worker's too. The command is idempotent; on a restarted LocalStack it deploys
everything.
"""

import json
import os
import sys

from chalicelib import settings
from infra.emulator import application, resources
from infra.emulator.environment import OPENER, application_env
from infra.steps.errors import StepError, exit_status
from infra.steps.layout import Layout
from infra.steps.progress import step, to_terminal
from infra.steps.signals import end_on_sigterm


def deploy(env: dict[str, str], layout: Layout) -> str:
    """Deploy with the settings in `env` and return the API's URL as seen from outside the containers.

    Raises `StepError`, `SettingError`, and `OSError` when LocalStack does not respond.
    """
    endpoint = env["AWS_ENDPOINT_URL"]
    identity = session_id(endpoint)
    with step(to_terminal, "resources", "creating") as current:
        created = resources.ensure(endpoint, settings.load(env).allowed_origins)
        check(env, created)
        current.result = f"bucket {created.bucket}, queue {created.queue_url}"
    with step(to_terminal, "app", "deploying") as current:
        url, changed = application.deploy(layout, endpoint, identity, application_env(env))
        current.result = "deployed" if changed else "is deployed already"
    return url.replace(endpoint, env["S3_PUBLIC_ENDPOINT_URL"], 1)


def session_id(endpoint: str) -> str:
    """Return the identifier of this run of LocalStack. A restarted one has no deployments."""
    with OPENER.open(f"{endpoint}/_localstack/info", timeout=10) as response:
        return str(json.load(response)["session_id"])


def check(env: dict[str, str], created: resources.Resources) -> None:
    """Raise `StepError` if the settings in `env`, which the worker gets too, name other resources."""
    expected = {
        "SLUICE_BUCKET": created.bucket,
        "SLUICE_QUEUE_URL": created.queue_url,
        "SLUICE_DEAD_LETTER_QUEUE_URL": created.dead_letter_url,
    }
    for name, value in expected.items():
        if env[name] != value:
            raise StepError("resources", f"{name} is {env[name]}, but LocalStack says {value}")


def main() -> int:
    """Run the command. Return 0, or 1 after saying why it failed."""
    return exit_status(
        lambda: to_terminal(f"\n  {deploy(dict(os.environ), Layout.at())}"), settings.SettingError
    )


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
