"""Values that a shell completes: datasets, ids of jobs, statuses. They are asked of the API.

A completion that fails offers nothing: an error would be printed into the line that is being typed.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime

import click
import httpx
from click.shell_completion import CompletionItem

from sluice_cli.api import Api, Credential
from sluice_cli.documents.jobs import STATUSES, Job
from sluice_cli.errors import CliError
from sluice_cli.formatting import age

_LATEST = 100  # jobs that are looked at, in one request
_PATIENCE = httpx.Timeout(2)  # seconds: somebody waits with a finger on the key


def complete_datasets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the datasets of the latest jobs that begin so."""
    names = sorted({job.dataset for job in _latest_jobs(ctx)})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_job_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the latest jobs that begin so, newest first, each with what it is."""
    now = datetime.now(UTC)
    return [
        CompletionItem(job.id, help=_description(job, now))
        for job in _latest_jobs(ctx)
        if job.id.startswith(incomplete.lower())
    ]


def complete_statuses(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the statuses of jobs that begin so, in any case."""
    return [CompletionItem(status) for status in STATUSES if status.startswith(incomplete.upper())]


Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _latest_jobs(ctx: click.Context) -> list[Job]:
    options = ctx.find_root().params
    url = options.get("url") or os.environ.get("SLUICE_URL")
    tenant = options.get("tenant") or os.environ.get("SLUICE_TENANT")
    if not url:
        return []
    try:
        with httpx.Client() as http:
            credential = Credential(os.environ.get("SLUICE_API_KEY"), tenant)
            api = Api(url, http, credential, timeout=_PATIENCE)
            return [job for page in api.jobs(status=None, dataset=None, limit=_LATEST) for job in page.items]
    except CliError:
        return []


def _description(job: Job, now: datetime) -> str:
    since = f", {age(job.created_at, now)} ago" if job.created_at else ""
    return f"{job.status} {job.filename}{since}"
