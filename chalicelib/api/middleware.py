"""The steps around every request: its context, its log line, its request id."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import cast

from chalice.app import Chalice, Request, Response

from chalicelib.api.context import RequestContext, request_id_of
from chalicelib.api.problems import Answer, handle_errors
from chalicelib.api.responses import PROBLEM, problem_response
from chalicelib.core.access import CredentialKind, Forbidden, Scope
from chalicelib.service.access import Access, require
from chalicelib.telemetry import logger

TENANT = "Sluice-Tenant"  # the header that names the tenant, for a credential of all tenants

_CREDENTIAL = "sluice_credential"  # in the request's context: who makes it, for the log

View = Callable[[RequestContext], Response]


class Views:
    """Turn views into Chalice's: check who makes the request, and answer errors.

    ``scopes`` has the scope of each view by its name, ``for_tokens`` the names of those for upload tokens.
    """

    def __init__(self, app: Chalice, access: Callable[[], Access]) -> None:
        self._app = app
        self._access = access
        self.scopes: dict[str, Scope] = {}
        self.for_tokens: set[str] = set()

    def __call__(
        self,
        scope: Scope,
        *,
        of_all_tenants: bool = False,
        for_tokens: bool = False,
        is_open: Callable[[RequestContext], bool] = lambda _context: False,
    ) -> Callable[[View], Answer]:
        """Return a decorator for a view that needs the scope, unless the request is open to all.

        ``of_all_tenants``: it needs a credential of all tenants as well. ``for_tokens``: an upload token
        may do; without it, none does, whatever its scopes.
        """

        def decorate(view: View) -> Answer:
            @wraps(view)
            def answer(**path: str) -> Response:
                request = cast("Request", self._app.current_request)  # None only outside of a request
                context = RequestContext.of(request, path)
                if not is_open(context):
                    context = self._authenticated(request, context, scope, for_tokens=for_tokens)
                    if of_all_tenants and context.known_principal.tenant is not None:
                        raise Forbidden("Only a credential of all tenants may do this.")
                return view(context)

            self.scopes[view.__name__] = scope
            if for_tokens:
                self.for_tokens.add(view.__name__)
            return handle_errors(answer)

        return decorate

    def _authenticated(
        self, request: Request, context: RequestContext, scope: Scope, *, for_tokens: bool
    ) -> RequestContext:
        access = self._access()
        principal = access.principal(request.headers.get("Authorization"))
        request.context[_CREDENTIAL] = principal.credential
        tenant = access.tenant(principal, request.headers.get(TENANT))
        if principal.kind is CredentialKind.TOKEN and not for_tokens:
            raise Forbidden("An upload token does not allow this.")
        require(principal, scope)
        return replace(context, principal=principal, tenant=tenant)


def request_middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Return the response with its request id, as a problem if Chalice made it an error. Log the request."""
    request_id = request_id_of(request)
    keys = {"request_id": request_id}
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
    response.headers["X-Request-Id"] = request_id
    if response.headers.get("Content-Type") == PROBLEM:
        response.body["request_id"] = request_id
    return response
