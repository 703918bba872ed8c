"""Read members of a JSON document that may be anything."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sluice_cli.errors import UnexpectedResponseError
from sluice_cli.escaping import safe

Document = Mapping[str, Any]


def as_object(value: object, expected: str) -> Document:
    """Return ``value``, a JSON object. Raises UnexpectedResponseError with ``expected`` in its message."""
    if not isinstance(value, dict):
        raise UnexpectedResponseError(f"{expected} was expected")
    return value


def required_text(document: Document, name: str) -> str:
    """Return the member ``name``, a text with something in it. Raises UnexpectedResponseError."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise UnexpectedResponseError(f"it has no {name!r}")
    return value


def required_job_id(document: Document, name: str) -> UUID:
    """Return the member ``name``, a job's id. Raises UnexpectedResponseError."""
    try:
        return UUID(required_text(document, name))
    except ValueError:
        raise UnexpectedResponseError(f"its {name!r} is not a job's id") from None


def optional_object(document: Document, name: str) -> Document:
    """Return the member ``name`` if it is an object, else an empty one."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def optional_list(document: Document, name: str) -> list[object]:
    """Return the member ``name`` if it is a list, else an empty one."""
    value = document.get(name)
    return value if isinstance(value, list) else []


def optional_text(value: object) -> str | None:
    """Return ``value`` as text that is safe to print, or None for None."""
    return None if value is None else safe(value)


def optional_integer(value: object) -> int | None:
    """Return ``value`` if it is an integer, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def optional_number(value: object) -> float | None:
    """Return ``value`` if it is a number, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def optional_moment(value: object) -> datetime | None:
    """Return the moment that ``value`` names in ISO 8601, else None. Without an offset it is in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def count(document: Document, name: str) -> int:
    """Return the member ``name`` if it is an integer, else 0."""
    return optional_integer(document.get(name)) or 0
