"""``sluice tokens create``, and an upload with a token."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sluice_cli.main import main
from tests.support.cli_fake import FakeSluice, run


def asked(server: FakeSluice) -> dict[str, Any]:
    (request,) = server.requests_of("POST", "/upload-tokens")
    return request.json


def test_a_token_is_printed_alone(server: FakeSluice) -> None:
    made = run(server, "tokens", "create", "--dataset", "people")
    assert made.stdout == "e.y.J\n"
    assert "one file" in made.stderr
    assert asked(server) == {"dataset": "people"}


def test_limits_and_labels_reach_the_api(server: FakeSluice) -> None:
    limits = ("--max-size", "10MiB", "--max-files", "3", "--expires-in", "15m")
    labels = ("--label", "a=b", "--label", "c=d=e")
    made = run(server, "tokens", "create", "--dataset", "people", *limits, *labels, "--json")
    assert asked(server) == {
        "dataset": "people",
        "max_size": 10 << 20,
        "max_files": 3,
        "expires_in": 900,
        "metadata": {"a": "b", "c": "d=e"},
    }
    assert json.loads(made.stdout)["token"] == "e.y.J"


@pytest.mark.parametrize(
    ("option", "text", "found"),
    [
        ("--max-size", "5000000", 5_000_000),
        ("--max-size", "5 mb", 5_000_000),
        ("--max-size", "1GiB", 1 << 30),
        ("--expires-in", "90s", 90),
        ("--expires-in", "24h", 86_400),
    ],
)
def test_sizes_and_times_have_units(server: FakeSluice, option: str, text: str, found: int) -> None:
    assert run(server, "tokens", "create", "--dataset", "d", option, text).exit_code == 0
    assert found in asked(server).values()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--max-size", "10 cats"),
        ("--max-size", "-1"),
        ("--expires-in", "900"),
        ("--expires-in", "1 day"),
        ("--label", "customer"),
        ("--label", "=x"),
    ],
)
def test_what_is_no_size_time_or_label_is_refused(server: FakeSluice, option: str, text: str) -> None:
    refused = run(server, "tokens", "create", "--dataset", "d", option, text)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not server.requests


def test_an_upload_sends_a_token_as_it_sends_a_key(server: FakeSluice, csv: Path) -> None:
    env = {"SLUICE_URL": server.url, "SLUICE_API_KEY": "e.y.J\n"}
    assert CliRunner().invoke(main, ["upload", str(csv)], env=env).exit_code == 0
    (registered,) = server.requests_of("POST", "/uploads")
    assert registered.headers["Authorization"] == "Bearer e.y.J"
    assert "size" in registered.json
    assert all("Authorization" not in put.headers for put in server.requests_of("PUT"))
