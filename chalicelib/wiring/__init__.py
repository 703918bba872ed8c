"""The composition root: which backend fills which port. Everything is built when first asked for, once."""

import os
import socket
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib import settings as environment
from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.s3 import S3Bucket, S3Signer, S3Store
from chalicelib.backends.sqs import SqsReceiver
from chalicelib.service.actions import JobActions
from chalicelib.service.intake import Intake
from chalicelib.service.multipart import MultipartUploads
from chalicelib.service.queue import JobReceiver, JobSender
from chalicelib.service.uploads import UploadRules, Uploads
from chalicelib.settings import Settings, required
from chalicelib.wiring.aws import s3_client
from chalicelib.wiring.queues import QUEUES, Queue, SqsQueue

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from chalicelib.backends.postgres.database import Connection
    from chalicelib.backends.postgres.ledger import PostgresLedger
    from chalicelib.destinations import Destination
    from chalicelib.reading.object_store import ObjectStore
    from chalicelib.service.ingestion import BlockWriter, Ingester
    from chalicelib.service.message_handler import MessageHandler
    from chalicelib.service.sweep import Sweeper


class Services:
    """Sluice, put together from its settings. Accessing a part builds it; nothing else does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def jobs(self) -> PostgresRegister:
        """The job register."""
        return PostgresRegister(self._pool)

    @cached_property
    def signer(self) -> S3Signer:
        """Return what signs uploads, for the address under which clients reach the bucket."""
        public = self.settings.public_s3_endpoint_url
        client = s3_client(public) if public else self._s3
        return S3Signer(client, self.settings.bucket, expires=self.settings.upload_expires)

    @cached_property
    def store(self) -> S3Store:
        """Return what reads objects."""
        return S3Store(self._s3)

    @cached_property
    def upload_bucket(self) -> S3Bucket:
        """Return the bucket that clients upload to."""
        return S3Bucket(self._s3, self.settings.bucket)

    @cached_property
    def uploads(self) -> Uploads:
        """Return the service that registers uploads."""
        chosen = self.settings
        rules = UploadRules(
            bucket=chosen.bucket,
            block_size=chosen.block_size,
            max_size=chosen.max_upload_size,
            max_single=chosen.max_single_upload,
            part_size=chosen.part_size,
            parts_expire=chosen.parts_expire,
        )
        return Uploads(self.jobs, self.signer, self.multipart_uploads, rules)

    @cached_property
    def multipart_uploads(self) -> MultipartUploads:
        """Return the service for multipart uploads."""
        return MultipartUploads(self.signer, self.upload_bucket, self.store)

    @cached_property
    def job_actions(self) -> JobActions:
        """Return the service that cancels, retries and undoes jobs."""
        return JobActions(self.jobs, self.multipart_uploads, self.sender, self.intake)

    @property
    def dependencies(self) -> Mapping[str, Callable[[], None]]:
        """Return a ping for each dependency. A ping raises RetryLater."""
        return {
            "database": self.jobs.ping,
            "queue": self.sender.ping,
            "storage": lambda: self.store.ping(self.settings.bucket),
        }

    @cached_property
    def intake(self) -> Intake:
        """Takes objects in."""
        return Intake(self.jobs, self.store, self.sender, block_size=self.settings.block_size)

    @cached_property
    def sweeper(self) -> "Sweeper":
        """Sweeps."""
        from chalicelib.backends.postgres.upkeep import PostgresUpkeep
        from chalicelib.service.sweep import Sweeper

        return Sweeper(
            self.intake,
            PostgresUpkeep(self._pool),
            self.upload_bucket,
            seconds=self.settings.sweep_seconds,
            retention_days=self.settings.retention_days,
        )

    @property
    def sender(self) -> JobSender:
        """The queue, to enqueue jobs."""
        return self._queue.sender

    @property
    def receiver(self) -> JobReceiver:
        """The queue, to take messages."""
        return self._queue.receiver

    @property
    def sqs_receiver(self) -> SqsReceiver:
        """The SQS queue, for messages that Lambda has received."""
        return self._sqs_queue.receiver

    @cached_property
    def owner(self) -> str:
        """Names this process in leases and consumer groups."""
        return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    # The worker's requirements (pyarrow) are not in the functions' package: imported where they are used.

    @cached_property
    def ingester(self) -> "Ingester":
        """Loads files."""
        from chalicelib.backends.postgres.splits import PostgresSplits
        from chalicelib.reading.compression import Limits
        from chalicelib.service.ingestion import Ingester, IngestionLimits

        chosen = self.settings
        return Ingester(
            ledger=self.ledger,
            splits=PostgresSplits(self._pool),
            store=self.ingested_store,
            sender=self.sender,
            new_writer=self.new_block_writer,
            limits=IngestionLimits(
                text=Limits(
                    size=chosen.max_text_size,
                    ratio=chosen.max_ratio,
                    seconds=chosen.max_decompression_seconds,
                ),
                max_upload=chosen.max_upload_size,
                max_record=chosen.max_record_size,
                read_size=chosen.read_size,
                range_size=chosen.range_size,
                loaders=chosen.loaders,
            ),
        )

    @property
    def ingested_store(self) -> "ObjectStore":
        """The store that workers read objects from."""
        return self.store

    def new_block_writer(self) -> "BlockWriter":
        """Return a writer for the blocks of one job."""
        from chalicelib.backends.postgres.blocks import PostgresBlocks

        return PostgresBlocks(self._pool, self._destination)

    @cached_property
    def ledger(self) -> "PostgresLedger":
        """The ledger of all jobs."""
        from chalicelib.backends.postgres.ledger import PostgresLedger

        return PostgresLedger(self._pool, self._destination)

    @cached_property
    def _destination(self) -> "Destination[Connection]":
        from chalicelib.backends.postgres.ingested_data import IngestedData

        return IngestedData()

    @cached_property
    def message_handler(self) -> "MessageHandler":
        """Handles the messages of a long-running worker."""
        return self._message_handler(self.receiver, one_claim=False)

    @cached_property
    def lambda_message_handler(self) -> "MessageHandler":
        """Handles the messages that Lambda receives."""
        return self._message_handler(self.sqs_receiver, one_claim=True)

    def _message_handler(self, receiver: JobReceiver, *, one_claim: bool) -> "MessageHandler":
        from chalicelib.backends.postgres.leases import PostgresLeases
        from chalicelib.backends.postgres.undo import PostgresUndo
        from chalicelib.service.attempt import Attempts
        from chalicelib.service.message_handler import MessageHandler

        lease, visibility = self.settings.lease_seconds, self.settings.visibility_timeout
        attempts = Attempts(
            self.jobs,
            self.ingester,
            PostgresUndo(self._pool, self._destination),
            self.ledger,
            max_attempts=receiver.max_deliveries,
            patience=self.settings.outage_seconds,
        )
        return MessageHandler(
            self.jobs,
            PostgresLeases(self._pool),
            attempts,
            self.sender,
            receiver,
            worker=self.owner,
            lease_seconds=lease,
            heartbeat_seconds=min(lease, visibility) / 3,
            one_claim=one_claim,
        )

    def close(self) -> None:
        """Lets go of the queue and the database. Raises RetryLater."""
        if "_queue" in vars(self) and "receiver" in vars(self._queue):
            self.receiver.close()
        if "_pool" in vars(self):
            self._pool.close()

    @cached_property
    def _pool(self) -> database.Pool:
        # the worker: every loader of every job, its lease, one for looking things up, one for sweeps
        size = self.settings.worker_jobs * (self.settings.loaders + 1) + 2
        required(self.settings.database_url, "DATABASE_URL")  # said at the start, not by a thread of the pool
        return database.Pool(self.database_url, size=size, idle_seconds=self.settings.lease_seconds)

    def database_url(self) -> str:
        """Where Postgres is, with credentials. Raises SettingError, RetryLater."""
        url = required(self.settings.database_url, "DATABASE_URL")
        if not self.settings.database_secret:
            return url
        from chalicelib.backends.secrets import with_credentials

        return with_credentials(url, self.settings.database_secret)

    @cached_property
    def _s3(self) -> "S3Client":
        return s3_client(self.settings.aws_endpoint_url)

    @cached_property
    def _queue(self) -> Queue:
        return QUEUES[self.settings.queue_backend](self.settings, self.owner)

    @cached_property
    def _sqs_queue(self) -> SqsQueue:
        return self._queue if isinstance(self._queue, SqsQueue) else SqsQueue(self.settings, self.owner)


@cache
def services() -> Services:
    """The process's services, from its environment. Raises SettingError."""
    return Services(environment.load())
