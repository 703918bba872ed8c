"""The embedded development stack: real Postgres, Redis and LocalStack, without Docker.

Read in this order: `cli` -> `stack` -> the services (`postgres`, `redis`, `localstack`, `worker`) ->
`services` -> `processes` -> `launch`. :mod:`infra.emulator` deploys the application to LocalStack.
"""
