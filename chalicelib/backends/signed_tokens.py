"""JSON Web Tokens, signed with HMAC-SHA-256 (RFC 7515, RFC 7519, RFC 8725)."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jwt
from jwt.utils import base64url_decode, base64url_encode

from chalicelib.core.access import Unauthenticated
from chalicelib.core.errors import NotPossible

TYPE = "sluice-upload+jwt"  # so that no other token of a secret is taken for one of these
ISSUER, AUDIENCE = "sluice", "sluice-uploads"
_ALGORITHM = "HS256"
_LEEWAY = 5  # seconds, between the clocks of two processes
_REQUIRED = ("iss", "aud", "exp", "nbf", "iat", "jti", "tenant", "made_by")
_ID_DIGITS = 16
_PAUSE = 60.0  # seconds between two looks for a new secret


class SecretsReader(Protocol):
    """Read the secrets."""

    def __call__(self, *, fresh: bool) -> Sequence[bytes]:
        """Return the secrets, newest first; ``fresh``: not those that are remembered. Raises RetryLater."""


class SignedTokens:
    """Implement :class:`chalicelib.service.upload_tokens.TokenSigner`."""

    def __init__(self, read: SecretsReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._looked_at = clock() - _PAUSE

    def sign(self, claims: Mapping[str, Any]) -> str:
        """See the port."""
        secrets = self._read(fresh=False)
        if not secrets:
            raise NotPossible(
                "This service cannot create upload tokens: its operator has not set a secret for them."
            )
        newest = secrets[0]
        payload = {"iss": ISSUER, "aud": AUDIENCE, **claims}
        return jwt.encode(payload, newest, _ALGORITHM, headers={"typ": TYPE, "kid": id_of(newest)})

    def verify(self, token: str) -> Mapping[str, Any]:
        """See the port."""
        problem = "The credential is not valid."
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") == TYPE and _is_canonical(token):
                return self._claims(token, header.get("kid"))
        except jwt.ExpiredSignatureError:
            problem = "The upload token has expired."
        except jwt.InvalidTokenError:
            problem = "The upload token is not valid."
        raise Unauthenticated(problem)

    def _claims(self, token: str, key_id: object) -> Mapping[str, Any]:
        """Return the claims. Raises InvalidTokenError."""
        secret = self._secret(key_id)
        if secret is None:
            raise jwt.InvalidTokenError
        claims: Mapping[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=_LEEWAY,
            options={"require": list(_REQUIRED), "strict_aud": True},
        )
        return claims

    def _secret(self, key_id: object) -> bytes | None:
        found = {id_of(secret): secret for secret in self._read(fresh=False)}
        if key_id not in found and self._clock() - self._looked_at >= _PAUSE:
            # Another process may know a newer one. A stranger's token costs no more than one look a minute.
            self._looked_at = self._clock()
            found = {id_of(secret): secret for secret in self._read(fresh=True)}
        return found.get(key_id) if isinstance(key_id, str) else None


def id_of(secret: bytes) -> str:
    """Return what names a secret: a part of a hash, from which the secret does not follow."""
    return hashlib.sha256(b"sluice token secret " + secret).hexdigest()[:_ID_DIGITS]


def _is_canonical(token: str) -> bool:
    """Return whether the signature is written as it is in a token that was made here.

    The last letter of its base64 has bits to spare, and Python passes over characters that are not base64.
    """
    signature = token.rpartition(".")[2]
    return base64url_encode(base64url_decode(signature)).decode() == signature
