"""``sluice tenants remove``."""

from click.testing import CliRunner

from sluice_cli.main import main
from tests.support.cli_fake import PREFIX, FakeSluice

TENANT = {"name": "acme", "removing_at": "2026-01-02T03:04:05Z", "suspended_at": "2026-01-02T03:04:05Z"}


def test_a_tenant_is_not_removed_unasked(server: FakeSluice) -> None:
    server.tenants = [TENANT]
    for answer in ("n\n", "\n", ""):
        result = CliRunner().invoke(main, ["--url", server.url, "tenants", "remove", "acme"], input=answer)
        assert result.exit_code == 1
    assert server.requests_of("DELETE") == []


def test_a_tenant_is_removed(server: FakeSluice) -> None:
    server.tenants = [TENANT]
    result = CliRunner().invoke(main, ["--url", server.url, "tenants", "remove", "--yes", "acme"])
    assert (result.exit_code, result.stdout) == (0, "The tenant acme is being removed.\n")
    assert [it.target for it in server.requests_of("DELETE")] == [f"{PREFIX}/tenants/acme"]


def test_the_list_says_what_is_removed(server: FakeSluice) -> None:
    server.tenants = [
        TENANT | {"name": "a", "removed_at": "2026-01-02T03:04:05Z"},
        TENANT | {"name": "b"},
        {"name": "c", "suspended_at": "2026-01-02T03:04:05Z"},
        {"name": "d"},
    ]
    result = CliRunner().invoke(main, ["--url", server.url, "tenants", "list"])
    states = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines()[1:]]
    assert [it.strip() for it in states] == ["removed", "being removed", "suspended", "works"]
