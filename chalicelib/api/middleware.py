"""The steps around every request: its context, its log line, its request id, the pages that may read it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import cast

from chalice.app import Chalice, Request, Response

from chalicelib.api.context import REQUEST_ID, TENANT, RequestContext, gateway_id_of, request_id_of, uuid_in
from chalicelib.api.cors import cors_headers
from chalicelib.api.problems import Answer, handle_errors
from chalicelib.api.responses import PROBLEM, problem_response
from chalicelib.core.access import CredentialKind, Forbidden, Scope
from chalicelib.core.audit import AuditAction, Target
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.names import is_dataset, shown
from chalicelib.core.tenants import Tenant
from chalicelib.service.access import Access, require
from chalicelib.service.audit import AuditLog
from chalicelib.telemetry import logger

_CREDENTIAL = "sluice_credential"  # in the request's context: who makes it, for the log

# An answer that the audit log tells of: the action was forbidden, about something unknown, or not possible.
_REFUSALS = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE}

View = Callable[[RequestContext], Response]


class Views:
    """Turn views into Chalice's: check who makes the request, and answer errors.

    ``scopes`` has the scope of each view by its name, ``audited`` what the audit log tells of some,
    ``for_tokens`` the names of those for upload tokens.
    """

    def __init__(self, app: Chalice, access: Callable[[], Access], audit_log: Callable[[], AuditLog]) -> None:
        self._app = app
        self._access = access
        self._audit_log = audit_log
        self.scopes: dict[str, Scope] = {}
        self.for_tokens: set[str] = set()
        self.audited: dict[str, AuditAction] = {}

    def __call__(  # noqa: PLR0913 - what a route says of itself
        self,
        scope: Scope,
        *,
        audit: AuditAction | None = None,
        of_all_tenants: bool = False,
        for_tokens: bool = False,
        parameters: Collection[str] = (),
        is_open: Callable[[RequestContext], bool] = lambda _context: False,
    ) -> Callable[[View], Answer]:
        """Return a decorator for a view that needs the scope, unless the request is open to all.

        ``audit``: what the view does, for the audit log. A view that does it passes on the context's actor;
        refusals are noted here. ``of_all_tenants``: it needs a credential of all tenants as well.
        ``for_tokens``: an upload token may do; without it, none does, whatever its scopes.
        ``parameters``: those that the query may have.
        """

        def decorate(view: View) -> Answer:
            @wraps(view)
            def answer(**path: str) -> Response:
                request = cast("Request", self._app.current_request)  # None only outside of a request
                context = RequestContext.of(request, path)
                if is_open(context):
                    _require_known(context, parameters)
                    return view(context)
                principal = self._access().principal(request.headers.get("Authorization"))
                request.context[_CREDENTIAL] = principal.credential
                context = replace(context, principal=principal, audited=audit)
                tenant = principal.tenant  # as far as it is known

                def allowed() -> Response:
                    nonlocal tenant
                    named = self._access().tenant(principal, request.headers.get(TENANT))
                    if not of_all_tenants:
                        tenant = named
                    if principal.kind is CredentialKind.TOKEN and not for_tokens:
                        raise Forbidden("An upload token does not allow this.")
                    require(principal, scope, of_all_tenants=of_all_tenants)
                    _require_known(context, parameters)
                    return view(replace(context, tenant=named))

                response = handle_errors(allowed)()
                if context.actor is not None and response.status_code in _REFUSALS:
                    target = _target(request, path, tenant)
                    self._audit_log().note_refusal(context.actor, target, response.status_code)
                return response

            self.scopes[view.__name__] = scope
            if for_tokens:
                self.for_tokens.add(view.__name__)
            if audit is not None:
                self.audited[view.__name__] = audit
            return handle_errors(answer)

        return decorate


def _require_known(context: RequestContext, parameters: Collection[str]) -> None:
    """Raise InvalidRequest for a parameter of the query that the route does not have: it would be ignored."""
    for name in context.query:
        if name not in parameters:
            raise InvalidRequest(f"There is no parameter {shown(name)} here.", field=name)


def _target(request: Request, path: Mapping[str, str], tenant: Tenant | None) -> Target:
    """Return what a request is about. Text that is neither an id nor a name is left out: it may be a key."""
    tenant_id = None if tenant is None else tenant.id
    job_id, key_id = (uuid_in(path.get(name, "")) for name in ("job_id", "key_id"))
    if job_id is not None:
        return Target(tenant_id, job_id)
    if key_id is not None:
        return Target(tenant_id, path=f"keys/{key_id}")
    if is_dataset(path.get("name", "")):  # as tenants' names are
        kind = str(request.context.get("resourcePath", "")).split("/")[1]
        return Target(tenant_id, path=f"{kind}/{path['name']}")
    return Target(tenant_id)


def request_middleware(
    request: Request, get_response: Callable[[Request], Response], *, origins: Collection[str] = ()
) -> Response:
    """Return the response with its request id, as a problem if Chalice made it an error. Log the request.

    ``origins``: whose pages may read it.
    """
    request_id = request_id_of(request)
    keys = {"request_id": request_id, "gateway_request_id": gateway_id_of(request)}
    if job_id := (request.uri_params or {}).get("job_id"):
        keys["job_id"] = str(job_id)[:36]
    with logger.append_context_keys(**keys):
        response = get_response(request)
        route = {name: request.context.get(name) for name in ("httpMethod", "resourcePath")}
        details = {"status": response.status_code, "credential": request.context.get(_CREDENTIAL)}
        logger.info("request answered", extra={**route, **details})
    match response.body:
        case {"Code": str(), "Message": str(detail)}:
            allow = response.headers.get("Allow")  # with a 405
            headers = {"Allow": str(allow)} if allow else None
            response = problem_response(response.status_code, detail, headers=headers)
    response.headers[REQUEST_ID] = request_id
    response.headers.update(cors_headers(request, response, origins))
    if response.headers.get("Content-Type") == PROBLEM:
        response.body["request_id"] = request_id
    return response
