"""A client asks to upload a file: a job is registered, and the client told where to send the bytes."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from chalicelib.errors import BadRequest
from chalicelib.flow.keys import key_for
from chalicelib.flow.options import parse_options
from chalicelib.model import Format, Job, Options, Upload
from chalicelib.ports import Jobs, NewJob, SignedUpload, UploadSigner

_DATASET = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST_NAME = 1024  # characters
_MOST_METADATA = 20  # members
_LONGEST_LABEL = 200  # characters
_LARGEST_NUMBER = 10**15  # below 2**53: every JSON reader takes it for what it is
_FIELDS = {"filename", "dataset", "format", "size", "metadata", "options"}


@dataclass(frozen=True)
class UploadRequest:
    """What the client asked for, checked."""

    filename: str
    dataset: str
    format: Format | None
    size: int | None
    metadata: dict[str, str | int | float | bool] | None
    options: Options


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
    )


def request_upload(
    request: UploadRequest, *, jobs: Jobs, signer: UploadSigner, bucket: str, block_size: int
) -> tuple[Job, SignedUpload]:
    """Registers the job and signs its upload. Raises RetryLater."""
    job_id = uuid4()  # unguessable: whoever has it may look at the job
    key = key_for(request.dataset, job_id, request.filename)
    job = jobs.create(
        NewJob(
            id=job_id,
            dataset=request.dataset,
            filename=request.filename,
            bucket=bucket,
            key=key,
            format=request.format,
            options=request.options,
            metadata=request.metadata,
            block_size=block_size,
            upload=Upload(request.size),
        )
    )
    return job, signer.sign(key, size=request.size)


def _is_text(value: object) -> bool:
    """Text that Postgres and UTF-8 can hold."""
    return isinstance(value, str) and "\0" not in value and not re.search("[\ud800-\udfff]", value)


def _filename(value: Any) -> str:  # noqa: ANN401
    if not _is_text(value) or not value.strip() or len(value) > _LONGEST_NAME:
        raise BadRequest(f"filename must be a text of 1 to {_LONGEST_NAME} characters.", field="filename")
    return str(value)


def parse_dataset(value: Any) -> str:  # noqa: ANN401
    """A dataset's name; `default` for None. Raises BadRequest."""
    if value is None:
        return "default"
    if not isinstance(value, str) or not _DATASET.fullmatch(value):
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
    return _is_text(value) and len(str(value)) <= _LONGEST_LABEL


def _is_label_value(value: object) -> bool:
    return _is_label(value) or (isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER)
