"""Write `customers.csv`, the same bytes every time: `python -m infra.local.sample.make_sample`.

The file is a customer list as customers send them: some rows repeat another, some repeat it in another
spelling, and a few cannot be loaded. All people in it are invented.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

FILE = Path(__file__).with_name("customers.csv")

COLUMNS = (
    "customer_id",
    "name",
    "email",
    "street",
    "postcode",
    "city",
    "country",
    "signed_up",
    "last_order",
    "note",
)
_NAME, _EMAIL, _SIGNED_UP, _LAST_ORDER = 1, 2, 7, 8

CUSTOMERS = 2900
# How many rows repeat another one, by spelling.
COPIES = {"exact": 50, "capitals": 20, "spaces": 20, "decomposed": 20, "slashes": 20}

_FIRST = (
    *("Ada", "Agnès", "Amélie", "Björn", "Carmen", "Chloë", "Dmitri", "Elif", "Émile", "Eoin", "Fatima"),
    *("Grażyna", "Håkon", "Inès", "Ivo", "João", "Jürgen", "Katarína", "Lucía", "Małgorzata", "Noor"),
    *("Ólafur", "Petra", "Renée", "Sørina", "Tomás", "Ursula", "Viktor", "Wanda", "Yusuf", "Zoë", "Željko"),
)
_LAST = (
    *("Abernathy-Holm", "Ångwall", "Bellefleur", "Castañeda", "Dvořáček", "Eskildsø", "Fairweather"),
    *("Gołąbek", "Hinterseer", "Íñiguez", "Jansdottir", "Kowalczyn", "Lindqvisten", "Mbekwe", "Nørholt"),
    *("O'Lanahan", "Pérouse", "Quillfeather", "Rønnebæk", "Szczepkowska", "Thistlewood", "Überall"),
    *("Vallabrègue", "Wójtasik", "Ybarrondo", "Zieliński-Dahl"),
)
# Country, city, postcode, street. A 0 in the postcode stands for any digit.
_PLACES = (
    ("CH", "Zürich", "8000", "Lindenhöfligasse"),
    ("DE", "Lübeck", "23500", "Kupfergässchen"),
    ("DK", "Århus", "8000", "Tøndemagerstræde"),
    ("ES", "Córdoba", "14000", "Calle del Limonero"),
    ("FR", "Besançon", "25000", "rue des Trois Châtaigniers"),
    ("GB", "York", "YO0 0QX", "Pepperpot Lane"),
    ("IE", "Cork", "T00 X0X0", "Saddler's Row"),
    ("IS", "Reykjavík", "100", "Fífustígur"),
    ("PL", "Łódź", "90-000", "ulica Żurawia Stara"),
    ("PT", "Évora", "7000-000", "Travessa do Pão"),
    ("SE", "Malmö", "200 00", "Äppelgränd"),
    ("SK", "Košice", "040 00", "Čerešňová ulička"),
)
_NOTES = (
    "Prefers parcels on Fridays, not before 10:00",
    'Signs as "Zoë & daughters"',
    "Ring twice.\nThe dog is friendly.",
    "Invoice to: accounts, second floor, door 3",
    "Paid in cash",
    "Gate code 4711;\nleave it with the neighbour, please",
)
_FIRST_DAY = date(2018, 1, 1)

_T = TypeVar("_T")


class _Dice:
    """Random choices that are the same in every Python version: `Random` guarantees only `random()`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random  # noqa: S311 - a sample, no secret

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def pick(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]


def content() -> bytes:
    """Return the bytes of the file."""
    dice = _Dice(seed=20251123)
    lines: list[bytes] = []
    originals = [_customer(number, dice) for number in range(1, CUSTOMERS + 1)]
    lines += [_line(row) for row in originals]
    for copy in _copies(originals, dice):
        lines.insert(dice.below(len(lines) + 1), _line(copy))
    for broken in _broken(originals):
        lines.insert(dice.below(len(lines) + 1), broken)
    # The file ends within its last row, as after a full disk.
    last = _line([*_customer(CUSTOMERS + 1, dice)[:-1], "Moved, the new address is"])
    return _line(COLUMNS) + b"".join(lines) + last.rstrip(b'"\n')


def _customer(number: int, dice: _Dice) -> list[str]:
    first, last = dice.pick(_FIRST), dice.pick(_LAST)
    country, city, postcode, street = dice.pick(_PLACES)
    digits = "".join(str(dice.below(10)) if char == "0" else char for char in postcode)
    signed_up = _FIRST_DAY + timedelta(days=dice.below(2800))
    last_order = ""
    if dice.below(10) < 7:  # noqa: PLR2004 - seven of ten have ordered something
        day = signed_up + timedelta(days=dice.below(60))
        last_order = f"{day}T{8 + dice.below(12):02}:{dice.below(60):02}"
    note = dice.pick(_NOTES) if dice.below(8) == 0 else ""
    return [
        f"C-{number:05}",
        f"{first} {last}",
        f"{_plain(first)}.{_plain(last)}{number}@{dice.pick(('shop', 'mail', 'home'))}.example.com",
        f"{street} {1 + dice.below(120)}",
        digits,
        city,
        country,
        signed_up.isoformat(),
        last_order,
        note,
    ]


def _plain(name: str) -> str:
    """Return the ASCII letters of a name in lower case."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return "".join(char for char in decomposed if char.isascii() and (char.isalpha() or char == "-"))


def _copies(originals: Sequence[list[str]], dice: _Dice) -> Iterator[list[str]]:
    """Yield rows that repeat another one."""
    for spelling, count in COPIES.items():
        for _ in range(count):
            copy = list(dice.pick(originals))
            while spelling == "decomposed" and copy[_NAME].isascii():
                copy = list(dice.pick(originals))
            _respell(copy, spelling)
            yield copy


def _respell(row: list[str], spelling: str) -> None:
    match spelling:
        case "capitals":
            row[_EMAIL] = row[_EMAIL].upper()
        case "spaces":
            row[_NAME] = f"  {row[_NAME]}\N{NO-BREAK SPACE}"
            row[_EMAIL] += " "
        case "decomposed":
            row[:] = (unicodedata.normalize("NFD", cell) for cell in row)
        case "slashes":
            row[_SIGNED_UP] = row[_SIGNED_UP].replace("-", "/")
            row[_LAST_ORDER] = row[_LAST_ORDER].replace("-", "/").replace("T", " ")


def _broken(originals: Sequence[list[str]]) -> Iterator[bytes]:
    """Yield lines that cannot be loaded, with customer numbers of their own."""
    fresh = iter([f"C-9{number:04}", *row[1:]] for number, row in enumerate(originals[::300], start=1))
    # Too few cells: the end of the row was lost.
    yield _line(next(fresh)[:5])
    yield _line(next(fresh)[:1])
    # Too many cells: commas that should have been quoted.
    row = next(fresh)
    yield ",".join([*row[:-1], "call first", " then deliver"]).encode() + b"\n"
    row = next(fresh)
    yield ",".join([row[0], "Thistlewood", " Wanda", *row[2:]]).encode() + b"\n"
    # Saved in another encoding.
    row = ["C-90005", "Renée Pérouse", "renee@mail.example.com", "Äppelgränd 7", "200 11", "Malmö", "SE"]
    yield _line([*row, "2021-02-03", "", ""], "latin-1")
    row = [
        "C-90006",
        "Željko Nørholt",
        "zeljko@home.example.com",
        "Pepperpot Lane 2",
        "YO1 1QX",
        "York",
        "GB",
    ]
    yield _line([*row, "2020-10-05", "", ""], "cp1252")
    # A NUL character.
    yield _line(["C-90007", "Ivo\0Mbekwe", *originals[0][2:]])
    # Commas only.
    yield _line([""] * len(COLUMNS))
    yield _line([" "] * len(COLUMNS))


def _line(cells: Sequence[str], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(encoding)


if __name__ == "__main__":
    FILE.write_bytes(content())
