"""What fills the ports: S3, SQS, Redis, Postgres. None of them knows another."""
