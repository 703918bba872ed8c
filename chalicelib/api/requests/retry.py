"""The body of `POST /jobs/{id}/retry` and `/load`. `docs/reference/http-api.md` explains its members."""

from typing import Any

from msgspec import UNSET, UnsetType

from chalicelib.api.requests.parsing import Body, parse
from chalicelib.api.requests.uploads import (
    BeyondLimitChoice,
    FileFormat,
    MaxRejects,
    OnFailureChoice,
    OptionsBody,
    option_members,
)
from chalicelib.core.budget import Budget
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Changes


class RetryBody(Body):
    """Changes of a job's instructions. Null counts as a missing member, but not as ``max_rejects``."""

    options: OptionsBody | None = None
    format: FileFormat | None = None
    max_rejects: MaxRejects | UnsetType | None = UNSET
    on_failure: OnFailureChoice | None = None
    rejects_beyond_limit: BeyondLimitChoice | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        return InvalidRequest(
            'The body must be empty, or a JSON object such as {"options": {"delimiter": ";"}}.',
            field=path or None,
        )


def parse_retry(body: object) -> Changes | None:
    """Return the changes in a JSON body; None if it has none.

    An option that is null gets its default, and a ``max_rejects`` that is null removes the budget.
    Raises InvalidRequest naming the member that is wrong.
    """
    body, resets = _split(body)
    parsed = parse(body, RetryBody)
    limits = _limits(parsed)
    rereads = parsed.options is not None or parsed.format is not None
    if not rereads and not limits:
        return None
    members = {} if parsed.options is None else option_members(parsed.options)
    return Changes(members | resets, parsed.format, limits, rereads)


def _limits(body: RetryBody) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if body.max_rejects is not UNSET:
        limits["max_rejects"] = None if body.max_rejects is None else Budget.parse(body.max_rejects)
    if body.on_failure is not None:
        limits["on_failure"] = body.on_failure
    if body.rejects_beyond_limit is not None:
        limits["rejects_beyond_limit"] = body.rejects_beyond_limit
    return limits


def _split(body: object) -> tuple[object, dict[str, None]]:
    """Return the body without the options that are null, and those."""
    options = body.get("options") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(options, dict):
        return body, {}
    names = [name for name in OptionsBody.__struct_fields__ if name in options and options[name] is None]
    others = {name: value for name, value in options.items() if name not in names}
    return {**body, "options": others}, dict.fromkeys(names)
