"""Remove tenants: their rows, rejects, jobs, keys and objects, in steps that any number of sweeps may take.

Nothing is noted about how far it is: each sweep removes what is still there. A job that was registered, or an
object that was sent, at the last moment is found by one of the next sweeps.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chalicelib.core.access import Reach
from chalicelib.core.errors import NotPossible
from chalicelib.core.lifecycle import Action
from chalicelib.core.tenants import Tenant
from chalicelib.service.object_keys import drop_prefix, tenant_prefixes
from chalicelib.service.register import JobRegister
from chalicelib.service.steps import take_steps
from chalicelib.telemetry import logger

_AT_ONCE = 100  # jobs
_MARGIN = 300.0  # seconds, for requests under way and for what processes have remembered of a tenant


class RemovedTenants(Protocol):
    """Remove tenants from the database. Every method raises RetryLater."""

    def removing(self) -> Sequence[Tenant]:
        """Return the tenants that are being removed, in any order."""

    def unfinished(self, tenant: Tenant, *, limit: int) -> Sequence[UUID]:
        """Return jobs of the tenant that a worker may be at, or may yet claim."""

    def remove_all(self, tenant: Tenant, *, dropped: str) -> Iterator[None]:
        """Remove what belongs to the tenant but its unfinished jobs: a short transaction for each step.

        The keys of its dropped files begin with ``dropped``.
        """

    def finish(self, tenant: Tenant, *, seconds: float) -> bool:
        """Note that nothing of the tenant is left, if so, and if its removal began ``seconds`` ago."""


class VersionedBucket(Protocol):
    """The bucket, with all versions of its objects."""

    def remove_all(self, prefix: str) -> Iterator[None]:
        """Remove objects with all versions, delete markers and open uploads: a request or two for each step.

        Raises RetryLater.
        """


@dataclass(frozen=True)
class TenantRemover:
    """Remove tenants."""

    jobs: JobRegister
    tenants: RemovedTenants
    bucket: VersionedBucket
    urls_expire: float  # seconds: so long a client can send an object with the URL that it has
    clock: Callable[[], float] = time.monotonic

    def remove(self) -> int:
        """Go on removing tenants for a while; count those that are removed completely.

        One that cannot go on does not stop the others. Raises RetryLater then; the next call goes on.
        """
        return take_steps(self.tenants.removing(), self._steps, self._finish, self.clock)

    def _steps(self, tenant: Tenant) -> Iterator[None]:
        yield from self._fence(tenant)
        yield from self.tenants.remove_all(tenant, dropped=drop_prefix(tenant.name))
        for prefix in tenant_prefixes(tenant.name):
            yield from self.bucket.remove_all(prefix)

    def _fence(self, tenant: Tenant) -> Iterator[None]:
        """Cancel the tenant's jobs: no block of them is committed any more."""
        own = self.jobs.of(Reach(tenant))
        while job_ids := self.tenants.unfinished(tenant, limit=_AT_ONCE):
            for job_id in job_ids:
                with suppress(NotPossible):  # it has just ended
                    own.act(job_id, Action.CANCEL)
                yield

    def _finish(self, tenant: Tenant) -> bool:
        if not self.tenants.finish(tenant, seconds=self.urls_expire + _MARGIN):
            return False
        logger.info("tenant removed", extra={"tenant": tenant.name})
        return True
