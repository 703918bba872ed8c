"""The sizes of answers: AWS takes 6 MB from a Lambda function, headers included, and answers 502 for more.

Everything that a client or a file chooses is cut or has a budget, so that no answer has more than 1 MiB.
Sizes are those in an answer of Lambda, which holds the document as a text within JSON.
"""

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import msgspec

# bytes of what may be long in an answer
MOST_PAGE = 900_000  # the items of a page
MOST_LABELS = 64 << 10  # earlier versions took more of them
MOST_COLUMNS = 64 << 10
MOST_NAMES = 16 << 10  # of other lists of columns
MOST_WARNINGS = 64 << 10
MOST_REJECT_COUNTS = 96 << 10
MOST_PREVIEW_RECORDS = 384 << 10
MOST_PREVIEW_REJECTS = 32 << 10
# characters
LONGEST_SENTENCE = 2000
LONGEST_EXCERPT = 4000

Value = TypeVar("Value")


def answer_size(value: object) -> int:
    """Return how many bytes the value takes of an answer, at most."""
    text = msgspec.json.encode(value)
    if not text.isascii() or b"\x7f" in text:  # other characters become escapes, and DEL does
        text = json.dumps(value, separators=(",", ":")).encode()
    return len(text) + text.count(b'"') + text.count(b"\\")  # each of these gets a backslash


def that_fit(values: Sequence[Value], most_bytes: int) -> Sequence[Value]:
    """Return those of the values, from the first one on, that have ``most_bytes`` in all: perhaps none."""
    if answer_size(values) <= most_bytes:
        return values
    brackets, comma = 2, 1
    sizes = accumulate((answer_size(value) + comma for value in values), initial=brackets - comma)
    return values[: sum(size <= most_bytes for size in list(sizes)[1:])]
