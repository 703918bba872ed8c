"""Values that a shell completes: options of files and statuses; datasets and ids of jobs, asked of the API.

A completion that fails offers nothing: an error would be printed into the line that is being typed.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click
import httpx
from click.shell_completion import BashComplete, CompletionItem, ZshComplete, add_completion_class

from sluice_cli.api import Api, Credential
from sluice_cli.documents.jobs import STATUSES, Job
from sluice_cli.errors import CliError
from sluice_cli.formatting import age

# Those of click add a space after `NAME=`; that for bash also loses a comma at the end of a value.
_BASH_SOURCE = """\
%(complete_func)s() {
    local IFS=$'\\n' completion
    for completion in $(
        env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete $1
    ); do
        case $completion in
            dir,*) COMPREPLY=(); compopt -o dirnames ;;
            file,*) COMPREPLY=(); compopt -o default ;;
            *=) COMPREPLY+=("${completion#*,}"); compopt -o nospace ;;
            *) COMPREPLY+=("${completion#*,}") ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH_SOURCE = ZshComplete.source_template.replace(
    "compadd -U -V unsorted -a completions",
    "compadd -U -V unsorted -S '' -- ${(M)completions:#*=} || compadd -U -V unsorted -- ${completions:#*=}",
)
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


def complete_pairs(values: Mapping[str, tuple[str, ...]]) -> Completion:
    """Return the completion of NAME=VALUE: first of the name, then of the value."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        name, equals, _value = incomplete.partition("=")
        pairs = (
            [f"{name}={value}" for value in values.get(name, ())] if equals else [f"{it}=" for it in values]
        )
        return [CompletionItem(pair) for pair in pairs if pair.startswith(incomplete)]

    return complete


@add_completion_class
class _Bash(BashComplete):
    """Completion for bash, to which NAME=VALUE is three words: it completes the last one."""

    source_template = _BASH_SOURCE
    _kept = ""  # what bash keeps before the word that it completes

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete one, and that one with what bash keeps."""
        words, incomplete = super().get_completion_args()
        if incomplete == "=":
            words, incomplete = [*words, "="], ""
        match words:
            case [*words, name, "="]:
                self._kept = f"{name}="
        return words, self._kept + incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the item without what bash keeps."""
        return f"{item.type},{item.value.removeprefix(self._kept)}"


@add_completion_class
class _Zsh(ZshComplete):
    """Completion for zsh, which keeps NAME=VALUE as one word."""

    source_template = _ZSH_SOURCE


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
