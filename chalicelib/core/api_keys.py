"""API keys: `slu_`, 30 letters and digits, and a checksum of 6.

The form is that of GitHub's tokens, so that those who scan for leaked secrets recognise a key, and most
mistyped ones are refused without a look at the database. 30 of 62 characters are 178 bits.
Source: https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from chalicelib.core.access import Scope
from chalicelib.core.tenants import Tenant

PREFIX = "slu_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECKSUM = 30, 6  # characters
PATTERN = rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}"
_KEY = re.compile(PATTERN)

MOST_LIVE = 2  # keys of one name: the one in use, and the one that replaces it


@dataclass(frozen=True)
class NewApiKey:
    """An API key to be created."""

    name: str  # of what uses it
    scopes: frozenset[Scope]
    tenant: Tenant | None = None  # None: all
    datasets: frozenset[str] | None = None  # None: all
    expires_at: datetime | None = None  # None: never
    created_by: str | None = None  # a credential


@dataclass(frozen=True)
class ApiKey:
    """An API key as it is stored: without the key itself."""

    id: UUID
    number: int
    new: NewApiKey
    created_at: datetime
    last_used_at: datetime | None = None  # to the minute
    revoked_at: datetime | None = None
    hash: bytes = field(default=b"", repr=False)  # SHA-256

    def is_live(self, now: datetime) -> bool:
        """Return whether the key can be used."""
        return self.revoked_at is None and (self.new.expires_at is None or now < self.new.expires_at)


def make_key() -> str:
    """Return a new key."""
    random = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return PREFIX + random + _checksum(random)


def is_key(text: str) -> bool:
    """Return whether the text has the form of a key, and the right checksum."""
    if _KEY.fullmatch(text) is None:
        return False
    random = text[len(PREFIX) : -_CHECKSUM]
    return text.endswith(_checksum(random))


def hash_of(key: str) -> bytes:
    """Return what is stored of a key. It is random, so that a fast hash is safe."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(random: str) -> str:
    """Return the CRC-32 of the random part, in base 62."""
    number, digits = zlib.crc32(random.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
