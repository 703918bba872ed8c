"""Erase one person's records from a tenant's dataset, by the value of a field.

A request notes the hashes of the value. Sweeps do the rest, in steps that any number of them may take: the
ledger is fenced, so that no worker that does not know the erasure commits a block; then rows are removed,
then the jobs of the dataset are examined, each once it has ended, then the objects of those that held the
value are removed. How far it is, is noted in the transaction of each step.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol
from uuid import UUID, uuid4

from chalicelib.core.erased_values import SALT
from chalicelib.core.erasures import ErasedObject, Erasure
from chalicelib.core.errors import InvalidRequest
from chalicelib.rows.canonical import RecordRejected, number
from chalicelib.rows.text import normalise
from chalicelib.service.object_keys import rejects_prefixes
from chalicelib.service.steps import take_steps
from chalicelib.telemetry import logger

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)  # in JSON


class Erasures(Protocol):
    """Begin and show erasures of one tenant. Every method raises RetryLater."""

    def begin(
        self, dataset: str, erasure_id: UUID, field: str, texts: Sequence[str], salt: bytes
    ) -> Erasure | None:
        """Note the erasure of a value, given the ways in which it may be written, and return it.

        ``salt`` becomes that of the dataset if it has none. Return None if the tenant has no such dataset.
        Raises NotPossible if MOST_OPEN erasures of the dataset are not completed.
        """

    def get(self, dataset: str, erasure_id: UUID) -> Erasure | None:
        """Return an erasure; None if it is unknown."""


class ErasedRecords(Protocol):
    """Carry out erasures in the database. Every method raises RetryLater."""

    def running(self) -> Sequence[UUID]:
        """Return erasures that are not completed: those of tenants in turn, the ones that waited longest."""

    def erase(self, erasure_id: UUID) -> Iterator[None]:
        """Fence the ledger, remove rows, and examine jobs that have ended: a short transaction for each step.

        It goes on where it was.
        """

    def objects(self, erasure_id: UUID, *, settled: float) -> Sequence[ErasedObject]:
        """Return some objects to remove: at once, and again ``settled`` seconds after they were known."""

    def removed(self, erasure_id: UUID, erased: ErasedObject, count: int) -> None:
        """Note that the objects of the job were removed, and how many sources they were.

        A rejects file that was made or begun meanwhile is withdrawn: its objects may be gone.
        """

    def finish(self, erasure_id: UUID, *, settled: float) -> bool:
        """Note that the erasure is completed, if nothing is left to do, now or in ``settled`` seconds."""


class ErasedBucket(Protocol):
    """The bucket, with all versions of its objects. Every method raises RetryLater."""

    def remove_all(self, prefix: str, *, but: str | None) -> Iterator[None]:
        """Remove objects with all versions, delete markers and open uploads: some for each step.

        Those of the key ``but`` stay.
        """

    def erase_versions(self, erased: ErasedObject) -> int:
        """Remove versions of one key, and its delete markers if none is kept; count the versions."""


@dataclass(frozen=True)
class Erasing:
    """Begin and show erasures."""

    erasures: Erasures

    def begin(self, dataset: str, field: str, value: str) -> Erasure | None:
        """Have the tenant's records erased whose field has the value; None: it has no such dataset.

        Raises InvalidRequest for a value that is never stored, NotPossible, RetryLater.
        """
        name, texts = normalise(field), _texts(value)
        if not texts[0]:
            raise InvalidRequest(
                "value must be a text that is not blank: no record has a blank value.", field="value"
            )
        return self.erasures.begin(dataset, uuid4(), name, texts, secrets.token_bytes(SALT))

    def get(self, dataset: str, erasure_id: UUID) -> Erasure | None:
        """Return an erasure; None if it is unknown. Raises RetryLater."""
        return self.erasures.get(dataset, erasure_id)


def _texts(value: str) -> list[str]:
    """Return the value as it is stored; of a number, also as a worker and as Postgres print it."""
    text = normalise(value)
    if not _NUMBER.match(text):
        return [text]
    try:
        canonical = number(Decimal(text))
    except (RecordRejected, InvalidOperation):  # no number that is stored
        return [text]
    forms = [canonical, f"{Decimal(canonical):f}"]
    if text not in forms:  # 1E5 may be a code
        return [text]
    return list(dict.fromkeys([text, *forms]))


@dataclass(frozen=True)
class RecordEraser:
    """Carry out erasures."""

    records: ErasedRecords
    bucket: ErasedBucket
    settled: (
        float  # seconds, for a worker that was making a rejects file to hear that it is not wanted any more
    )
    clock: Callable[[], float] = time.monotonic

    def erase(self) -> int:
        """Go on with erasures for a while; count those that are completed.

        One that cannot go on does not stop the others. Raises RetryLater then; the next call goes on.
        """
        return take_steps(self.records.running(), self._steps, self._finish, self.clock)

    def _steps(self, erasure_id: UUID) -> Iterator[None]:
        yield from self.records.erase(erasure_id)
        yield from self._remove_objects(erasure_id)

    def _finish(self, erasure_id: UUID) -> bool:
        if not self.records.finish(erasure_id, settled=self.settled):
            return False
        logger.info("erasure completed", extra={"erasure_id": str(erasure_id)})
        return True

    def _remove_objects(self, erasure_id: UUID) -> Iterator[None]:
        while objects := self.records.objects(erasure_id, settled=self.settled):
            for it in objects:
                for prefix in rejects_prefixes(it.tenant, it.job_id):
                    yield from self.bucket.remove_all(prefix, but=it.rejects_key)
                self.records.removed(erasure_id, it, self.bucket.erase_versions(it))
                yield
