"""The embedded development stack: real Postgres, Redis and LocalStack, without Docker.

Read in this order: `cli` -> `stack` -> the parts (`postgres`, `redis`, `localstack`, `resources`,
`application`, `worker`) -> `services` -> `processes` -> `launch`.
"""
