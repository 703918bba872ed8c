"""The job queue on Amazon SQS (a standard queue).

A message's body is ``{"job_id": "<uuid>"}``. The queue itself keeps the visibility timeout, counts
deliveries, and moves a message to the dead-letter queue after ``maxReceiveCount`` of them. The rules are
those of the Amazon SQS API Reference: ReceiveMessage, ChangeMessageVisibility, DeleteMessage,
SetQueueAttributes (RedrivePolicy).
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery
from chalicelib.telemetry import logger

if TYPE_CHECKING:  # the stubs are a development dependency
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

MAX_WAIT_SECONDS = 20  # ReceiveMessage: WaitTimeSeconds
MAX_BATCH = 10  # ReceiveMessage: MaxNumberOfMessages; SendMessageBatch: Entries
MAX_VISIBILITY_SECONDS = 43_200  # ChangeMessageVisibility: VisibilityTimeout
SLACK_SECONDS = 0.05  # so that a wait of 0.9999 s is rounded to 1 s and not to 0 s
# The answers of ChangeMessageVisibility and DeleteMessage for a message that is visible again, or deleted.
NOT_HELD_CODES = ("MessageNotInflight", "ReceiptHandleIsInvalid")


@contextmanager
def _retry_later(action: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise RetryLater(f"SQS: could not {action}: {error}", Dependency.QUEUE) from error


@contextmanager
def _tolerate_not_held(job_id: UUID) -> Iterator[None]:
    """Log and continue when this receiver does not hold the message any more."""
    try:
        yield
    except ClientError as error:
        if not _is_not_held(error.response["Error"]["Code"], error.response["Error"].get("Message", "")):
            raise
        _tell_not_held(job_id)


def _tell_not_held(job_id: UUID) -> None:
    logger.warning("message is held by another receiver, or was deleted", extra={"job_id": str(job_id)})


def _is_not_held(code: str, message: str) -> bool:
    code = code.rpartition(".")[2]
    return code in NOT_HELD_CODES or (code == "InvalidParameterValue" and "ReceiptHandle" in message)


def parse_body(body: str) -> UUID | None:
    """Return the job's id in a message's body; None if :class:`SqsSender` cannot have written it."""
    try:
        return UUID(json.loads(body)["job_id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


class SqsSender:
    """Enqueue jobs. Implement :class:`chalicelib.service.queue.JobSender`."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, job_id: UUID, *, copies: int = 1) -> None:
        """Enqueue messages. boto3's retries may send them twice, which at-least-once allows."""
        body = json.dumps({"job_id": str(job_id)})
        for first in range(0, copies, MAX_BATCH):
            numbers = range(first, min(first + MAX_BATCH, copies))
            with _retry_later(f"send job {job_id}"):
                answer = self._client.send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[{"Id": str(number), "MessageBody": body} for number in numbers],
                )
            for failure in answer.get("Failed", []):
                raise RetryLater(
                    f"SQS: could not send job {job_id}: {failure.get('Message', failure['Code'])}",
                    Dependency.QUEUE,
                )

    def ping(self) -> None:
        """Return if the queue answers. Raises RetryLater."""
        with _retry_later("reach the queue"):
            self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])


class SqsReceiver:
    """Take messages off the queue. Implement :class:`chalicelib.service.queue.JobReceiver`.

    ``max_deliveries`` must be the ``maxReceiveCount`` of the queue's redrive policy. Without a
    ``dead_letter_url``, the receiver looks it up in that policy when it needs it. SQS counts in whole
    seconds: timeouts and delays are rounded up, waits down. SQS lets no message be held for more than 12
    hours in all. Threads may share a receiver.
    """

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        *,
        visibility_timeout: float,
        max_deliveries: int,
        dead_letter_url: str | None = None,
    ) -> None:
        self.max_deliveries = max_deliveries
        self._client = client
        self._queue_url = queue_url
        self._visibility = _whole_seconds(visibility_timeout)
        self._dead_letter_url = dead_letter_url

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Return up to 10 messages; return as soon as there are any. Raises RetryLater."""
        deadline = time.monotonic() + wait_seconds
        with _retry_later("receive"):
            while True:
                wait = int(deadline - time.monotonic() + SLACK_SECONDS)
                deliveries = self._receive_once(limit, max(0, min(wait, MAX_WAIT_SECONDS)))
                if deliveries or deadline - time.monotonic() + SLACK_SECONDS < 1:
                    return deliveries

    def delivery_of(self, record: Mapping[str, Any]) -> Delivery | None:
        """Return the delivery in a record of Lambda's event; None if the message went to the dead letters.

        Source of the structure: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
        """
        return self._delivery(
            {
                "MessageId": record["messageId"],
                "Body": record["body"],
                "ReceiptHandle": record["receiptHandle"],
                "Attributes": record["attributes"],
            }
        )

    def acknowledge(self, *deliveries: Delivery) -> None:
        """Delete the messages. Raises RetryLater."""
        for first in range(0, len(deliveries), MAX_BATCH):
            self._delete(deliveries[first : first + MAX_BATCH])

    def extend(self, delivery: Delivery) -> None:
        """Restart the visibility timeout, if this receiver still holds the message. Raises RetryLater."""
        with _retry_later(f"extend the lease on job {delivery.job_id}"), _tolerate_not_held(delivery.job_id):
            self._hide(delivery, self._visibility)

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the message back, if this receiver still holds it. Raises RetryLater."""
        with _retry_later(f"give job {delivery.job_id} back"), _tolerate_not_held(delivery.job_id):
            self._hide(delivery, _whole_seconds(delay_seconds))

    def close(self) -> None:
        """Do nothing: SQS has no consumers to remove. Redis Streams have."""

    def _receive_once(self, limit: int, wait_seconds: int) -> list[Delivery]:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=min(limit, MAX_BATCH),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        deliveries = map(self._delivery, answer.get("Messages", []))
        return [delivery for delivery in deliveries if delivery is not None]

    def _delivery(self, message: "MessageTypeDef") -> Delivery | None:
        """Return the message as a delivery; None if it went to the dead letters."""
        if (job_id := parse_body(message["Body"])) is None:
            self._bury(message)
            return None
        return Delivery(
            job_id, message["ReceiptHandle"], int(message["Attributes"]["ApproximateReceiveCount"])
        )

    def _bury(self, message: "MessageTypeDef") -> None:
        """Copy the message to the dead letters, then delete it: a crash in between loses nothing."""
        details = {"message_id": message["MessageId"], "body": message["Body"][:1000]}
        logger.error("message is not a job's id", extra=details)
        try:
            if (dead_letters := self._dead_letters()) is None:
                logger.error("queue has no dead-letter queue", extra=details)
                return
            self._client.send_message(
                QueueUrl=dead_letters,
                MessageBody=message["Body"],
                MessageAttributes={"reason": {"DataType": "String", "StringValue": "not a job's id"}},
            )
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError):  # the messages beside it are good, and this one is redelivered
            logger.exception("dead letter not written", extra=details)

    def _dead_letters(self) -> str | None:
        """Return the URL that the queue's redrive policy names; None without such a policy."""
        if self._dead_letter_url is None:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["RedrivePolicy"]
            )
            if (policy := answer.get("Attributes", {}).get("RedrivePolicy")) is None:
                return None
            *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
            queue = self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
            self._dead_letter_url = queue["QueueUrl"]
        return self._dead_letter_url

    def _delete(self, deliveries: Sequence[Delivery]) -> None:
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": delivery.receipt}
            for number, delivery in enumerate(deliveries)
        ]
        with _retry_later("acknowledge messages"):
            answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        failures = answer.get("Failed", [])
        for failure in failures:
            job_id = deliveries[int(failure["Id"])].job_id
            if not _is_not_held(failure["Code"], failure.get("Message", "")):
                raise RetryLater(f"SQS: could not acknowledge job {job_id}: {failure['Code']}")
            _tell_not_held(job_id)

    def _hide(self, delivery: Delivery, seconds: int) -> None:
        self._client.change_message_visibility(
            QueueUrl=self._queue_url, ReceiptHandle=delivery.receipt, VisibilityTimeout=seconds
        )


def _whole_seconds(seconds: float) -> int:
    return max(0, min(math.ceil(seconds), MAX_VISIBILITY_SECONDS))
