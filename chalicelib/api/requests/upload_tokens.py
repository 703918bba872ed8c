"""The body of `POST /upload-tokens`."""

from typing import Annotated

from msgspec import Meta

from chalicelib.api.requests.parsing import Body, must_be, parse
from chalicelib.api.requests.uploads import Dataset, Metadata, check_metadata_size
from chalicelib.core.access import Principal
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.tenants import Tenant
from chalicelib.core.upload_tokens import (
    LONGEST,
    MOST_FILES,
    MOST_METADATA_BYTES,
    SCOPES,
    SHORTEST,
    NewUploadToken,
)

_DEFAULT_SECONDS = 3600
_MAX_SIZE = "a whole number of bytes from 1 to {max_size:,}"


class UploadTokenBody(Body):
    """The body of `POST /upload-tokens`. Null counts as a missing member."""

    dataset: Dataset
    max_size: Annotated[int, Meta(ge=1, description=_MAX_SIZE)] | None = None
    max_files: (
        Annotated[
            int, Meta(ge=1, le=MOST_FILES, description=f"a whole number of files from 1 to {MOST_FILES:,}")
        ]
        | None
    ) = None
    expires_in: (
        Annotated[
            int,
            Meta(
                ge=SHORTEST,
                le=LONGEST,
                description=f"a whole number of seconds from {SHORTEST} to {LONGEST:,}",
            ),
        ]
        | None
    ) = None
    metadata: Metadata | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        sentence = 'The body must be a JSON object such as {"dataset": "people"}.'
        return InvalidRequest(sentence, field=path or None)


def parse_upload_token(
    body: object, principal: Principal, tenant: Tenant, *, max_size: int
) -> NewUploadToken:
    """Return the upload token that a body asks for. It gives no right that its maker has not.

    ``max_size``: the largest file that may be uploaded, in bytes. Raises InvalidRequest naming the member
    that is wrong, and Forbidden.
    """
    parsed = parse(body, UploadTokenBody, max_size=max_size)
    if parsed.max_size is not None and parsed.max_size > max_size:
        raise must_be("max_size", _MAX_SIZE, max_size=max_size)
    metadata = parsed.metadata or {}
    check_metadata_size(metadata, MOST_METADATA_BYTES)
    principal.check_dataset(parsed.dataset)
    return NewUploadToken(
        tenant=tenant,
        dataset=parsed.dataset,
        scopes=principal.scopes & SCOPES,
        made_by=principal.credential,
        max_size=parsed.max_size or max_size,
        max_files=parsed.max_files or 1,
        expires_in=parsed.expires_in or _DEFAULT_SECONDS,
        metadata=metadata,
    )
