"""The port of the audit log.

What is done is noted by the register that does it, in the same transaction: see `of` and `by` of the
registers.
"""

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.audit import Actor, AuditEvent, AuditFilters, Target


class AuditLog(Protocol):
    """Hold the events of the audit log, which are never changed. Every method raises RetryLater."""

    def note_refusal(self, actor: Actor, target: Target, status: int) -> None:
        """Note an action that was refused, with the status of the answer."""

    def list(self, filters: AuditFilters, *, limit: int, before: int | None) -> Sequence[AuditEvent]:
        """Return events, newest first; ``before`` is the last ``number`` of the previous page."""
