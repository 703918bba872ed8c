"""The seams: what the flow needs from the outside, as small Protocols. ``backends`` fill them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.core.jobs import Part
from chalicelib.core.model import Source


@dataclass(frozen=True)
class SignedUpload:
    """Everything a client needs to send the bytes, with no credentials of its own."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


class UploadSigner(Protocol):
    """Makes URLs that let a client write one object, or a part of one, and nothing else."""

    def sign(self, key: str, *, size: int | None, sha256: str | None) -> SignedUpload:
        """A URL to PUT the object at ``key``: of that size (bytes) and SHA-256 (hexadecimal), if given."""

    def sign_part(self, key: str, upload_id: str, part: Part) -> SignedUpload:
        """A URL to PUT that part of the object at ``key``: of its size and SHA-256, if it has one."""


class UploadBucket(Protocol):
    """The bucket that clients upload to. Every method raises RetryLater.

    What happens to an upload in parts that has ended raises NotPossible.
    """

    def begin(self, key: str, *, checksums: bool) -> str:
        """The id of a new upload in parts; with ``checksums``, each part is to come with its SHA-256."""

    def parts(self, key: str, upload_id: str, *, after: int) -> Sequence[Part]:
        """Up to 1,000 of the parts that have arrived, by number, from the one after ``after`` on."""

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts. Once it is made, doing it again may or may not raise NotPossible."""

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts. Does nothing when the upload has ended."""

    def remove(self, key: str) -> None:
        """Remove the object, if it is there."""

    def objects(self, prefix: str) -> Iterator[Source]:
        """All objects whose key begins so."""
