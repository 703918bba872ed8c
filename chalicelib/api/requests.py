"""What a client may ask for when it wants to upload a file: its request, checked."""

import re
from typing import Any

from chalicelib.api.options import parse_options
from chalicelib.core.errors import BadRequest
from chalicelib.core.model import Format
from chalicelib.core.names import LONGEST_FILENAME, is_dataset, is_text
from chalicelib.core.uploads import UploadRequest

_MOST_METADATA = 20  # members
_LONGEST_LABEL = 200  # characters
_LARGEST_NUMBER = 10**15  # below 2**53: every JSON reader takes it for what it is
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FIELDS = {
    "filename",
    "dataset",
    "format",
    "size",
    "sha256",
    "metadata",
    "options",
    "force",
    "part_checksums",
}


def parse_request(body: Any, *, max_size: int) -> UploadRequest:  # noqa: ANN401 - whatever the client sent
    """Checks a request's JSON body. Raises BadRequest naming the field that is wrong."""
    if not isinstance(body, dict):
        raise BadRequest('The body must be a JSON object such as {"filename": "people.csv"}.')
    if unknown := sorted(body.keys() - _FIELDS):
        raise BadRequest(f"There is no field {unknown[0]!r} here.", field=unknown[0])
    return UploadRequest(
        filename=_filename(body.get("filename")),
        dataset=parse_dataset(body.get("dataset")),
        format=_format(body.get("format")),
        size=_size(body.get("size"), max_size),
        metadata=_metadata(body.get("metadata")),
        options=parse_options(body.get("options")),
        sha256=parse_sha256(body.get("sha256"), "sha256"),
        force=_flag(body, "force"),
        part_checksums=_flag(body, "part_checksums"),
    )


def _filename(value: Any) -> str:  # noqa: ANN401
    if not is_text(value) or not value.strip() or len(value) > LONGEST_FILENAME:
        raise BadRequest(f"filename must be a text of 1 to {LONGEST_FILENAME} characters.", field="filename")
    return str(value)


def parse_dataset(value: Any) -> str:  # noqa: ANN401
    """A dataset's name; `default` for None. Raises BadRequest."""
    if value is None:
        return "default"
    if not isinstance(value, str) or not is_dataset(value):
        raise BadRequest(
            "dataset must be 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit.",
            field="dataset",
        )
    return value


def _format(value: Any) -> Format | None:  # noqa: ANN401
    if value is None:
        return None
    try:
        return Format(value)
    except ValueError:
        raise BadRequest(f"format must be one of {', '.join(Format)}.", field="format") from None


def _size(value: Any, max_size: int) -> int | None:  # noqa: ANN401
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadRequest("size must be the file's size in bytes, a whole number.", field="size")
    if value > max_size:
        raise BadRequest(f"The file is larger than {max_size:,} bytes.", status=413, field="size")
    return value


def parse_sha256(value: Any, field: str) -> str | None:  # noqa: ANN401
    """A SHA-256 in lower case; None for None. Raises BadRequest naming the ``field``."""
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise BadRequest(f"{field} must be a SHA-256 in hexadecimal: 64 of 0-9 and a-f.", field=field)
    return value.lower()


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false.", field=name)
    return bool(value)


def _metadata(value: Any) -> dict[str, str | int | float | bool] | None:  # noqa: ANN401
    if value is None:
        return None
    fits = (
        isinstance(value, dict)
        and len(value) <= _MOST_METADATA
        and all(_is_label(key) and _is_label_value(item) for key, item in value.items())
    )
    if not fits:
        raise BadRequest(
            f"metadata must be an object of up to {_MOST_METADATA} texts, numbers or booleans, "
            f"each name and text up to {_LONGEST_LABEL} characters.",
            field="metadata",
        )
    return dict(value)


def _is_label(value: object) -> bool:
    return is_text(value) and len(str(value)) <= _LONGEST_LABEL


def _is_label_value(value: object) -> bool:
    return _is_label(value) or (isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER)
