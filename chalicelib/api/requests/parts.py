"""The body of `POST /uploads/{job_id}/parts`."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from chalicelib.api.requests.parsing import Body, must_be, parse
from chalicelib.api.requests.uploads import Sha256
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Part, Upload
from chalicelib.service.multipart import MOST_AT_ONCE, all_parts

_NUMBER = "a whole number from 1 to {part_count}"


class PartBody(Body):
    """A part that a client is about to send."""

    names_members: ClassVar[bool] = False

    number: Annotated[int, Meta(ge=1, description=_NUMBER)]
    sha256: Sha256 | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a value that is not a part."""
        return InvalidRequest(f"{path} must be an object with a number, and perhaps a sha256.", field=path)


class PartsBody(Body):
    """The parts whose URLs a client asks for."""

    names_members: ClassVar[bool] = False

    parts: Annotated[list[PartBody], Meta(min_length=1, max_length=MOST_AT_ONCE)]

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body without a list of parts, or with too long a list."""
        return InvalidRequest(
            f'The body must be of the form {{"parts": [{{"number": 1}}]}}, with 1 to {MOST_AT_ONCE} parts.',
            field=path or "parts",
        )


def parse_parts(body: object, upload: Upload) -> Sequence[Part]:
    """Return the parts of the upload that a client is about to send.

    Raises InvalidRequest naming the member that is wrong.
    """
    parts = all_parts(upload)
    requested = parse(body, PartsBody, part_count=len(parts))
    return [_part(part, parts, upload, f"parts[{index}]") for index, part in enumerate(requested.parts)]


def _part(body: PartBody, parts: Sequence[Part], upload: Upload, path: str) -> Part:
    if body.number > len(parts):
        raise must_be(f"{path}.number", _NUMBER, part_count=len(parts))
    if (body.sha256 is not None) != upload.part_checksums:
        rule, preposition = ("must have", "with") if upload.part_checksums else ("must not have", "without")
        raise InvalidRequest(
            f"{path} {rule} a sha256: the upload was begun {preposition} part_checksums.", field=path
        )
    sha256 = body.sha256.lower() if body.sha256 else None
    return Part(body.number, parts[body.number - 1].size, sha256)
