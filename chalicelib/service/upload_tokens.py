"""Make upload tokens, and know who has one."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from chalicelib.core.access import CredentialKind, Principal, Scope, Unauthenticated
from chalicelib.core.upload_tokens import LONGEST, NewUploadToken, UploadToken
from chalicelib.service.api_keys import ApiKeys
from chalicelib.service.tenants import KnownTenants, TenantRegister

_KEY = f"{CredentialKind.KEY}:"


class TokenSigner(Protocol):
    """Sign claims, and check signatures."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token with these claims. Raises NotPossible if there is no secret, RetryLater."""

    def verify(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token. Raises RetryLater, and Unauthenticated if it is not valid now."""


class UploadTokens:
    """Make upload tokens and recognise them.

    ``signer`` is called when the first token comes, or is made: most processes see none.
    """

    def __init__(self, signer: Callable[[], TokenSigner], tenants: TenantRegister, api_keys: ApiKeys) -> None:
        self._signer = signer
        self._tenants = KnownTenants(tenants)
        self._api_keys = api_keys

    def create(self, new: NewUploadToken) -> tuple[UploadToken, str]:
        """Return a new token with its text, which is stored nowhere. Raises NotPossible, RetryLater."""
        now = datetime.now(UTC).replace(microsecond=0)
        token = UploadToken(uuid4(), new, now, now + timedelta(seconds=min(new.expires_in, LONGEST)))
        return token, self._signer().sign(_claims(token))

    def principal(self, text: str) -> Principal:
        """Return who has the token. Raises Unauthenticated, RetryLater."""
        claims = self._signer().verify(text)
        tenant = self._tenants.get(claims["tenant"])
        if tenant is None or tenant.id != claims["tenant_id"]:  # another may have its name now
            raise Unauthenticated("The upload token is not valid: its tenant does not exist.")
        self._check_maker(claims["made_by"])
        new = NewUploadToken(
            tenant=tenant,
            dataset=claims["dataset"],
            scopes=frozenset(map(Scope, claims["scope"].split())),
            made_by=claims["made_by"],
            max_size=claims["max_size"],
            max_files=claims["max_files"],
            expires_in=claims["exp"] - claims["iat"],
            metadata=claims["metadata"],
        )
        times = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
        token = UploadToken(UUID(claims["jti"]), new, *times)
        datasets = frozenset({new.dataset})
        return Principal(
            CredentialKind.TOKEN, str(token.id), new.dataset, new.scopes, tenant, datasets, token.limits
        )

    def _check_maker(self, credential: str) -> None:
        """Raise Unauthenticated if a key made the token, and the key does not work any more."""
        if credential.startswith(_KEY) and not self._api_keys.is_live(UUID(credential.removeprefix(_KEY))):
            raise Unauthenticated("The upload token is not valid: the API key that made it has ended.")


def _claims(token: UploadToken) -> dict[str, Any]:
    new = token.new
    return {
        "jti": str(token.id),
        "iat": int(token.created_at.timestamp()),
        "nbf": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "tenant": new.tenant.name,
        "tenant_id": new.tenant.id,
        "dataset": new.dataset,
        "scope": " ".join(sorted(new.scopes)),
        "made_by": new.made_by,
        "max_size": new.max_size,
        "max_files": new.max_files,
        "metadata": dict(new.metadata),
    }
