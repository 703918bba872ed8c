"""A stage's configuration, and the outputs of its stacks."""

from typing import Any

from tests.support.paths import CHECKOUT

ROOT = CHECKOUT


POLICIES = ROOT / ".chalice" / "policies"


_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
OUTPUTS = {
    "BucketName": "sluice-dev-uploads",
    "BucketArn": "arn:aws:s3:::sluice-dev-uploads",
    "JobsQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dev-jobs",
    "JobsQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-jobs",
    "DeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dev-dead",
    "DeadLetterQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-dead",
    "EventsDeadLetterQueueArn": "arn:aws:sqs:eu-west-1:123456789012:sluice-dev-events",
    "UploadTokenSecretArn": f"{_SECRET}sluice-dev-tokens-GhIjKl",
    "DatabaseUrl": "postgresql://db.example:5432/sluice?sslmode=verify-full",
    "DatabaseSecretArn": f"{_SECRET}sluice-dev-AbCdEf",
    "ApiDatabaseSecretArn": f"{_SECRET}sluice-dev-api-AbCdEf",
    "WorkerDatabaseSecretArn": f"{_SECRET}sluice-dev-worker-AbCdEf",
    "SweepDatabaseSecretArn": f"{_SECRET}sluice-dev-sweep-AbCdEf",
    "AnalystDatabaseSecretArn": f"{_SECRET}sluice-dev-analyst-AbCdEf",
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
