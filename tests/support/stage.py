"""A stage's configuration, and the outputs of its stacks."""

from typing import Any

from tests.support.paths import CHECKOUT

ROOT = CHECKOUT


POLICIES = ROOT / ".chalice" / "policies"


OUTPUTS = {
    "BucketName": "sluice-dev-uploads",
    "BucketArn": "arn:aws:s3:::sluice-dev-uploads",
    "JobsQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dev-jobs",
    "JobsQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-jobs",
    "DeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dev-dead",
    "DeadLetterQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-dead",
    "EventsDeadLetterQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-events",
    "UploadTokenSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sluice-dev-tokens-GhIjKl",
    "DatabaseUrl": "postgresql://db.example:5432/sluice?sslmode=require",
    "DatabaseSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sluice-dev-AbCdEf",
}


def config() -> dict[str, Any]:
    """Return a configuration like the one in the repository, before `infra.configure` writes to it."""
    function = {"lambda_memory_size": 512}
    return {
        "version": "2.0",
        "app_name": "sluice",
        "lambda_functions": {"on_job": function},
        "stages": {
            "dev": {
                "api_gateway_stage": "dev",
                "environment_variables": {"POWERTOOLS_LOG_LEVEL": "DEBUG", "SLUICE_BUCKET": "before"},
                "lambda_functions": {"on_upload": {"reserved_concurrency": 20}},
            },
            "prod": {"api_gateway_stage": "prod"},
        },
    }
