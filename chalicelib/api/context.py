"""The request context: the properties of a request that a view may use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chalice.app import Request

from chalicelib.api.problems import UnknownJob
from chalicelib.core.access import Principal, Reach
from chalicelib.core.audit import Actor, AuditAction
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant

TENANT = "Sluice-Tenant"  # the header that names the tenant, for a credential of all tenants
REQUEST_ID = "X-Request-Id"  # the header with the request's id, in the request and in its answer
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")  # UUIDs, ULIDs, the ids of traces


@dataclass(frozen=True)
class RequestContext:
    """One request. Its body is read and parsed when a view asks for it."""

    request_id: str = ""
    path: Mapping[str, str] = field(default_factory=dict)  # the parameters in the route
    query: Mapping[str, str] = field(default_factory=dict)  # of a repeated parameter, the last value
    read_body: Callable[[], Any] = lambda: None
    read_bytes: Callable[[], str | bytes] = lambda: b""
    principal: Principal | None = None  # None: the request is open to all
    tenant: Tenant = DEFAULT_TENANT
    audited: AuditAction | None = None  # what the audit log tells of the request
    address: str | None = None  # of the client's network
    accept: str = ""  # the header: which types of content the client takes

    @classmethod
    def of(cls, request: Request, path: Mapping[str, str]) -> "RequestContext":
        """Return the context of Chalice's request; ``path`` holds Chalice's arguments of the view."""
        return cls(
            request_id=request_id_of(request),
            path=path,
            query={name: str(value) for name, value in (request.query_params or {}).items()},
            read_body=lambda: request.json_body,
            read_bytes=lambda: request.raw_body,
            address=_address_of(request),
            accept=request.headers.get("Accept") or "",
        )

    @property
    def known_principal(self) -> Principal:
        """Return who makes the request, which is not open to all."""
        if self.principal is None:
            raise AssertionError("the request was not authenticated")
        return self.principal

    @property
    def reach(self) -> Reach:
        """Return what exists for the request."""
        return self.known_principal.reach(self.tenant)

    @property
    def actor(self) -> Actor | None:
        """Return who takes an action that the audit log tells of; None in a request that takes none."""
        if self.audited is None or self.principal is None:
            return None
        return Actor.of(self.principal, self.audited, self.request_id, self.address)

    @property
    def has_body(self) -> bool:
        """Return whether the client sent a body, JSON or not."""
        return bool(self.read_bytes())

    @property
    def body(self) -> Any:  # noqa: ANN401 - whatever the client sent
        """Return the JSON of the body.

        Raises InvalidRequest when it is nested too deep, and Chalice's own error when it is not JSON.
        """
        try:
            return self.read_body()
        except RecursionError:
            raise InvalidRequest("The body is nested too deep.") from None

    @property
    def job_id(self) -> UUID:
        """Return the job id in the path. Raises UnknownJob when it is not a UUID."""
        job_id = uuid_in(self.path["job_id"])
        if job_id is None:
            raise self.unknown_job()
        return job_id

    def unknown_job(self) -> UnknownJob:
        """Return the error for a path whose job does not exist."""
        return UnknownJob(self.path["job_id"])


def uuid_in(text: str) -> UUID | None:
    """Return the id that a path has in a place for one; None if it is not a UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None


def request_id_of(request: Request) -> str:
    """Return the id that the client gave its request in `X-Request-Id`, or else :func:`gateway_id_of`."""
    sent = str(request.headers.get(REQUEST_ID) or "")
    return sent if _REQUEST_ID.fullmatch(sent) else gateway_id_of(request)


def gateway_id_of(request: Request) -> str:
    """Return API Gateway's id of the request, or Lambda's where there is none."""
    lambda_request_id = getattr(request.lambda_context, "aws_request_id", "")
    return str(request.context.get("requestId") or lambda_request_id)


def _address_of(request: Request) -> str | None:
    """Return the address that API Gateway has the connection from. A client can send any header."""
    identity = request.context.get("identity")
    address = identity.get("sourceIp") if isinstance(identity, dict) else None
    return str(address) if address else None
