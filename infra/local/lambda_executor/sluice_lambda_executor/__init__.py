"""The plugin that LocalStack finds by its entry point."""

# LocalStack lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found,misc,no-any-return"

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class SubprocessExecutorPlugin(RuntimeExecutorPlugin):
    """Announces the executor under the name that `LAMBDA_RUNTIME_EXECUTOR` selects."""

    name = "sluice-subprocess"

    def load(self, *_args: object, **_kwargs: object) -> type:
        """Return the executor's class."""
        # Late, because LocalStack imports every plugin it finds, wanted or not.
        from .executor import SubprocessExecutor

        return SubprocessExecutor
