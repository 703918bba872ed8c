"""Recognise people by the access tokens of an identity provider, and give them the rights of their roles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from chalicelib.core.access import CredentialKind, Principal, Scope, Unauthenticated
from chalicelib.core.names import is_tenant, is_text
from chalicelib.core.tenants import Tenant
from chalicelib.service.tenants import KnownTenants, TenantRegister

_LONGEST_SUBJECT = 255  # characters. Source: OpenID Connect Core 1.0, section 2, `sub`


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a role gives."""

    scopes: frozenset[Scope]
    all_tenants: bool = False


class AccessTokenVerifier(Protocol):
    """Check access tokens."""

    def is_access_token(self, token: str) -> bool:
        """Return whether the token says that it is one, valid or not."""

    def verify(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token. Raises RetryLater, and Unauthenticated if it is not valid now."""


@dataclass(frozen=True)
class Claims:
    """The names of the claims that say whose a person is, and what they may do."""

    tenant: str
    roles: str


def parse_roles(text: str) -> Mapping[str, Role]:
    """Return the roles in a JSON object. Raises ValueError with a sentence."""
    try:
        return msgspec.json.decode(text, type=dict[str, Role])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"is not a JSON object of roles with scopes: {error}") from None


class People:
    """Recognise people. ``verifier`` is called when the first token comes."""

    def __init__(
        self,
        verifier: Callable[[], AccessTokenVerifier],
        tenants: TenantRegister,
        roles: Mapping[str, Role],
        claims: Claims,
    ) -> None:
        self._verifier = verifier
        self._tenants = KnownTenants(tenants)
        self._roles = roles
        self._names = claims

    def have(self, token: str) -> bool:
        """Return whether the token is for people, valid or not."""
        return self._verifier().is_access_token(token)

    def principal(self, token: str) -> Principal:
        """Return who has the token. Raises Unauthenticated, RetryLater."""
        claims = self._verifier().verify(token)
        subject = claims["sub"]
        if not (is_text(subject) and 0 < len(subject) <= _LONGEST_SUBJECT and subject.isprintable()):
            raise Unauthenticated("The access token is not valid: its subject is not a name.")
        roles = [
            self._roles[name] for name in _names_in(claims.get(self._names.roles)) if name in self._roles
        ]
        # A right in one tenant must not become one in all of them because of another role.
        for_all = [role for role in roles if role.all_tenants]
        scopes = frozenset[Scope]().union(*(role.scopes for role in for_all or roles))
        tenant = None if for_all else self._tenant(claims.get(self._names.tenant))
        return Principal(CredentialKind.PERSON, subject, subject, scopes, tenant)

    def _tenant(self, name: object) -> Tenant:
        if isinstance(name, str) and is_tenant(name):
            found = self._tenants.get(name)
            if found is not None:
                return found
        raise Unauthenticated("The access token is not valid: it does not name an existing tenant.")


def _names_in(claim: object) -> list[str]:
    """Return the names in a claim: a list, or a text with blanks between them."""
    if isinstance(claim, str):
        return claim.split()
    return [name for name in claim if isinstance(name, str)] if isinstance(claim, list) else []
