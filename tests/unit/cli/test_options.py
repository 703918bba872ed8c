"""``-o NAME=VALUE``, and ``sluice options``: the default options of a dataset."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_cli import errors
from sluice_cli.commands.upload import upload_command
from tests.support.cli_fake import FakeSluice, run


def parsed(text: str) -> object:
    context = upload_command.make_context("upload", ["file", "-o", f"name={text}"])
    value: object = context.params["options"]["name"]
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (";", ";"),
        ("", ""),
        ("=", "="),
        ("\\", "\\"),
        ("\\t", "\t"),
        ("\\u0001", "\x01"),
        ("\\u00e9", "é"),
        ("\\n", "\\n"),
        ("\\ud800", "\\ud800"),
        ("\\u001", "\\u001"),
        ("a\\u0001", "a\\u0001"),
        ('"', '"'),
        ('";"', '";"'),
        ("true", True),
        ("7", 7),
        ("7.5", "7.5"),
        ("null", None),
        ("{}", "{}"),
        ('["n/a", "\\u0001"]', ["n/a", "\x01"]),
        ("utf-16", "utf-16"),
    ],
)
def test_a_value_is_what_it_says(text: str, value: object) -> None:
    assert parsed(text) == value
    assert type(parsed(text)) is type(value)


@given(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
def test_every_character_can_be_declared_by_its_code(character: str) -> None:
    assert parsed(f"\\u{ord(character):04x}") == character


def test_the_options_of_a_dataset_are_set_shown_and_cleared(server: FakeSluice) -> None:
    shown = run(server, "options", "people", "-o", "delimiter=\\u0001", "-o", "header=false")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == ['delimiter = "\\u0001"', "header = false"]
    assert server.defaults == {"people": {"delimiter": "\x01", "header": False}}
    assert run(server, "options", "people").stdout == shown.stdout
    document = json.loads(run(server, "options", "people", "--json").stdout)
    assert document == {"dataset": "people", "options": server.defaults["people"]}
    cleared = run(server, "options", "people", "--clear")
    assert (cleared.exit_code, cleared.stdout) == (0, "Dataset people has no default options.\n")
    assert server.defaults == {"people": {}}


def test_a_dataset_that_does_not_exist_has_no_options_to_show(server: FakeSluice) -> None:
    result = run(server, "options", "no/where")
    assert (result.exit_code, result.stdout) == (errors.INPUT_ERROR, "")
    assert "There is no such dataset." in result.stderr
    assert server.requests[-1].target.endswith("/datasets/no%2Fwhere/options")


def test_options_are_either_set_or_cleared(server: FakeSluice) -> None:
    result = run(server, "options", "people", "--clear", "-o", "header=false")
    assert result.exit_code == errors.INPUT_ERROR
    assert not server.requests
