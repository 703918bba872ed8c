"""Who makes requests in measurements: an operator, for the tenant `default`."""

from collections.abc import Mapping

from chalicelib.core.access import CredentialKind, Principal, Reach, Scope
from chalicelib.core.jobs import Job
from chalicelib.core.tenants import DEFAULT_TENANT
from chalicelib.core.uploads import UploadRequest
from chalicelib.wiring import Services

_OPERATOR = Principal(CredentialKind.KEY, "bench", "bench", frozenset(Scope))


REACH = Reach(DEFAULT_TENANT)


def key_headers(env: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the key of the stack's operator, for requests to the API."""
    return {"Authorization": f"Bearer {env['SLUICE_API_KEY']}"}


def register(services: Services, request: UploadRequest) -> Job:
    """Register an upload and return its job."""
    return services.of(REACH).uploads.register(request, _OPERATOR).job
