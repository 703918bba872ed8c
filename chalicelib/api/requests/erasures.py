"""Requests about erasures: the body of `POST /datasets/{name}/erase`."""

from typing import Annotated

from msgspec import Meta

from chalicelib.api.requests.parsing import Body, parse
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.names import TEXT_PATTERN

_LONGEST_FIELD, _LONGEST_VALUE = 1000, 1000


class ErasureBody(Body):
    """The body of `POST /datasets/{name}/erase`."""

    field: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_LONGEST_FIELD,
            pattern=TEXT_PATTERN,
            description=f"the name of a field of 1 to {_LONGEST_FIELD:,} characters, such as email",
        ),
    ]
    value: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_LONGEST_VALUE,
            pattern=TEXT_PATTERN,
            description=f"a text of 1 to {_LONGEST_VALUE:,} characters; write a number as text",
        ),
    ]

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        sentence = 'The body must be a JSON object such as {"field": "email", "value": "ann@example.com"}.'
        return InvalidRequest(sentence, field=path or None)


def parse_erasure(body: object) -> ErasureBody:
    """Return what is to be erased. Raises InvalidRequest, which does not show the value."""
    return parse(body, ErasureBody)
