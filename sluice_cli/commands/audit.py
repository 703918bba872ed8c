"""``sluice audit``: who did what, or was refused."""

import sys
from datetime import UTC, datetime
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.commands.session import Session, json_option
from sluice_cli.documents.audit import AuditEvent
from sluice_cli.formatting import age

_TITLES = ("AGE", "ACTION", "ON", "TENANT", "BY", "FROM", "OUTCOME")


@click.command("audit", short_help="List actions that were done or refused.")
@click.option("--of-tenant", "tenant", metavar="TENANT", help="Only events of this tenant.")
@click.option("--action", metavar="ACTION", help="Only events of this action, such as job.cancel.")
@click.option("--job", "job_id", metavar="ID", type=click.UUID, help="Only events of this job.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only events from this time on, in UTC.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many events.")
@json_option
@click.pass_obj
def audit_command(  # noqa: PLR0913 - the command's options
    session: Session,
    *,
    tenant: str | None,
    action: str | None,
    job_id: UUID | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the events of the audit log, newest first. Needs a key with the scope tenants:admin.

    With --json: one CloudEvent per line.
    """
    filters = {
        "tenant": tenant,
        "action": action,
        "job": None if job_id is None else str(job_id),
        "since": None if since is None else since.replace(tzinfo=UTC).isoformat(),
    }
    with session.api() as api:
        events = [event for page in api.audit_events(filters, limit) for event in page.items]
    if as_json:
        render.print_documents(event.document for event in events)
        return
    now = datetime.now(UTC)
    render.print_table(render.console(sys.stdout), _TITLES, [_row(event, now) for event in events])


def _row(event: AuditEvent, now: datetime) -> tuple[str, ...]:
    return (
        age(event.time, now) if event.time else "",
        event.action,
        event.subject or "",
        event.tenant or "",
        event.actor or "",
        event.address or "",
        "done" if event.refused is None else f"refused ({event.refused})",
    )
