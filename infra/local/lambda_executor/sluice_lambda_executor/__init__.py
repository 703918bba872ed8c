"""The plugin that LocalStack loads by its entry point."""

# mypy does not see the environment that LocalStack is installed in.
# mypy: disable-error-code="import-not-found,misc,no-any-return"

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class SubprocessExecutorPlugin(RuntimeExecutorPlugin):
    """The executor's entry, under the name that `LAMBDA_RUNTIME_EXECUTOR` selects."""

    name = "sluice-subprocess"

    def load(self, *_args: object, **_kwargs: object) -> type:
        """Return the executor's class."""
        # A late import, because LocalStack imports every plugin, selected or not.
        from .executor import SubprocessExecutor

        return SubprocessExecutor
