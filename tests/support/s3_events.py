"""Events as S3 sends them to a Lambda function."""

from typing import Any


def s3_event(*keys: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": "bucket"},
                    "object": {"key": key, "size": 5, "eTag": "e", "sequencer": "1"},
                },
            }
            for key in keys
        ]
    }
