"""The kinds of queue that the contract is tried on, and what its tests need beside the ports."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

import boto3
import redis
from botocore.config import Config
from redis.backoff import NoBackoff
from redis.retry import Retry

from chalicelib.backends.redis_streams import GROUP, RedisReceiver, RedisSender
from chalicelib.backends.sqs import SqsReceiver, SqsSender
from chalicelib.core.messages import Delivery
from chalicelib.service.queue import JobReceiver, JobSender

KINDS = ("sqs", "redis")
VISIBILITY = 1.0  # seconds; the least that SQS can do
LONG = 600.0  # seconds; a visibility timeout that no test outlives
MAX_DELIVERIES = 3


class Queue(Protocol):
    """A fresh queue of one kind."""

    def sender(self) -> JobSender:
        """Return a sender to the queue."""

    def receiver(self, *, visibility: float = VISIBILITY) -> JobReceiver:
        """Return another receiver of the queue."""

    def put_raw(self, body: str) -> None:
        """Put a message on the queue that the sender would not write."""

    def expire(self, delivery: Delivery) -> None:
        """Let the message's visibility timeout run out now."""

    def dead_letters(self) -> Sequence[str]:
        """Return the bodies of all messages that ever were dead letters, as the backend holds them."""

    def is_empty(self) -> bool:
        """Return whether the backend holds no message any more, delivered or not."""

    def delete(self) -> None:
        """Remove all of it."""


def make_queue(kind: str, services: Mapping[str, str]) -> Queue:
    """Return a fresh queue on the running stack."""
    return SqsQueue.create(services) if kind == "sqs" else RedisQueue(services["REDIS_URL"])


def unreachable_queue(kind: str, port: int) -> Queue:
    """Return a queue on a port where nothing listens."""
    if kind == "sqs":
        return SqsQueue(sqs_client(f"http://127.0.0.1:{port}", {}), "http://127.0.0.1/0/none", "")
    return RedisQueue(f"redis://127.0.0.1:{port}/0")


def sqs_client(endpoint: str, services: Mapping[str, str]) -> Any:
    """Return a client that does not retry, so that the tests see every error."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=services.get("AWS_DEFAULT_REGION", "us-east-1"),
        aws_access_key_id=services.get("AWS_ACCESS_KEY_ID", "test"),
        aws_secret_access_key=services.get("AWS_SECRET_ACCESS_KEY", "test"),
        config=Config(retries={"total_max_attempts": 1}),
    )


class SqsQueue:
    """A queue with its dead-letter queue."""

    def __init__(self, client: Any, url: str, dead_url: str) -> None:
        self.client = client
        self.url = url
        self.dead_url = dead_url
        self._dead: list[str] = []

    @classmethod
    def create(cls, services: Mapping[str, str]) -> "SqsQueue":
        """Return a fresh pair of queues on the running stack."""
        client, name = sqs_client(services["AWS_ENDPOINT_URL"], services), f"contract-{uuid4().hex}"
        dead_url = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        dead = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": dead["Attributes"]["QueueArn"], "maxReceiveCount": MAX_DELIVERIES}
        attributes = {"RedrivePolicy": json.dumps(policy)}
        return cls(client, client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dead_url)

    def sender(self) -> JobSender:
        return SqsSender(self.client, self.url)

    def receiver(self, *, visibility: float = VISIBILITY) -> JobReceiver:
        return SqsReceiver(
            self.client, self.url, visibility_timeout=visibility, max_deliveries=MAX_DELIVERIES
        )

    def put_raw(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def expire(self, delivery: Delivery) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=delivery.receipt, VisibilityTimeout=0
        )

    def dead_letters(self) -> Sequence[str]:
        """SQS has no way to look without receiving: what is seen is taken, and remembered here."""
        while batch := self.client.receive_message(QueueUrl=self.dead_url).get("Messages"):
            for message in batch:
                self._dead.append(message["Body"])
                self.client.delete_message(QueueUrl=self.dead_url, ReceiptHandle=message["ReceiptHandle"])
        return self._dead

    def is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return all(count == "0" for count in answer["Attributes"].values())

    def delete(self) -> None:
        self.client.delete_queue(QueueUrl=self.url)
        self.client.delete_queue(QueueUrl=self.dead_url)


class RedisQueue:
    """A stream with its dead letters and delays."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self.stream = f"contract:{uuid4().hex}"
        self._receivers = 0

    def sender(self) -> JobSender:
        return RedisSender(self.client, self.stream)

    def receiver(self, *, visibility: float = VISIBILITY, client: redis.Redis | None = None) -> RedisReceiver:
        self._receivers += 1
        return RedisReceiver(
            client or self.client,
            self.stream,
            consumer=f"consumer-{self._receivers}",
            visibility_timeout=visibility,
            max_deliveries=MAX_DELIVERIES,
        )

    def put_raw(self, body: str) -> None:
        self.client.xadd(self.stream, {"body": body})

    def expire(self, delivery: Delivery) -> None:
        receipt, idle_ms = delivery.receipt, int(LONG * 2000)
        holder = self.pending(receipt)["consumer"]
        self.client.xclaim(self.stream, GROUP, holder, 0, [receipt], idle=idle_ms, justid=True)

    def pending(self, receipt: str) -> Mapping[str, Any]:
        """Return XPENDING's entry of a delivered message."""
        found: Any = self.client.xpending_range(self.stream, GROUP, min=receipt, max=receipt, count=1)
        return dict(found[0])

    def dead_entries(self) -> list[dict[str, str]]:
        """Return the entries of the stream of dead letters."""
        entries: Any = self.client.xrange(f"{self.stream}:dead")
        return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in entries]

    def dead_letters(self) -> Sequence[str]:
        messages = [json.loads(entry["message"]) for entry in self.dead_entries()]
        return [message.get("body") or json.dumps(message) for message in messages]

    def is_empty(self) -> bool:
        pending: Any = self.client.xpending(self.stream, GROUP)
        return pending["pending"] == 0 and self.client.xlen(self.stream) == 0

    def delete(self) -> None:
        self.client.delete(self.stream, f"{self.stream}:dead", f"{self.stream}:delayed")
        self.client.close()
