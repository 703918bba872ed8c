"""Those who make requests in tests."""

from chalicelib.core.access import CredentialKind, Principal, Reach, Scope
from chalicelib.core.tenants import DEFAULT_TENANT

OPERATOR = Principal(CredentialKind.KEY, "operator", "operator", frozenset(Scope))
REACH = Reach(DEFAULT_TENANT)  # all jobs of the tenant `default`
