"""Parse JSON bodies: msgspec decides whether a body fits, this module names the wrong member.

A member's ``Meta(description=…)`` completes the sentence "NAME must be …". The wrong member is found by
converting one member after the other, not from the text of msgspec's error: that text quotes names that
clients choose.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

import msgspec

from chalicelib.core.errors import InvalidRequest
from chalicelib.core.names import shown
from chalicelib.reading import encodings


class TextEncoding(str):
    """The name of an encoding in which Sluice reads files."""

    __slots__ = ()


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object in a request. A member of another type than declared, or an unknown one, is an error."""

    # Whether the error for an unknown or a missing member names that member; otherwise, the whole object.
    names_members: ClassVar[bool] = True

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a value at ``path`` that is not of this form at all."""
        raise NotImplementedError

    @classmethod
    def unknown_member(cls, path: str, name: str) -> InvalidRequest:
        """Return the error for a member that is not declared."""
        return InvalidRequest(f"There is no field {shown(name)} here.", field=_join(path, name))


BodyType = TypeVar("BodyType", bound=Body)


def parse(body: object, body_type: type[BodyType], **figures: int) -> BodyType:
    """Return the body as an instance of ``body_type``; ``figures`` fill the placeholders in its descriptions.

    Raises InvalidRequest naming the first member that is wrong.
    """
    try:
        return msgspec.convert(body, body_type, dec_hook=_decode)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter: half a surrogate pair in a name
        raise _Explanation(figures).of(body, body_type, "", body_type) from None


def parse_value(value: object, annotation: Any, field: str) -> Any:  # noqa: ANN401 - as the annotation says
    """Return the value of a single parameter. Raises InvalidRequest naming the ``field``."""
    try:
        return msgspec.convert(value, annotation, dec_hook=_decode)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise must_be(field, _description(annotation) or "of another form") from None


def must_be(path: str, description: str, **figures: int) -> InvalidRequest:
    """Return the error for the member at ``path``, which must be as described."""
    return InvalidRequest(f"{path} must be {description.format(**figures)}.", field=path)


class _Explanation:
    """Find the wrong member of a body that msgspec refused."""

    def __init__(self, figures: Mapping[str, int]) -> None:
        self._figures = figures

    def of(self, value: object, annotation: Any, path: str, owner: type[Body]) -> InvalidRequest:  # noqa: ANN401
        """Return the error for a value that does not fit; ``owner`` is the body type around it."""
        for alternative in _alternatives(annotation):
            if _is_body(alternative):
                owner = alternative
                if isinstance(value, dict):
                    return self._of_object(value, alternative, path)
            elif get_origin(alternative) is list and isinstance(value, list):
                (item,) = get_args(alternative)
                for index, element in enumerate(value):
                    if not _fits(element, item):
                        return self.of(element, item, f"{path}[{index}]", owner)
        if description := _description(annotation):
            return must_be(path, description, **self._figures)
        return owner.wrong_form(path)

    def _of_object(self, value: Mapping[str, object], body_type: type[Body], path: str) -> InvalidRequest:
        fields = msgspec.structs.fields(body_type)
        unknown = sorted(value.keys() - {field.name for field in fields})
        missing = {field.name for field in fields if field.required} - value.keys()
        if (unknown or missing) and not body_type.names_members:
            return body_type.wrong_form(path)
        if unknown:
            return body_type.unknown_member(path, unknown[0])
        for field in fields:
            if field.name in missing or (field.name in value and not _fits(value[field.name], field.type)):
                return self.of(value.get(field.name), field.type, _join(path, field.name), body_type)
        return body_type.wrong_form(path)


def _fits(value: object, annotation: Any) -> bool:  # noqa: ANN401
    try:
        msgspec.convert(value, annotation, dec_hook=_decode)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _decode(kind: type, value: object) -> object:
    """Return the value as one of the types that msgspec does not know. Raises ValueError."""
    if kind is TextEncoding and isinstance(value, str) and encodings.python_name(value) is not None:
        return TextEncoding(value)
    raise ValueError


def _description(annotation: Any) -> str | None:  # noqa: ANN401
    """Return the description in an annotation or in one of its alternatives."""
    annotations = [annotation, *(get_args(annotation) if _is_union(annotation) else ())]
    metas = [meta for candidate in annotations for meta in getattr(candidate, "__metadata__", ())]
    return next((meta.description for meta in metas if meta.description), None)


def _alternatives(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the types in an annotation, without their metadata."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not _is_union(annotation):
        yield annotation
        return
    for alternative in get_args(annotation):
        yield from _alternatives(alternative)


def _is_union(annotation: Any) -> bool:  # noqa: ANN401
    return get_origin(annotation) in (Union, UnionType)


def _is_body(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and issubclass(kind, Body)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def parse_time(query: Mapping[str, str], name: str) -> datetime | None:
    """Return the time in a parameter of a query; None without it. Raises InvalidRequest."""
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError:
        raise must_be(name, _TIME) from None
    if moment.tzinfo is None:
        raise must_be(name, _TIME)
    return moment


_TIME = "a time with its zone, such as 2026-01-31T12:00:00Z"
