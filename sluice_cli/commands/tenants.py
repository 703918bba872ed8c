"""``sluice tenants``: create, list, suspend, resume and remove tenants."""

import sys
from datetime import UTC, datetime

import click

from sluice_cli import render
from sluice_cli.commands.session import Session, json_option
from sluice_cli.documents.access import Tenant
from sluice_cli.formatting import age

_TITLES = ("TENANT", "CREATED", "STATE")


@click.group("tenants", short_help="Create, list and suspend tenants.")
def tenants_command() -> None:
    """Manage the customers whose files are loaded. Needs a key for all tenants with tenants:admin."""


@tenants_command.command("create")
@click.argument("name")
@json_option
@click.pass_obj
def create_command(session: Session, *, name: str, as_json: bool) -> None:
    """Create the tenant NAME."""
    with session.api() as api:
        _show(api.create_tenant(name), "exists", as_json=as_json)


@tenants_command.command("list")
@json_option
@click.pass_obj
def list_command(session: Session, *, as_json: bool) -> None:
    """List the tenants, newest first. With --json: one per line."""
    with session.api() as api:
        tenants = [tenant for page in api.tenants() for tenant in page.items]
    if as_json:
        render.print_documents(tenant.document for tenant in tenants)
        return
    now = datetime.now(UTC)
    rows = [
        (
            tenant.name,
            f"{age(tenant.created_at, now)} ago" if tenant.created_at else "",
            tenant.state,
        )
        for tenant in tenants
    ]
    render.print_table(render.console(sys.stdout), _TITLES, rows)


@tenants_command.command("suspend")
@click.argument("name")
@json_option
@click.pass_obj
def suspend_command(session: Session, *, name: str, as_json: bool) -> None:
    """Suspend the tenant NAME: its credentials are refused, and its files are not loaded."""
    with session.api() as api:
        _show(api.change_tenant(name, "suspend"), "is suspended", as_json=as_json)


@tenants_command.command("resume")
@click.argument("name")
@json_option
@click.pass_obj
def resume_command(session: Session, *, name: str, as_json: bool) -> None:
    """Resume the suspended tenant NAME."""
    with session.api() as api:
        _show(api.change_tenant(name, "resume"), "works", as_json=as_json)


@tenants_command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove_command(session: Session, *, name: str, yes: bool, as_json: bool) -> None:
    """Remove the tenant NAME with its rows, rejects, jobs, keys and files. This cannot be undone."""
    if not yes:
        click.confirm(f"Remove {name} with everything that belongs to it?", abort=True, err=True)
    with session.api() as api:
        _show(api.remove_tenant(name), "is being removed", as_json=as_json)


def _show(tenant: Tenant, state: str, *, as_json: bool) -> None:
    if as_json:
        render.print_document(tenant.document)
    else:
        render.print_line(render.console(sys.stdout), f"The tenant {tenant.name} {state}.")
