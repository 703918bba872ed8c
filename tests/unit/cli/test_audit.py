"""``sluice audit``: the events of the audit log."""

import json
from urllib.parse import parse_qs, urlsplit

from tests.support.cli_fake import JOB_ID, FakeSluice, run


def event(number: int, **data: object) -> dict[str, object]:
    told = {
        "tenant": "acme",
        "actor": {"kind": "key", "id": "1", "name": "crm"},
        "address": "192.0.2.7",
        "status": None,
    }
    return {
        "specversion": "1.0",
        "id": str(number),
        "type": "sluice.job.cancel",
        "time": "2026-01-02T03:04:05Z",
        "subject": f"jobs/{JOB_ID}",
        "data": told | data,
    }


def test_events_are_printed_as_a_table(server: FakeSluice) -> None:
    server.events = [event(2, status=409), event(1, actor={"name": "\x1b[31mred"}, tenant=None)]
    head, refused, done = run(server, "audit").stdout.splitlines()
    assert head.split() == ["AGE", "ACTION", "ON", "TENANT", "BY", "FROM", "OUTCOME"]
    assert refused.split()[-7:] == [
        "job.cancel",
        f"jobs/{JOB_ID}",
        "acme",
        "crm",
        "192.0.2.7",
        "refused",
        "(409)",
    ]
    assert done.split()[-1] == "done"
    assert "\x1b" not in done


def test_events_as_json_are_the_documents(server: FakeSluice) -> None:
    server.events = [event(2), event(1)]
    lines = run(server, "audit", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == server.events


def test_filters_reach_the_api(server: FakeSluice) -> None:
    options = ["--of-tenant", "acme", "--action", "job.undo", "--job", JOB_ID, "--since", "2026-01-01"]
    assert run(server, "audit", *options, "--limit", "7").exit_code == 0
    (request,) = server.requests_of("GET")
    assert {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()} == {
        "tenant": "acme",
        "action": "job.undo",
        "job": JOB_ID,
        "since": "2026-01-01T00:00:00+00:00",
        "limit": "7",
    }


def test_something_else_than_events_is_an_error(server: FakeSluice) -> None:
    server.events = [{"id": "1"}]
    assert run(server, "audit").exit_code == 3
