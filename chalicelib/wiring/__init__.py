"""The composition root: connect ports with backends. Everything is built once, on first use."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib import __version__
from chalicelib import settings as environment
from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.audit import PostgresAuditLog
from chalicelib.backends.postgres.record_erasure import PostgresErasedRecords, PostgresErasures
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.postgres.rejects_files import PostgresRejectsFiles
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.backends.postgres.workers import PostgresWorkers
from chalicelib.backends.s3 import S3Bucket, S3Signer, S3Store, SignedReads
from chalicelib.backends.sqs import SqsReceiver
from chalicelib.core.access import Reach
from chalicelib.core.audit import Actor
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.tenants import Tenant
from chalicelib.core.workers import WorkerKind
from chalicelib.service.access import Access
from chalicelib.service.actions import JobActions
from chalicelib.service.api_keys import ApiKeys
from chalicelib.service.intake import Intake
from chalicelib.service.multipart import MultipartUploads
from chalicelib.service.queue import JobReceiver, JobSender
from chalicelib.service.record_erasure import Erasing
from chalicelib.service.rejects_request import RejectsFiles
from chalicelib.service.upload_tokens import UploadTokens
from chalicelib.service.uploads import UploadRules, Uploads
from chalicelib.settings import SettingError, Settings, required
from chalicelib.wiring.aws import credentials, http_pools, s3_client
from chalicelib.wiring.certificates import with_certificates
from chalicelib.wiring.queues import QUEUES, Queue, SqsQueue

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from chalicelib.backends.access_tokens import AccessTokens
    from chalicelib.backends.postgres.database import Connection
    from chalicelib.backends.postgres.ledger import PostgresLedger
    from chalicelib.backends.signed_tokens import SignedTokens
    from chalicelib.destinations import Destination
    from chalicelib.reading.object_store import ObjectStore
    from chalicelib.service.activity import Activity
    from chalicelib.service.ingestion import BlockWriter, Ingester
    from chalicelib.service.message_handler import MessageHandler
    from chalicelib.service.people import People
    from chalicelib.service.record_erasure import RecordEraser
    from chalicelib.service.shared_receiver import SharedReceiver
    from chalicelib.service.signs_of_life import SignsOfLife
    from chalicelib.service.sweep import Sweeper
    from chalicelib.service.tenant_removal import TenantRemover

_S3 = "s3://"
_LARGEST_KEY_SET = 1 << 20  # bytes
_S3_CONNECTIONS = 8  # beside those of the jobs
_KEEP_SECONDS = 5.0  # that a message waits for a slot, at most
_SIGNS_IN_A_LEASE = 6  # a silent worker shows before its lease runs out: see chalicelib.core.workers


class Services:
    """The services of one process, by its settings. Each is built on first access."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def jobs(self) -> PostgresRegister:
        """Return the job register."""
        return PostgresRegister(self._pool)

    @cached_property
    def signer(self) -> S3Signer:
        """Return the signer of uploads, for the address at which clients reach the bucket."""
        public = self.settings.public_s3_endpoint_url
        client = s3_client(public) if public else self._s3
        return S3Signer(client, self.settings.bucket, expires=self.settings.upload_expires)

    @cached_property
    def store(self) -> S3Store:
        """Return the store that the API and the workers read objects from."""
        http, signer = http_pools(self._s3.meta.endpoint_url, self._s3_connections), credentials()
        signed = None if http is None or signer is None else SignedReads(self._s3, signer, http)
        return S3Store(self._s3, signed)

    @cached_property
    def upload_bucket(self) -> S3Bucket:
        """Return the bucket that clients upload to."""
        return S3Bucket(self._s3, self.settings.bucket)

    @cached_property
    def tenants(self) -> PostgresTenants:
        """Return the tenants."""
        return PostgresTenants(self._pool)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Return the service for API keys."""
        return ApiKeys(PostgresApiKeys(self._pool))

    @cached_property
    def access(self) -> Access:
        """Return the service that recognises credentials."""
        return Access(self.api_keys, self.tenants, self.upload_tokens, self._people)

    @cached_property
    def _people(self) -> "People | None":
        settings = self.settings
        if not settings.oidc_issuer:
            return None
        from chalicelib.service.people import Claims, People, parse_roles

        required(settings.oidc_audience, "SLUICE_OIDC_AUDIENCE")
        required(settings.oidc_jwks, "SLUICE_OIDC_JWKS")
        try:
            roles = parse_roles(required(settings.oidc_roles, "SLUICE_OIDC_ROLES"))
        except ValueError as error:
            raise SettingError(f"SLUICE_OIDC_ROLES {error}") from None
        claims = Claims(settings.oidc_tenant_claim, settings.oidc_role_claim)
        return People(lambda: self._access_tokens, self.tenants, roles, claims)

    @cached_property
    def _access_tokens(self) -> "AccessTokens":
        from chalicelib.backends.access_tokens import AccessTokens, Provider

        provider = Provider(self.settings.oidc_issuer, self.settings.oidc_audience)
        return AccessTokens(provider, self._key_set)

    def _key_set(self) -> bytes:
        text = self.settings.oidc_jwks
        if not text.startswith(_S3):
            return text.encode()
        bucket, _, key = text.removeprefix(_S3).partition("/")
        try:
            source = self.store.pin(bucket, key)
            return self.store.read(source, 0, min(source.size, _LARGEST_KEY_SET))
        except JobFailed as error:
            raise RetryLater(f"no key set at {text}: {error}", Dependency.STORAGE) from None

    @cached_property
    def upload_tokens(self) -> UploadTokens:
        """Return the service for upload tokens."""
        return UploadTokens(lambda: self._token_signer, self.tenants, self.api_keys)

    @cached_property
    def _token_signer(self) -> "SignedTokens":
        from chalicelib.backends.signed_tokens import SignedTokens

        return SignedTokens(self._token_secrets)

    def _token_secrets(self, *, fresh: bool) -> Sequence[bytes]:
        if not self.settings.token_secrets_id:
            return self.settings.token_secrets
        from chalicelib.backends.secrets import token_secrets

        return token_secrets(self.settings.token_secrets_id, fresh=fresh)

    @cached_property
    def audit(self) -> PostgresAuditLog:
        """Return the audit log."""
        return PostgresAuditLog(self._pool)

    def of(self, reach: Reach, actor: Actor | None = None) -> "ReachedServices":
        """Return the services for what is within reach of a request. What the actor changes is audited."""
        return ReachedServices(self, reach, actor)

    @cached_property
    def upload_rules(self) -> UploadRules:
        """Return the rules for uploads."""
        settings = self.settings
        return UploadRules(
            bucket=settings.bucket,
            block_size=settings.block_size,
            max_size=settings.max_upload_size,
            max_single=settings.max_single_upload,
            part_size=settings.part_size,
            parts_expire=settings.parts_expire,
        )

    @cached_property
    def multipart_uploads(self) -> MultipartUploads:
        """Return the service for multipart uploads."""
        return MultipartUploads(self.signer, self.upload_bucket, self.store)

    @cached_property
    def rejects_wishes(self) -> PostgresRejectsFiles:
        """Return the wishes for rejects files."""
        return PostgresRejectsFiles(self._pool)

    @cached_property
    def workers(self) -> PostgresWorkers:
        """Return the signs of life of all workers."""
        return PostgresWorkers(self._pool)

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
        """Return the intake."""
        return Intake(self.jobs, self.tenants, self.store, self.sender, block_size=self.settings.block_size)

    @cached_property
    def sweeper(self) -> "Sweeper":
        """Return the sweeper."""
        from chalicelib.backends.postgres.upkeep import PostgresUpkeep
        from chalicelib.service.sweep import Sweeper

        return Sweeper(
            self.jobs,
            self.sender,
            self.intake,
            PostgresUpkeep(self._pool),
            self.upload_bucket,
            seconds=self.settings.sweep_seconds,
            retention_days=self.settings.retention_days,
            tenant_remover=self.tenant_remover,
            record_eraser=self.record_eraser,
        )

    @cached_property
    def tenant_remover(self) -> "TenantRemover":
        """Return the service that removes tenants."""
        from chalicelib.backends.postgres.tenant_removal import PostgresRemovedTenants
        from chalicelib.service.tenant_removal import TenantRemover

        removed = PostgresRemovedTenants(self._pool)
        return TenantRemover(self.jobs, removed, self.upload_bucket, urls_expire=self.settings.upload_expires)

    @cached_property
    def record_eraser(self) -> "RecordEraser":
        """Return the service that carries out erasures."""
        from chalicelib.service.record_erasure import RecordEraser

        records = PostgresErasedRecords(self._pool)
        return RecordEraser(records, self.upload_bucket, settled=self.settings.lease_seconds)

    def erasures(self, tenant: Tenant, actor: Actor | None) -> PostgresErasures:
        """Return the erasures of a tenant. What the actor begins is audited."""
        return PostgresErasures(self._pool, tenant, actor)

    @property
    def sender(self) -> JobSender:
        """Return the sender of the queue."""
        return self._queue.sender

    @property
    def receiver(self) -> JobReceiver:
        """Return the receiver of the queue."""
        return self._queue.receiver

    @property
    def sqs_receiver(self) -> SqsReceiver:
        """Return the receiver of the SQS queue, for messages that Lambda has received."""
        return self._sqs_queue.receiver

    @cached_property
    def owner(self) -> str:
        """Return the name of this process in leases and consumer groups."""
        return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    # The worker's requirements (pyarrow) are not in the functions' package: imported where they are used.

    @cached_property
    def ingester(self) -> "Ingester":
        """Return the ingester."""
        from chalicelib.backends.postgres.splits import PostgresSplits
        from chalicelib.core.memory_budget import MemoryBudget
        from chalicelib.reading.compression import DecompressionLimits
        from chalicelib.service.block_memory import BlockMemory
        from chalicelib.service.ingestion import Ingester, IngestionLimits

        settings = self.settings
        budget = MemoryBudget(settings.memory_budget, settings.worker_jobs)
        return Ingester(
            ledger=self.ledger,
            splits=PostgresSplits(self._pool),
            store=self.ingested_store,
            sender=self.sender,
            new_writer=self.new_block_writer,
            block_memory=BlockMemory(budget.blocks),
            limits=IngestionLimits(
                text=DecompressionLimits(
                    size=settings.max_text_size,
                    ratio=settings.max_ratio,
                    seconds=settings.max_decompression_seconds,
                ),
                max_upload=settings.max_upload_size,
                max_record=settings.max_record_size,
                read_size=min(settings.read_size, budget.read_size),
                range_size=settings.range_size,
                loaders=settings.loaders,
                memory=budget,
                max_rejects=settings.max_rejects,
            ),
        )

    @property
    def ingested_store(self) -> "ObjectStore":
        """Return the store that workers read objects from; measurements replace it."""
        return self.store

    def new_block_writer(self) -> "BlockWriter":
        """Return a writer for the blocks of one job."""
        from chalicelib.backends.postgres.blocks import PostgresBlocks
        from chalicelib.service.activity import NotingWriter

        return NotingWriter(
            PostgresBlocks(self._pool, self._destination, self.settings.max_rejects), self.activity
        )

    @cached_property
    def activity(self) -> "Activity":
        """Return what the slots of this process do."""
        from chalicelib.service.activity import Activity

        return Activity()

    def signs_of_life(self) -> "SignsOfLife":
        """Return a context in which this process gives signs of life."""
        return self._signs_of_life(WorkerKind.PROCESS)

    def lambda_signs_of_life(self) -> "SignsOfLife":
        """Return a context in which this invocation gives signs of life, once it has taken a while."""
        return self._signs_of_life(WorkerKind.LAMBDA)

    def _signs_of_life(self, kind: WorkerKind) -> "SignsOfLife":
        from chalicelib.service.signs_of_life import SignsOfLife

        is_lambda = kind is WorkerKind.LAMBDA
        interval = self.settings.lease_seconds / _SIGNS_IN_A_LEASE
        return SignsOfLife(
            self.workers,
            self.activity,
            name=self.owner,
            kind=kind,
            version=__version__,
            slots=1 if is_lambda else self.settings.worker_jobs,
            interval=interval,
            first_after=interval if is_lambda else 0,
        )

    @cached_property
    def ledger(self) -> "PostgresLedger":
        """Return the ledger of all jobs."""
        from chalicelib.backends.postgres.ledger import PostgresLedger

        return PostgresLedger(self._pool, self._destination)

    @cached_property
    def _destination(self) -> "Destination[Connection]":
        from chalicelib.backends.postgres.ingested_data import IngestedData

        return IngestedData()

    @cached_property
    def message_handler(self) -> "MessageHandler":
        """Return the handler of a long-running worker's messages."""
        return self._message_handler(self.shared_receiver, one_claim=False)

    @cached_property
    def shared_receiver(self) -> "SharedReceiver":
        """Return the receiver of a long-running worker's messages."""
        from chalicelib.service.shared_receiver import SharedReceiver

        keep = min(_KEEP_SECONDS, self.settings.visibility_timeout / 4)
        return SharedReceiver(self.receiver, self.jobs.ping, keep_seconds=keep)

    @cached_property
    def lambda_message_handler(self) -> "MessageHandler":
        """Return the handler of the messages that Lambda receives."""
        return self._message_handler(self.sqs_receiver, one_claim=True)

    def _message_handler(self, receiver: JobReceiver, *, one_claim: bool) -> "MessageHandler":
        from chalicelib.backends.postgres.leases import PostgresLeases
        from chalicelib.backends.postgres.previews import PostgresPreviews
        from chalicelib.backends.postgres.undo import PostgresUndo
        from chalicelib.service.attempt import Attempts
        from chalicelib.service.message_handler import MessageHandler
        from chalicelib.service.preview import Previewer
        from chalicelib.service.rejects_file import RejectsFileMaker

        lease, visibility = self.settings.lease_seconds, self.settings.visibility_timeout
        attempts = Attempts(
            self.jobs,
            self.ingester,
            Previewer(self.ledger, PostgresPreviews(self._pool), self.ingested_store, self.ingester.limits),
            PostgresUndo(self._pool, self._destination),
            self.ledger,
            RejectsFileMaker(
                self.rejects_wishes,
                self.ingested_store,
                self.upload_bucket,
                self.ingester.limits,
                self.ingester.block_memory,
                max_attempts=receiver.max_deliveries,
            ),
            max_attempts=receiver.max_deliveries,
            outage_seconds=self.settings.outage_seconds,
            activity=self.activity,
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
        """Leave the queue and close the connections to the database. Raises RetryLater."""
        self._queue.close()
        if "_pool" in vars(self):  # it was built
            self._pool.close()

    @cached_property
    def _pool(self) -> database.Pool:
        # of a worker: every loader of every job, its lease; look-ups, sweeps, signs of life
        size = self.settings.worker_jobs * (self.settings.loaders + 1) + 3
        required(self.settings.database_url, "DATABASE_URL")  # fail at the start, not in the pool's thread
        return database.Pool(
            self.database_url,
            size=size,
            idle_seconds=self.settings.lease_seconds,
            on_failure=self._read_password_again,
        )

    def _read_password_again(self) -> None:
        """Read the secret again: it may have been rotated since it was cached."""
        if self.settings.database_secret:
            from chalicelib.backends.secrets import credentials_in

            with suppress(RetryLater):
                credentials_in(self.settings.database_secret, fresh=True)

    def database_url(self) -> str:
        """Return the address of Postgres, with credentials and CAs. Raises SettingError, RetryLater."""
        url = required(self.settings.database_url, "DATABASE_URL")
        url = with_certificates(url, self.settings.database_ca)
        if not self.settings.database_secret:
            return url
        from chalicelib.backends.secrets import with_credentials

        return with_credentials(url, self.settings.database_secret)

    @cached_property
    def _s3(self) -> "S3Client":
        return s3_client(self.settings.aws_endpoint_url, self._s3_connections)

    @property
    def _s3_connections(self) -> int:
        return 2 * self.settings.worker_jobs + _S3_CONNECTIONS  # each job reads ahead

    @cached_property
    def _queue(self) -> Queue:
        return QUEUES[self.settings.queue_backend](self.settings, self.owner)

    @cached_property
    def _sqs_queue(self) -> SqsQueue:
        return self._queue if isinstance(self._queue, SqsQueue) else SqsQueue(self.settings, self.owner)


class ReachedServices:
    """The services for what is within reach of a request. To them other jobs do not exist."""

    def __init__(self, shared: Services, reach: Reach, actor: Actor | None) -> None:
        self._shared = shared
        self._tenant = reach.tenant
        self._actor = actor
        self.jobs = shared.jobs.of(reach, actor)
        self.multipart_uploads = shared.multipart_uploads

    @property
    def tenants(self) -> PostgresTenants:
        """Return the tenants."""
        return self._shared.tenants.by(self._actor)

    @property
    def api_keys(self) -> ApiKeys:
        """Return the service for API keys."""
        return self._shared.api_keys.by(self._actor)

    @property
    def erasing(self) -> Erasing:
        """Return the service that begins and shows erasures."""
        return Erasing(self._shared.erasures(self._tenant, self._actor))

    @property
    def uploads(self) -> Uploads:
        """Return the service that registers uploads."""
        shared = self._shared
        return Uploads(self.jobs, shared.signer, shared.multipart_uploads, shared.upload_rules, self._tenant)

    @property
    def job_actions(self) -> JobActions:
        """Return the service that cancels, loads, retries and undoes jobs."""
        shared = self._shared
        intake = replace(shared.intake, jobs=self.jobs)
        return JobActions(self.jobs, shared.multipart_uploads, shared.sender, intake)

    @property
    def rejects_files(self) -> RejectsFiles:
        """Return the service that hands out rejects files."""
        shared = self._shared
        wishes = shared.rejects_wishes.of(self._tenant)
        # the rejects of a duplicate file are those of another job, which may have another creator
        loaders = shared.jobs.of(Reach(self._tenant))
        return RejectsFiles(loaders, wishes, shared.sender, shared.signer)


@cache
def services() -> Services:
    """Return the process's services, by its environment. Raises SettingError."""
    return Services(environment.load())
