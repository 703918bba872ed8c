"""Requests about datasets: the name in the path, and the body of `PUT /datasets/{name}/options`."""

from chalicelib.api.requests.parsing import parse, parse_value
from chalicelib.api.requests.uploads import Dataset, OptionsBody, to_options
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.model import Options
from chalicelib.core.names import shown


class DefaultOptionsBody(OptionsBody):
    """The default options of a dataset's files: the whole body."""

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        return InvalidRequest(
            'The body must be a JSON object such as {"delimiter": ";"}.', field=path or None
        )

    @classmethod
    def unknown_member(cls, path: str, name: str) -> InvalidRequest:
        """Return the error for an option that does not exist."""
        return InvalidRequest(f"There is no option {shown(name)}.", field=f"{path}.{name}" if path else name)


def parse_default_options(body: object) -> Options:
    """Return the options in a JSON body. Raises InvalidRequest naming the member that is wrong."""
    return to_options(parse(body, DefaultOptionsBody))


def parse_dataset(name: str) -> str:
    """Return the dataset's name in a path. Raises InvalidRequest if no dataset may have it."""
    parsed: str = parse_value(name, Dataset, "name")
    return parsed
