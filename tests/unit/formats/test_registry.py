"""Every format has one plug-in, and no other module asks which format a file has."""

import re

import pytest

from chalicelib.api.serializers import describe_dialect
from chalicelib.backends.postgres.mappers import dialect_column, dialect_of
from chalicelib.core.model import Dialect, Format
from chalicelib.formats import FORMATS, format_named, format_of
from chalicelib.formats.json.shape import Shape, names_collide
from tests.support.paths import CHECKOUT


def test_every_format_has_one_plug_in() -> None:
    assert sorted(form.name for form in FORMATS) == sorted(Format)
    for name in Format:
        assert format_named(name).name is name
        assert format_of(Dialect(name, 0)) is format_named(name)


@pytest.mark.parametrize("name", Format)
def test_a_dialect_of_every_format_is_stored_and_shown(name: Format) -> None:
    dialect = Dialect(name, 7, encoding="cp1252", compression="gzip")
    assert dialect_of(dialect_column(dialect).obj) == dialect
    assert describe_dialect(dialect)["format"] == name


def test_only_plug_ins_and_the_stored_dialect_name_formats() -> None:
    package = CHECKOUT / "chalicelib"
    naming = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\bFormat\.[A-Z]", path.read_text("utf-8"))
    }
    assert {path for path in naming if not path.startswith("formats/")} == {"core/model.py"}
    assert all(path.count("/") == 2 for path in naming if path.startswith("formats/"))


@pytest.mark.parametrize(
    ("shape", "collide"),
    [
        ({"a": "string", "b": "string"}, False),
        ({"a": "string", " a": None}, True),
        ({"x": {"a": "string", "a ": "string"}}, True),
        ({"x": [[{"a": "string", "e\u0301": None, "\u00e9": None}]]}, True),
        ({"x": {"a": None}, "y": {"a ": None}}, False),
    ],
)
def test_names_collide_within_one_object(shape: dict[str, Shape], collide: bool) -> None:
    assert names_collide(shape) is collide
