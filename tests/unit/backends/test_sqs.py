"""The SQS queue's own decisions, against moto in this process or a stub of the client."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from chalicelib.backends.sqs import MAX_VISIBILITY_SECONDS, SqsReceiver, SqsSender, parse_body
from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

QUEUE_URL = "https://sqs.example/1/queue"
DELIVERY = Delivery(uuid4(), "receipt", 1)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["SQSClient"]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")


def create_queue(client: "SQSClient", name: str, *, dead: str | None = None) -> str:
    attributes: dict[Any, str] = {}
    if dead:
        url = create_queue(client, dead)
        arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def receiver(client: Any, url: str = QUEUE_URL, **options: Any) -> SqsReceiver:
    return SqsReceiver(client, url, **{"visibility_timeout": 30, "max_deliveries": 5, **options})


def bodies(client: "SQSClient", url: str) -> list[str]:
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


class TestSend:
    def test_a_message_that_the_queue_refuses_is_retried_later(self) -> None:
        client, failed = Mock(), {"Id": "0", "SenderFault": False, "Code": "InternalError"}
        client.send_message_batch.return_value = {"Failed": [failed | {"Message": "try again"}]}
        with pytest.raises(RetryLater, match="try again"):
            SqsSender(client, QUEUE_URL).send(uuid4())
        client.send_message_batch.return_value = {"Failed": [failed]}
        with pytest.raises(RetryLater, match="InternalError"):
            SqsSender(client, QUEUE_URL).send(uuid4())


class TestBody:
    def test_what_is_sent_is_understood(self, client: "SQSClient") -> None:
        url, job_id = create_queue(client, "jobs"), uuid4()
        SqsSender(client, url).send(job_id)
        [body] = bodies(client, url)
        assert json.loads(body) == {"job_id": str(job_id)}
        assert parse_body(body) == job_id

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "null",
            "[]",
            "7",
            '"x"',
            "{}",
            '{"job_id": null}',
            '{"job_id": 7}',
            '{"job_id": "x"}',
            "[" * 99_999,
        ],
        ids=lambda body: body[:12],
    )
    def test_anything_else_is_none(self, body: str) -> None:
        assert parse_body(body) is None


class TestMalformedMessages:
    def test_go_to_the_queue_of_the_redrive_policy(self, client: "SQSClient") -> None:
        url = create_queue(client, "jobs", dead="dead")
        client.send_message(QueueUrl=url, MessageBody="bad")
        assert receiver(client, url).receive(limit=1, wait_seconds=0) == []
        answer = client.receive_message(
            QueueUrl=client.get_queue_url(QueueName="dead")["QueueUrl"], MessageAttributeNames=["All"]
        )
        [message] = answer["Messages"]
        assert message["Body"] == "bad"
        assert message["MessageAttributes"]["reason"]["StringValue"] == "not a job's id"
        left = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert left["ApproximateNumberOfMessagesNotVisible"] == "0"

    def test_go_to_the_queue_that_was_named(self, client: "SQSClient") -> None:
        url, named = create_queue(client, "jobs", dead="dead"), create_queue(client, "named")
        client.send_message(QueueUrl=url, MessageBody="bad")
        receiver(client, url, dead_letter_url=named).receive(limit=1, wait_seconds=0)
        assert bodies(client, named) == ["bad"]

    @pytest.mark.parametrize("named", [None, QUEUE_URL], ids=["no policy", "no such queue"])
    def test_that_cannot_be_moved_do_not_hold_up_the_others(
        self, client: "SQSClient", named: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        url, job_id = create_queue(client, "jobs"), uuid4()
        client.send_message(QueueUrl=url, MessageBody="bad")
        SqsSender(client, url).send(job_id)
        got = receiver(client, url, dead_letter_url=named).receive(limit=10, wait_seconds=0)
        assert [delivery.job_id for delivery in got] == [job_id]
        left = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert left["ApproximateNumberOfMessagesNotVisible"] == "2"
        assert "message is not a job's id" in caplog.messages


class TestReceive:
    @pytest.mark.parametrize(
        ("wait", "asked"), [(0, [0]), (0.9, [0]), (1, [1]), (20, [20]), (45.5, [20, 20, 5])]
    )
    def test_waits_in_steps_that_sqs_allows(
        self, wait: float, asked: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        waits: list[int] = []

        def receive_message(**options: Any) -> dict[str, Any]:
            nonlocal now
            waits.append(options["WaitTimeSeconds"])
            now += options["WaitTimeSeconds"] + 0.001
            return {}

        monkeypatch.setattr("time.monotonic", lambda: now)
        receiver(Mock(receive_message=receive_message)).receive(limit=1, wait_seconds=wait)
        assert waits == asked

    def test_never_asks_for_more_than_ten(self) -> None:
        client = Mock()
        client.receive_message.return_value = {}
        receiver(client, visibility_timeout=1.2).receive(limit=11, wait_seconds=0)
        asked = client.receive_message.call_args.kwargs
        assert (asked["MaxNumberOfMessages"], asked["VisibilityTimeout"]) == (10, 2)


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("AWS.SimpleQueueService.MessageNotInflight", ""),
            ("MessageNotInflight", ""),
            ("ReceiptHandleIsInvalid", ""),
            ("InvalidParameterValue", "Value x for parameter ReceiptHandle is invalid. Reason: …"),
        ],
    )
    def test_a_receipt_that_has_expired_is_ignored(self, code: str, message: str) -> None:
        client = self._client(ClientError({"Error": {"Code": code, "Message": message}}, "x"))
        client.delete_message_batch.side_effect = None
        failed = {"Id": "0", "Code": code, "Message": message, "SenderFault": True}
        client.delete_message_batch.return_value = {"Successful": [], "Failed": [failed]}
        self._call_all(client)

    def test_a_message_that_sqs_does_not_delete_is_deleted_later(self) -> None:
        client = Mock()
        failed = {"Id": "1", "Code": "InternalError", "SenderFault": False}
        client.delete_message_batch.return_value = {"Successful": [{"Id": "0"}], "Failed": [failed]}
        another = replace(DELIVERY, job_id=uuid4())
        with pytest.raises(RetryLater, match=f"job {another.job_id}: InternalError"):
            receiver(client).acknowledge(DELIVERY, another)

    def test_messages_are_deleted_ten_at_a_time(self) -> None:
        client = Mock()
        client.delete_message_batch.return_value = {"Successful": []}
        receiver(client).acknowledge(*[DELIVERY] * 23)
        sizes = [len(call.kwargs["Entries"]) for call in client.delete_message_batch.call_args_list]
        assert sizes == [10, 10, 3]

    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "beyond the limit"}}, "x"),
            ClientError({"Error": {"Code": "AccessDenied"}}, "x"),
            EndpointConnectionError(endpoint_url=QUEUE_URL),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_other_errors_are_retried_later(self, error: Exception) -> None:
        with pytest.raises(RetryLater, match="SQS: could not acknowledge messages: "):
            self._call_all(self._client(error))

    def _client(self, error: Exception) -> Mock:
        client = Mock()
        client.delete_message_batch.side_effect = client.change_message_visibility.side_effect = error
        return client

    def _call_all(self, client: Mock) -> None:
        queue = receiver(client)
        queue.acknowledge(DELIVERY)
        queue.extend(DELIVERY)
        queue.retry(DELIVERY, delay_seconds=1)

    @pytest.mark.parametrize(("delay", "asked"), [(-1, 0), (0, 0), (0.1, 1), (1e9, MAX_VISIBILITY_SECONDS)])
    def test_a_delay_is_what_sqs_allows(self, delay: float, asked: int) -> None:
        client = Mock()
        receiver(client).retry(DELIVERY, delay_seconds=delay)
        assert client.change_message_visibility.call_args.kwargs["VisibilityTimeout"] == asked


class TestTakenByLambda:
    def record(self, client: "SQSClient", url: str) -> dict[str, Any]:
        """Receive a message as Lambda's event has it: the same members, in lower camel case."""
        answer = client.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])
        [message] = answer["Messages"]
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:jobs",
            "awsRegion": "eu-west-1",
        }

    def test_a_message_is_a_delivery_like_any_other(self, client: "SQSClient") -> None:
        url, job_id = create_queue(client, "jobs"), uuid4()
        SqsSender(client, url).send(job_id)
        queue = receiver(client, url)
        delivery = queue.delivery_of(self.record(client, url))
        assert delivery is not None
        assert (delivery.job_id, delivery.deliveries) == (job_id, 1)
        queue.retry(delivery, delay_seconds=0)
        again = queue.delivery_of(self.record(client, url))
        assert again is not None
        assert (again.job_id, again.deliveries) == (job_id, 2)
        queue.acknowledge(again)
        left = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"

    def test_a_body_that_is_not_a_jobs_id_goes_to_the_dead_letters(self, client: "SQSClient") -> None:
        url = create_queue(client, "jobs", dead="dead")
        client.send_message(QueueUrl=url, MessageBody="bad")
        assert receiver(client, url).delivery_of(self.record(client, url)) is None
        assert bodies(client, client.get_queue_url(QueueName="dead")["QueueUrl"]) == ["bad"]
        left = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_message_names_a_job_and_nothing_else_of_it_is_believed() -> None:
    """The worker takes the tenant, as all else, from the job in the database."""
    body = {"job_id": str(DELIVERY.job_id), "tenant": "bond", "tenant_id": 2, "bucket": "b", "key": "k"}
    assert parse_body(json.dumps(body)) == DELIVERY.job_id
    assert [field.name for field in fields(Delivery)] == ["job_id", "receipt", "deliveries"]
