"""The implementations of the ports: S3, SQS, Redis, Postgres. None of them knows another."""
