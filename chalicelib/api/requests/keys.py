"""Requests about API keys: the body of `POST /keys`."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from chalicelib.api.requests.parsing import Body, must_be, parse
from chalicelib.api.requests.uploads import Dataset
from chalicelib.core.access import Forbidden, Principal, Scope
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.names import TEXT_PATTERN
from chalicelib.core.tenants import Tenant

_LONGEST_NAME, _MOST_DATASETS = 100, 100
_TIME = "a time in the future with its zone, such as 2030-01-31T12:00:00Z"
_SCOPES = ", ".join(scope.value for scope in Scope)


class KeyBody(Body):
    """The body of `POST /keys`."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_LONGEST_NAME,
            pattern=TEXT_PATTERN,
            description=f"a text of 1 to {_LONGEST_NAME} characters, which says what uses the key",
        ),
    ]
    scopes: Annotated[
        list[Annotated[Scope, Meta(description=f"one of: {_SCOPES}")]],
        Meta(min_length=1, description=f"a list of some of: {_SCOPES}"),
    ]
    all_tenants: Annotated[bool, Meta(description="true or false")] = False
    datasets: (
        Annotated[
            list[Dataset],
            Meta(
                min_length=1,
                max_length=_MOST_DATASETS,
                description=f"1 to {_MOST_DATASETS} names of datasets",
            ),
        ]
        | None
    ) = None
    expires_at: Annotated[datetime, Meta(tz=True, description=_TIME)] | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        sentence = 'The body must be a JSON object such as {"name": "crm", "scopes": ["uploads:write"]}.'
        return InvalidRequest(sentence, field=path or None)


def parse_key(body: object, principal: Principal, tenant: Tenant) -> NewApiKey:
    """Return the API key that a body asks for. It gives no right that its creator has not.

    Raises InvalidRequest naming the member that is wrong, and Forbidden.
    """
    parsed = parse(body, KeyBody)
    scopes = frozenset(parsed.scopes)
    datasets = None if parsed.datasets is None else frozenset(parsed.datasets)
    if parsed.expires_at is not None and parsed.expires_at <= datetime.now(UTC):
        raise must_be("expires_at", _TIME)
    if parsed.all_tenants and principal.tenant is not None:
        raise Forbidden("Only a credential for all tenants can create a key for all tenants.")
    if missing := sorted(scopes - principal.scopes):
        raise Forbidden(
            f"This credential cannot grant a scope that it does not have: {missing[0]}.", scope=missing[0]
        )
    if datasets is not None and Scope.TENANTS_ADMIN in scopes:
        raise InvalidRequest("tenants:admin concerns all datasets: leave datasets out.", field="datasets")
    if principal.expires_at is not None and (
        parsed.expires_at is None or parsed.expires_at > principal.expires_at
    ):
        ends = principal.expires_at.isoformat()
        raise Forbidden(
            f"This credential expires at {ends}, and cannot create a key that expires later: set expires_at."
        )
    if principal.datasets is not None and (datasets is None or not datasets <= principal.datasets):
        raise Forbidden("This credential can grant only its own datasets.")
    return NewApiKey(
        name=parsed.name,
        scopes=scopes,
        tenant=None if parsed.all_tenants else tenant,
        datasets=datasets,
        expires_at=parsed.expires_at,
        created_by=principal.credential,
    )
