"""The body of `POST /jobs/{id}/retry` and `/load`. `docs/http-api.md` explains its members."""

from chalicelib.api.requests.parsing import Body, parse
from chalicelib.api.requests.uploads import FileFormat, OptionsBody, option_members
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Changes


class RetryBody(Body):
    """Changes of a job's instructions. Null counts as a missing member."""

    options: OptionsBody | None = None
    format: FileFormat | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        return InvalidRequest(
            'The body must be empty, or a JSON object such as {"options": {"delimiter": ";"}}.',
            field=path or None,
        )


def parse_retry(body: object) -> Changes | None:
    """Return the changes in a JSON body; None if it has none. An option that is null gets its default.

    Raises InvalidRequest naming the member that is wrong.
    """
    body, resets = _split(body)
    parsed = parse(body, RetryBody)
    if parsed.options is None and parsed.format is None:
        return None
    members = {} if parsed.options is None else option_members(parsed.options)
    return Changes(members | resets, parsed.format)


def _split(body: object) -> tuple[object, dict[str, None]]:
    """Return the body without the options that are null, and those."""
    options = body.get("options") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(options, dict):
        return body, {}
    names = [name for name in OptionsBody.__struct_fields__ if name in options and options[name] is None]
    others = {name: value for name, value in options.items() if name not in names}
    return {**body, "options": others}, dict.fromkeys(names)
