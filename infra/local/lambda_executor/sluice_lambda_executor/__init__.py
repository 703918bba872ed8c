"""The plugin that LocalStack finds by its entry point."""

# LocalStack lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found,misc,no-any-return"

from typing import Any

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class SubprocessExecutorPlugin(RuntimeExecutorPlugin):
    name = "sluice-subprocess"

    def load(self, *_args: Any, **_kwargs: Any) -> type:
        # Late, because LocalStack imports every plugin it finds, wanted or not.
        from .executor import SubprocessExecutor  # noqa: PLC0415

        return SubprocessExecutor
