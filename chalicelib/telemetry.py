"""Structured logs and metrics, one of each for the whole process (Powertools for AWS Lambda)."""

from aws_lambda_powertools import Logger, Metrics

# Chalice has a logger named after the app; one of the same name here would print every line twice.
logger = Logger(service="sluice-service")
metrics = Metrics(namespace="Sluice", service="sluice")
