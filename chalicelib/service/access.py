"""Decide who makes a request, and on whose behalf."""

from chalicelib.core.access import Forbidden, Principal, Scope, Unauthenticated
from chalicelib.core.names import is_tenant, shown
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.service.api_keys import ApiKeys
from chalicelib.service.people import People
from chalicelib.service.tenants import KnownTenants, TenantRegister
from chalicelib.service.upload_tokens import UploadTokens

_SCHEME = "bearer"


class UnknownTenant(Exception):  # noqa: N818 - names the problem
    """There is no tenant with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no tenant {shown(name)}.")


class Access:
    """Recognise credentials."""

    def __init__(
        self,
        api_keys: ApiKeys,
        tenants: TenantRegister,
        upload_tokens: UploadTokens,
        people: People | None = None,
    ) -> None:
        self._api_keys = api_keys
        self._people = people
        self._upload_tokens = upload_tokens
        self._tenants = KnownTenants(tenants)

    def principal(self, authorization: str | None) -> Principal:
        """Return who makes a request with this `Authorization` header. Raises Unauthenticated, RetryLater."""
        scheme, _, credential = (authorization or "").strip().partition(" ")
        if not scheme:
            raise Unauthenticated(
                "The request has no credential: send `Authorization: Bearer` and an API key or a token.",
                has_credential=False,
            )
        if scheme.lower() != _SCHEME or not credential.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and an API key or a token.")
        credential = credential.strip()
        if not credential.isascii():
            raise Unauthenticated("The credential is not valid.")
        if "." in credential:  # a JSON Web Token has two; an API key has none
            if self._people is not None and self._people.have(credential):
                return self._people.principal(credential)
            return self._upload_tokens.principal(credential)
        return self._api_keys.principal(credential)

    def tenant(self, principal: Principal, named: str | None) -> Tenant:
        """Return the tenant of a request that names one, or none.

        Without a name it is the credential's, and `default` for a credential of all tenants.
        Raises Forbidden, UnknownTenant, RetryLater.
        """
        own = principal.tenant
        if own is None:
            name = DEFAULT_TENANT.name if named is None else named
            found = self._tenants.get(name) if is_tenant(name) else None
            if found is None:
                raise UnknownTenant(name)
            return found
        if named not in (None, own.name):
            raise Forbidden(f"This credential is for the tenant {own.name}.")
        if own.why_stopped is not None:
            raise Forbidden(own.why_stopped)
        return own


def require(principal: Principal, scope: Scope, *, of_all_tenants: bool = False) -> None:
    """Return if the principal has the scope, and is one of all tenants if it must be. Raises Forbidden."""
    if scope not in principal.scopes:
        raise Forbidden(f"This credential does not have the scope {scope}.", scope=scope)
    if of_all_tenants and principal.tenant is not None:
        raise Forbidden("Only a credential for all tenants may do this.")
