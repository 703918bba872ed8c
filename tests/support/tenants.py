"""Two tenants beside the default one, and API keys, for tests of the API."""

from typing import Any
from uuid import uuid4

from chalicelib.core.access import Scope
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.tenants import Tenant
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW

ACME, BOND = Tenant(2, "acme", NOW), Tenant(3, "bond", NOW)


def add_tenants(services: MemoryServices) -> None:
    """Let both tenants exist."""
    services.tenants.tenants |= {"acme": ACME, "bond": BOND}
    services.access = services.new_access()


def new_key(services: MemoryServices, *scopes: Scope, **grants: Any) -> str:
    """Return a new key: with all scopes and for all tenants, unless told otherwise."""
    new = NewApiKey(name=str(uuid4()), scopes=frozenset(scopes or Scope), **grants)
    return services.api_keys.create(new)[1]
