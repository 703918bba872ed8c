"""Column names that tell what kind of values stand below them, in some European languages."""

import re
from collections.abc import Sequence

from chalicelib.formats.csv.values import Kind

IDENTIFIERS = frozenset(
    {
        "id",
        "nr",
        "no",
        "no.",
        "num",
        "number",
        "index",
        "key",
        "#",
        "row",
        "pos",
        "code",
        "sku",
        "nummer",
        "numero",
    }
)

_IMPLIED = tuple(
    (re.compile(rf"(?:^|[^a-z])(?:{words})(?:$|[^a-z])"), frozenset(kinds))
    for words, kinds in (
        (r"e-?mails?|mail|correo|courriel", {Kind.EMAIL}),
        (
            r"date|datum|data|fecha|day|tag|jour|created|updated|(?:created|updated)_at|\w+_at|birthday",
            {Kind.DATE},
        ),
        (r"time|zeit|uhrzeit|hora|heure|ora", {Kind.TIME, Kind.DATE}),
        (r"url|link|website|web|homepage|ip|mac", {Kind.ADDRESS}),
        (r"uuid|guid", {Kind.CODE}),
        (r"id|nr|no|num|number|nummer|numero|sku|code", {Kind.NUMBER, Kind.CODE}),
        (
            r"amount|betrag|price|preis|prix|precio|total|sum|summe|qty|quantity|menge|count|anzahl|age|lat|lon|lng"
            r"|latitude|longitude|share|percent|weight|size|year|temp|value|montant|importe",
            {Kind.NUMBER},
        ),
        (r"active|paid|enabled|is_\w+|has_\w+", {Kind.FLAG}),
    )
)


def matches(cells: Sequence[str], kinds: Sequence[Kind]) -> int:
    """Return how many header cells name what the columns hold, less those that name something else."""
    total = 0
    for cell, kind in zip(cells, kinds, strict=False):
        implied = _implied(cell)
        if implied and kind is not Kind.EMPTY:
            total += 1 if kind in implied else -1
    return total


def _implied(cell: str) -> frozenset[Kind]:
    name = cell.lower()
    return next((kinds for pattern, kinds in _IMPLIED if pattern.search(name)), frozenset())
