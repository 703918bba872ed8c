"""Events of the audit log, as the API describes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sluice_cli.documents.members import (
    Document,
    as_object,
    optional_integer,
    optional_moment,
    optional_object,
    optional_text,
    required_text,
)
from sluice_cli.escaping import safe

_TYPE = "sluice."


@dataclass(frozen=True)
class AuditEvent:
    """The document of an event."""

    document: Document
    time: datetime | None
    action: str
    subject: str | None
    tenant: str | None  # None: of all tenants, or of none
    actor: str | None
    address: str | None
    refused: int | None  # the status of the answer; None: it was done

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read an event's document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "an event")
        data = optional_object(document, "data")
        return cls(
            document=document,
            time=optional_moment(document.get("time")),
            action=safe(required_text(document, "type").removeprefix(_TYPE)),
            subject=optional_text(document.get("subject")),
            tenant=optional_text(data.get("tenant")),
            actor=optional_text(optional_object(data, "actor").get("name")),
            address=optional_text(data.get("address")),
            refused=optional_integer(data.get("status")),
        )
