"""Requests about tenants: the body of `POST /tenants`, and the name in a path."""

from typing import Annotated

from msgspec import Meta

from chalicelib.api.requests.parsing import Body, parse
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.names import DATASET_PATTERN

_NAME = "1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit"


class TenantBody(Body):
    """The body of `POST /tenants`."""

    name: Annotated[str, Meta(pattern=DATASET_PATTERN, description=_NAME)]

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        return InvalidRequest('The body must be a JSON object such as {"name": "acme"}.', field=path or None)


def parse_tenant(body: object) -> str:
    """Return the name of a tenant to be created. Raises InvalidRequest."""
    return parse(body, TenantBody).name
