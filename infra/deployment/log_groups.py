"""Log groups: how long they are kept, and the key that they are encrypted with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient


def keep_log_group(logs: "CloudWatchLogsClient", name: str, *, days: int, key: str | None) -> None:
    """Create the log group if it does not exist. Its lines are kept for so many days.

    `key` is the ARN of a KMS key for lines from now on; None: the group keeps the key that it has.
    """
    exists = has_log_group(logs, name)
    if not exists and key is not None:
        logs.create_log_group(logGroupName=name, kmsKeyId=key)
    elif not exists:
        logs.create_log_group(logGroupName=name)
    elif key is not None:
        logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
    logs.put_retention_policy(logGroupName=name, retentionInDays=days)


def has_log_group(logs: "CloudWatchLogsClient", name: str) -> bool:
    """Return whether the log group exists."""
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(candidate["logGroupName"] == name for candidate in groups)
