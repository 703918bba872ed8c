"""The port of the audit log.

What is done is noted by the register that does it, in the same transaction: see `of` and `by` of the
registers. Here is noted what changes nothing in the database.
"""

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.audit import Actor, AuditEvent, AuditFilters, Target
from chalicelib.core.tenants import Tenant


class AuditLog(Protocol):
    """Hold the events of the audit log, which are never changed. Every method raises RetryLater."""

    def note(self, actor: Actor | None, target: Target) -> None:
        """Note what the actor does, before it is done; without an actor, nothing."""

    def note_refusal(self, actor: Actor, target: Target, status: int) -> None:
        """Note an action that was refused, with the status of the answer."""

    def list(
        self, filters: AuditFilters, *, reader: Tenant | None, limit: int, before: int | None
    ) -> Sequence[AuditEvent]:
        """Return events that ``reader`` may read, newest first; None may read those of all tenants.

        ``before`` is the last ``number`` of the previous page.
        """
