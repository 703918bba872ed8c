"""Rules for names that clients choose."""

import re

LONGEST_FILENAME = 1024  # characters
DATASET_PATTERN = r"\A[a-z0-9][a-z0-9_-]{0,62}\Z"
TEXT_PATTERN = r"\A[^\0\ud800-\udfff]*\Z"  # Postgres stores no NUL, UTF-8 encodes no half of a surrogate pair
_LONGEST_SHOWN = 100  # characters of a name in a message
_DATASET = re.compile(DATASET_PATTERN)
_TEXT = re.compile(TEXT_PATTERN)


def shown(name: str) -> str:
    """Return a name that a client chose, quoted, as messages show it: cut if it is long."""
    return repr(cut(name, _LONGEST_SHOWN))


def cut(text: str, longest: int) -> str:
    """Return the text, cut to ``longest`` characters and an ellipsis if it has more."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def is_dataset(name: str) -> bool:
    """Return whether a dataset may have this name."""
    return _DATASET.search(name) is not None


def is_tenant(name: str) -> bool:
    """Return whether a tenant may have this name: the rule is that of datasets."""
    return is_dataset(name)


def is_text(value: object) -> bool:
    """Return whether the value is a string that Postgres and UTF-8 can hold."""
    return isinstance(value, str) and _TEXT.search(value) is not None
