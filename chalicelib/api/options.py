"""Checks what a client says of how its CSV file is written."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.core.errors import BadRequest
from chalicelib.core.model import Options
from chalicelib.reading import encodings

_MOST_TOKENS = 100  # missing values
_LONGEST_TOKEN = 100  # characters
_MOST_LINES = 1000  # to skip
_DECIMALS = (".", ",")
_ORDERS = ("DMY", "MDY", "YMD")
_CHARACTER = re.compile(r"[\t\x20-\x7e]")


def parse_options(value: Any) -> Options:  # noqa: ANN401 - whatever the client sent
    """The options in a request. Raises BadRequest naming the one that is wrong, as `options.quote`."""
    if value is None:
        return Options()
    if not isinstance(value, dict):
        raise BadRequest("options must be an object.", field="options")
    for name, given in value.items():
        if name not in _CHECKS:
            raise BadRequest(f"There is no option {name!r}.", field=f"options.{name}")
        fits, wanted = _CHECKS[name]
        if not fits(given):
            raise BadRequest(f"options.{name} must be {wanted}.", field=f"options.{name}")
    options = Options.from_json(value)
    _check_together(options)
    return options


def _check_together(options: Options) -> None:
    """No character may mean two things."""
    quote = '"' if options.quote is None else options.quote
    chosen = [char for char in (options.delimiter, quote, options.escape, options.comment) if char]
    if len(set(chosen)) < len(chosen):
        raise BadRequest("delimiter, quote, escape and comment must differ.", field="options")


def _is_character(value: object) -> bool:
    return isinstance(value, str) and _CHARACTER.fullmatch(value) is not None


def _is_quote(value: object) -> bool:
    return value == "" or (_is_character(value) and value != " ")


def _is_encoding(value: object) -> bool:
    return isinstance(value, str) and encodings.python_name(value) is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_LINES


def _are_tokens(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_TOKENS
        and all(isinstance(it, str) and len(it) <= _LONGEST_TOKEN and "\0" not in it for it in value)
        and all(not re.search("[\ud800-\udfff]", it) for it in value)
    )


_CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "delimiter": (_is_character, "one printable ASCII character or a tab"),
    "quote": (_is_quote, "one printable ASCII character, or empty for a file without quotes"),
    "escape": (_is_character, "one printable ASCII character"),
    "encoding": (_is_encoding, "the name of a text encoding, such as utf-8, cp1252 or utf-16"),
    "header": (lambda value: isinstance(value, bool), "true or false"),
    "skip_lines": (_is_count, f"a whole number from 0 to {_MOST_LINES}"),
    "comment": (_is_character, "one printable ASCII character"),
    "decimal": (lambda value: value in _DECIMALS, "one of . and ,"),
    "date_order": (lambda value: value in _ORDERS, f"one of {', '.join(_ORDERS)}"),
    "missing_values": (_are_tokens, f"a list of up to {_MOST_TOKENS} texts"),
}
