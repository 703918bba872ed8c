"""Columns as files from countries with a decimal comma have them, labelled: are they numbers, or not?"""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

Maker = Callable[[random.Random], str]

_NARROW = "\u202f"


class Labelled(NamedTuple):
    """A column, and whether a reader should take it for one of numbers with a decimal comma."""

    kind: str
    cells: list[str]
    is_numbers: bool


def _digits(source: random.Random, count: int) -> str:
    return "".join(source.choices("0123456789", k=count))


def _amount(source: random.Random, group_mark: str, decimals: int) -> str:
    number = source.choice([source.random() * 100, source.lognormvariate(7, 3)])
    return f"{number:,.{decimals}f}".translate(str.maketrans(",.", f"{group_mark},"))


def _signed(maker: Maker) -> Maker:
    return lambda source: source.choice(["", "", "-"]) + maker(source)


def _debit_behind(source: random.Random) -> str:
    return _amount(source, ".", 2) + source.choice(["", "", "-"])


def _range(source: random.Random) -> str:
    return f"{source.randrange(9)},5-{source.randrange(9, 20)},5"


NUMBERS: Mapping[str, Maker] = {
    "prices": lambda source: f"{source.randrange(200)},{_digits(source, 2)}",
    "amounts with points": _signed(lambda source: _amount(source, ".", 2)),
    "amounts with blanks": _signed(lambda source: _amount(source, " ", 2)),
    "amounts with narrow blanks": _signed(lambda source: _amount(source, _NARROW, 2)),
    "amounts with apostrophes": lambda source: _amount(source, "\u2019", 2),
    "amounts of SAP": _debit_behind,
    "populations with points": lambda source: _amount(source, ".", 0),
    "populations with blanks": lambda source: _amount(source, " ", 0),
    "populations with narrow blanks": lambda source: _amount(source, _NARROW, 0),
    "measurements": _signed(lambda source: f"{source.randrange(40)},{_digits(source, 1)}"),
    "places": lambda source: f"{source.randrange(5, 60)},{_digits(source, 6)}",
    "exponents": lambda source: f"{source.randrange(1, 10)},{_digits(source, 3)}E-0{source.randrange(9)}",
    "integers": lambda source: str(source.randrange(5000)),
}
OTHERS: Mapping[str, Maker] = {
    "telephones, Spain": lambda source: (
        f"{source.choice(['', '+34 '])}6{_digits(source, 2)} {_digits(source, 3)} {_digits(source, 3)}"
    ),
    "telephones, Poland": lambda source: (
        f"+48 5{_digits(source, 2)} {_digits(source, 3)} {_digits(source, 3)}"
    ),
    "telephones, Germany": lambda source: f"0{source.randrange(30, 9999)} {_digits(source, 6)}",
    "telephones, France": lambda source: "0" + " ".join([_digits(source, 1), *[_digits(source, 2)] * 4]),
    "postal codes": lambda source: f"{source.randrange(10, 99)} {_digits(source, 3)}",
    "company numbers": lambda source: (
        f"{source.randrange(300, 999)} {_digits(source, 3)} {_digits(source, 3)}"
    ),
    "addresses of hosts": lambda source: f"192.168.{source.randrange(100, 255)}.{source.randrange(1, 255)}",
    "addresses of hosts, three digits": lambda source: f"192.168.178.{source.randrange(100, 255)}",
    "versions": lambda source: f"{source.randrange(9)}.{source.randrange(30)}.{source.randrange(9)}",
    "dates": lambda source: f"{source.randrange(1, 29):02}.{source.randrange(1, 13):02}.2025",
    "times": lambda source: f"{source.randrange(24):02}:{source.randrange(60):02}",
    "decimal points": lambda source: f"{source.randrange(200)}.{_digits(source, 2)}",
    "decimal points, three places": lambda source: f"{source.randrange(4)}.{_digits(source, 3)}",
    "amounts with commas between groups": lambda source: f"{source.lognormvariate(7, 3):,.2f}",
    "weights": lambda source: f"{source.randrange(50)},{_digits(source, 1)} kg",
    "money": lambda source: f"{_amount(source, '.', 2)} €",
    "ranges": _range,
    "lists": lambda source: ",".join(_digits(source, source.randrange(1, 6))),
    "tax numbers": lambda source: f"{_digits(source, 2)}.{_digits(source, 3)}.{_digits(source, 3)}-0",
    "parts, half with letters": lambda source: source.choice(["A-7", f"{source.randrange(20)},5"]),
    "parts, a tenth with letters": lambda source: (
        f"{source.randrange(20)},5" if source.random() < 0.9 else f"A-{source.randrange(9)}"
    ),
    "parts, 4 % with letters": lambda source: (
        f"{source.randrange(20)},5" if source.random() < 0.96 else f"A-{source.randrange(9)}"
    ),
    "names": lambda source: source.choice(["Müller, Hans", "Łukasz", "Zoé", "N. N."]),
}


# Values without which nobody could tell a column of the kind from the other label.
_TELLING = {
    "populations with blanks": "987",
    "telephones, Germany": "030 123456",
    "addresses of hosts": "192.168.178.1",
    "decimal points, three places": "0.125",
    "lists": "1,2,3",
    "amounts with commas between groups": "1,234.56",
    "parts, half with letters": "A-7",
    "parts, a tenth with letters": "A-7",
    "parts, 4 % with letters": "A-7",
}


def labelled_column(source: random.Random, size: int) -> Labelled:
    """Return a column of so many cells, of a random kind.

    A column of numbers may have missing values, words for them, a line of units before it or, if it is long,
    a text among its numbers.
    """
    is_numbers = source.random() < 0.5
    kinds = NUMBERS if is_numbers else OTHERS
    kind = source.choice(sorted(kinds))
    cells = [kinds[kind](source) for _ in range(size)]
    if kind in _TELLING:
        cells[0] = _TELLING[kind]
    if is_numbers:
        gap = source.choice([None, "", "NA", "-", "#NV", "n/a"])
        cells[1:] = [cell if gap is None or source.random() < 0.9 else gap for cell in cells[1:]]
        if size >= 200 and source.random() < 0.5:
            cells[source.randrange(1, size)] = source.choice(["see below", "12,5 kg", "?!", "< 0,5"])
        if source.random() < 0.2:
            cells.insert(0, source.choice(["EUR", "°C", "kg"]))
    return Labelled(kind, cells, is_numbers)
