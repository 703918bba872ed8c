"""The audit log: who did what, or was refused."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chalicelib.core.access import Principal


class AuditAction(StrEnum):
    """What the audit log tells of. Reading jobs is not among it."""

    UPLOAD_REGISTER = "upload.register"
    UPLOAD_ABORT = "upload.abort"
    JOB_CANCEL = "job.cancel"
    JOB_LOAD = "job.load"
    JOB_RETRY = "job.retry"
    JOB_UNDO = "job.undo"
    REJECTS_DOWNLOAD = "rejects.download"  # each time that a URL is handed out
    DATASET_OPTIONS_SET = "dataset.options.set"
    DATASET_ERASE = "dataset.erase"  # one person's records
    TENANT_CREATE = "tenant.create"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_REMOVE = "tenant.remove"
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    TOKEN_CREATE = "token.create"  # noqa: S105 - of an upload token


@dataclass(frozen=True)
class Actor:
    """Who takes an action that the audit log tells of, and by which request."""

    action: AuditAction
    kind: str  # of the principal, or `command` for a command on the server
    id: str
    name: str
    credential: str | None = None
    request_id: str = ""
    address: str | None = None  # of the network, as API Gateway sees it

    @classmethod
    def of(cls, principal: Principal, action: AuditAction, request_id: str, address: str | None) -> "Actor":
        """Return the actor of a request."""
        return cls(
            action, principal.kind, principal.id, principal.name, principal.credential, request_id, address
        )


@dataclass(frozen=True)
class Target:
    """What an action is about. A path of the API's, such as `tenants/acme`, says what besides the job."""

    tenant_id: int | None = None  # None: all tenants, or none
    job_id: UUID | None = None
    path: str | None = None

    @property
    def subject(self) -> str | None:
        """Return the path of the target."""
        return self.path if self.job_id is None else f"jobs/{self.job_id}"


@dataclass(frozen=True)
class AuditEvent:
    """An event of the audit log, as it is stored."""

    number: int
    time: datetime
    actor: Actor
    tenant: str | None
    job_id: UUID | None
    subject: str | None
    refused: int | None = None  # the status of the problem; None: the action was done


@dataclass(frozen=True)
class AuditFilters:
    """Which events to list. None: any."""

    tenant: str | None = None
    action: AuditAction | None = None
    job_id: UUID | None = None
    since: datetime | None = None
