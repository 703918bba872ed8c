"""Column names that tell what kind of values stand below them, in some European languages."""

import re
from collections.abc import Sequence

from chalicelib.formats.csv.values import Kind

IDENTIFIERS = frozenset(
    (
        "id",
        "nr",
        "no",
        "no.",
        "num",
        "number",
        "nummer",
        "numero",
        "index",
        "key",
        "#",
        "row",
        "pos",
        "code",
        "sku",
    )
)

# Words in a name, and the kinds of values that they promise.
_WORDS = (
    ("email emails e-mail mail correo courriel", {Kind.EMAIL}),
    ("date datum data fecha day tag jour created updated at birthday", {Kind.DATE}),
    ("time zeit uhrzeit hora heure ora", {Kind.TIME, Kind.DATE}),
    ("url link website web homepage ip mac", {Kind.ADDRESS}),
    ("uuid guid", {Kind.CODE}),
    ("id nr no num number nummer numero sku code", {Kind.NUMBER, Kind.CODE}),
    ("amount betrag montant importe price preis prix precio total sum summe value", {Kind.NUMBER}),
    ("qty quantity menge count anzahl age year share percent weight size temp", {Kind.NUMBER}),
    ("lat lon lng latitude longitude", {Kind.NUMBER}),
    ("active paid enabled is has", {Kind.FLAG}),
    ("name vorname nachname nom prenom nombre city stadt ort ville country land pays", {Kind.TEXT}),
    ("street strasse address adresse rue title titel titre note comment text status", {Kind.TEXT}),
)
_PROMISES = {word: frozenset(kinds) for words, kinds in _WORDS for word in words.split()}
_WORD = re.compile(r"e-mail|[a-z]+")


def matches(cells: Sequence[str], kinds: Sequence[Kind]) -> int:
    """Return how many header cells name what the columns hold, less those that name something else."""
    total = 0
    for cell, kind in zip(cells, kinds, strict=False):
        promised = _promised(cell)
        if promised and kind is not Kind.EMPTY:
            total += 1 if kind in promised else -1
    return total


def _promised(cell: str) -> frozenset[Kind]:
    words = _WORD.findall(cell.lower())
    return next((_PROMISES[word] for word in words if word in _PROMISES), frozenset())
