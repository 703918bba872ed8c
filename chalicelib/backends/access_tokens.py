"""Access tokens of an identity provider (RFC 9068), verified with its public keys (RFC 7517)."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from chalicelib.core.access import Unauthenticated
from chalicelib.core.errors import RetryLater
from chalicelib.telemetry import logger

_TYPES = ("at+jwt", "application/at+jwt")  # RFC 9068, section 4
_REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")  # RFC 9068, section 2.2
_LEEWAY = 30  # seconds, between the provider's clock and ours
_PAUSE = 60.0  # seconds between two looks for a new key
_PAUSE_AFTER_FAILURE = 5.0  # seconds, while there is no key set at all
_KEPT = 600.0  # seconds that keys are remembered: then one that the provider has withdrawn is gone
_SMALLEST_RSA = 2048  # bits


@dataclass(frozen=True)
class Provider:
    """Who makes the tokens, and for whom they must be."""

    issuer: str
    audience: str


class AccessTokens:
    """Implement :class:`chalicelib.service.people.AccessTokenVerifier`.

    ``read`` returns the provider's key set, a JSON document. Raises RetryLater.
    """

    def __init__(
        self, provider: Provider, read: Callable[[], bytes], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider = provider
        self._read = read
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] | None = None
        self._read_at = -math.inf

    def is_access_token(self, token: str) -> bool:
        """See the port."""
        try:
            return _type_of(jwt.get_unverified_header(token)) in _TYPES
        except jwt.InvalidTokenError:
            return False

    def verify(self, token: str) -> Mapping[str, Any]:
        """See the port."""
        problem = "The access token is not valid."
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"))
            if key is not None and _type_of(header) in _TYPES:
                claims: Mapping[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=[key.algorithm_name],  # the key's, whatever the token says
                    audience=self._provider.audience,
                    issuer=self._provider.issuer,
                    leeway=_LEEWAY,
                    options={"require": list(_REQUIRED)},
                )
                return claims
        except jwt.ExpiredSignatureError:
            problem = "The access token has expired."
        except jwt.InvalidTokenError:
            pass
        raise Unauthenticated(problem)

    def _key(self, key_id: object) -> jwt.PyJWK | None:
        if not isinstance(key_id, str):
            return None
        age = self._clock() - self._read_at
        if self._keys is None and age < _PAUSE_AFTER_FAILURE:
            raise RetryLater("the key set of the identity provider could not be read a moment ago")
        if self._keys is None or age >= _KEPT or (key_id not in self._keys and age >= _PAUSE):
            self._read_at = self._clock()  # also after a failure: a stranger's token causes one look a minute
            try:
                self._keys = _usable(self._read())
            except RetryLater:
                if self._keys is None:
                    raise
                logger.exception("key set not read: the one before is used")
        return self._keys.get(key_id)


def _type_of(header: Mapping[str, Any]) -> str:
    return str(header.get("typ")).lower()


def _usable(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a set that may verify, by id; each has its one algorithm. Raises RetryLater."""
    try:
        keys = json.loads(document)["keys"]
        return {key.key_id: key for key in map(_key_of, keys) if key is not None and key.key_id}
    except (ValueError, KeyError, TypeError):
        raise RetryLater("the key set of the identity provider is not a JSON Web Key Set") from None


def _key_of(jwk: Mapping[str, Any]) -> jwt.PyJWK | None:
    """Return the key; None if it is not for RS256 or ES256 signatures."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(jwk.get("kty", ""))
    is_other = jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm
    if algorithm is None or is_other or (algorithm == "ES256" and jwk.get("crv") != "P-256"):
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in jwk.items() if name != "d"}, algorithm)
    except (jwt.PyJWKError, jwt.InvalidKeyError):
        return None
    return None if algorithm == "RS256" and key.key.key_size < _SMALLEST_RSA else key
