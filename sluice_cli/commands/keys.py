"""``sluice keys``: create, list and revoke API keys."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.commands.session import Session, json_option
from sluice_cli.documents.access import Key
from sluice_cli.formatting import age

_TITLES = ("ID", "NAME", "TENANT", "SCOPES", "DATASETS", "LAST USED", "STATE")


@click.group("keys", short_help="Create, list and revoke API keys.")
def keys_command() -> None:
    """Manage API keys. Needs a key with the scope tenants:admin. The first is created on the server."""


@keys_command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="A right that the key gives, such as uploads:write. May be repeated.",
)
@click.option("--all-tenants", is_flag=True, help="The key is for all tenants.")
@click.option("--dataset", "datasets", multiple=True, help="The key is for this dataset. May be repeated.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the key stops working, in UTC. Default: never.",
)
@json_option
@click.pass_obj
def create_command(  # noqa: PLR0913 - the command's options
    session: Session,
    *,
    name: str,
    scopes: Sequence[str],
    all_tenants: bool,
    datasets: Sequence[str],
    expires: datetime | None,
    as_json: bool,
) -> None:
    """Create an API key for the program NAME, and print it. It is not shown again.

    To rotate a key, create another with its name. Revoke the old one when no program uses it any more.
    """
    body: dict[str, object] = {"name": name, "scopes": list(scopes), "all_tenants": all_tenants}
    if datasets:
        body["datasets"] = list(datasets)
    if expires is not None:
        body["expires_at"] = expires.replace(tzinfo=UTC).isoformat()
    with session.api() as api:
        key = api.create_key(body)
    if as_json:
        render.print_document(key.document)
        return
    messages = render.console(sys.stderr)
    render.print_line(messages, f"The key {key.key_id}, which is not shown again:")
    render.print_line(render.console(sys.stdout), key.text or "")


@keys_command.command("list")
@json_option
@click.pass_obj
def list_command(session: Session, *, as_json: bool) -> None:
    """List API keys, newest first. With --json: one per line."""
    with session.api() as api:
        keys = [key for page in api.api_keys() for key in page.items]
    if as_json:
        render.print_documents(key.document for key in keys)
        return
    now = datetime.now(UTC)
    render.print_table(render.console(sys.stdout), _TITLES, [_row(key, now) for key in keys])


@keys_command.command("revoke")
@click.argument("key_id", metavar="ID", type=click.UUID)
@json_option
@click.pass_obj
def revoke_command(session: Session, *, key_id: UUID, as_json: bool) -> None:
    """Revoke the API key ID. It stops working within 10 seconds."""
    with session.api() as api:
        key = api.revoke_key(key_id)
    if as_json:
        render.print_document(key.document)
    else:
        render.print_line(render.console(sys.stdout), f"The key {key.key_id} ({key.name}) is revoked.")


def _row(key: Key, now: datetime) -> tuple[str, ...]:
    is_expired = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.is_revoked else "expired" if is_expired else "works"
    return (
        key.key_id,
        key.name,
        key.tenant or "all",
        " ".join(key.scopes),
        " ".join(key.datasets) or "all",
        f"{age(key.last_used_at, now)} ago" if key.last_used_at else "never",
        state,
    )
