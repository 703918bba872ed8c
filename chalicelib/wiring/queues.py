"""The queues that `SLUICE_QUEUE_BACKEND` chooses from. Another queue is a class here and a line in QUEUES."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from chalicelib.backends.sqs import SqsReceiver, SqsSender
from chalicelib.service.queue import JobReceiver, JobSender
from chalicelib.settings import Settings, required
from chalicelib.wiring.aws import sqs_client

if TYPE_CHECKING:
    import redis
    from types_boto3_sqs import SQSClient

    from chalicelib.backends.redis_streams import RedisReceiver


class Queue(Protocol):
    """Both ends of a queue, each built on first access. Raises SettingError where an address is missing."""

    @property
    def sender(self) -> JobSender:
        """The end that jobs are enqueued at."""

    @property
    def receiver(self) -> JobReceiver:
        """The end that messages are taken from."""

    def close(self) -> None:
        """Leave the queue, if messages were taken. Raises RetryLater."""


class SqsQueue:
    """The queue on Amazon SQS."""

    def __init__(self, settings: Settings, worker: str) -> None:  # noqa: ARG002 - SQS knows no consumers
        self._settings = settings

    @cached_property
    def sender(self) -> SqsSender:
        """The end that jobs are enqueued at."""
        return SqsSender(self._client, self._url)

    @cached_property
    def receiver(self) -> SqsReceiver:
        """The end that messages are taken from."""
        return SqsReceiver(
            self._client,
            self._url,
            visibility_timeout=self._settings.visibility_timeout,
            max_deliveries=self._settings.max_deliveries,
            dead_letter_url=self._settings.dead_letter_queue_url or None,
        )

    def close(self) -> None:
        """Do nothing: SQS has no consumers that leave."""

    @cached_property
    def _client(self) -> "SQSClient":
        return sqs_client(self._settings.aws_endpoint_url)

    @property
    def _url(self) -> str:
        return required(self._settings.queue_url, "SLUICE_QUEUE_URL")


class RedisQueue:
    """The queue on Redis Streams. Its client is imported on use: 80 ms that SQS does not pay."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self._settings = settings
        self._worker = worker
        self._receiver: RedisReceiver | None = None

    @cached_property
    def sender(self) -> JobSender:
        """The end that jobs are enqueued at."""
        from chalicelib.backends.redis_streams import RedisSender

        return RedisSender(self._client, self._settings.redis_stream)

    @property
    def receiver(self) -> "RedisReceiver":
        """The end that messages are taken from."""
        from chalicelib.backends.redis_streams import RedisReceiver

        if self._receiver is None:
            self._receiver = RedisReceiver(
                self._client,
                self._settings.redis_stream,
                consumer=self._worker,
                visibility_timeout=self._settings.visibility_timeout,
                max_deliveries=self._settings.max_deliveries,
            )
        return self._receiver

    def close(self) -> None:
        """Leave the consumer group. Raises RetryLater."""
        if self._receiver is not None:
            self._receiver.close()

    @cached_property
    def _client(self) -> "redis.Redis":
        import redis

        url, secret = required(self._settings.redis_url, "REDIS_URL"), self._settings.redis_secret
        if not secret:
            return redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=5)
        from chalicelib.backends.redis_streams.credentials import Password
        from chalicelib.backends.secrets import credentials_in

        password = Password(lambda: credentials_in(secret)[1])
        return redis.Redis.from_url(
            url, socket_timeout=30, socket_connect_timeout=5, credential_provider=password
        )


QUEUES: Mapping[str, Callable[[Settings, str], Queue]] = {"sqs": SqsQueue, "redis": RedisQueue}
