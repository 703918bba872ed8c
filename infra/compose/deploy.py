"""`python -m infra.compose.deploy`: bucket, queues and functions onto the LocalStack at AWS_ENDPOINT_URL.

The settings that the functions get are those of its own environment, and so those that the worker has.
Done again it does what is left to do; a LocalStack that was started anew gets everything anew.
"""

import json
import os
import sys

from infra.local import application, resources
from infra.local.errors import StackError
from infra.local.layout import Layout
from infra.local.localstack import OPENER
from infra.local.progress import step, to_terminal
from infra.local.stack import application_env


def deploy(env: dict[str, str], layout: Layout) -> str:
    """Deploys with the settings in `env`; returns where the API answers, as seen from outside.

    Raises `StackError`, and `OSError` when LocalStack does not answer.
    """
    endpoint = env["AWS_ENDPOINT_URL"]
    identity = session(endpoint)
    with step(to_terminal, "resources") as current:
        found = resources.ensure(endpoint)
        check(env, found)
        current.result = f"bucket {found.bucket}, queue {found.queue_url}"
    with step(to_terminal, "app") as current:
        url, changed = application.deploy(layout, endpoint, identity, application_env(env))
        current.result = "deployed" if changed else "is deployed already"
    return url.replace(endpoint, env["S3_PUBLIC_ENDPOINT_URL"], 1)


def session(endpoint: str) -> str:
    """What tells one run of LocalStack from the next, which knows nothing of old deployments."""
    with OPENER.open(f"{endpoint}/_localstack/info", timeout=10) as answer:
        return str(json.load(answer)["session_id"])


def check(env: dict[str, str], found: resources.Resources) -> None:
    """Raises `StackError` if the worker, told by the same settings, would look elsewhere."""
    told = {
        "SLUICE_BUCKET": found.bucket,
        "SLUICE_QUEUE_URL": found.queue_url,
        "SLUICE_DEAD_LETTER_QUEUE_URL": found.dead_letter_url,
    }
    for name, value in told.items():
        if env[name] != value:
            raise StackError("resources", f"{name} is {env[name]}, but LocalStack says {value}")


def main() -> int:
    """Deploys; 1 with the reason on standard error if that fails."""
    try:
        url = deploy(dict(os.environ), Layout.at())
    except StackError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1
    to_terminal(f"\n  {url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
