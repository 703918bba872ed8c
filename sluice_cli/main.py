"""The program ``sluice``: the command group, its global option, and how errors become exit statuses."""

import os
import shlex
import sys
from io import TextIOWrapper
from typing import Any

import click
from click.core import ParameterSource

from sluice_cli import errors, render
from sluice_cli.commands.actions import cancel_command, retry_command, undo_command
from sluice_cli.commands.audit import audit_command
from sluice_cli.commands.datasets import options_command
from sluice_cli.commands.erase import erase_command
from sluice_cli.commands.jobs import job_command, jobs_command
from sluice_cli.commands.keys import keys_command
from sluice_cli.commands.preview import load_command, preview_command
from sluice_cli.commands.rejects import errors_command
from sluice_cli.commands.session import Session
from sluice_cli.commands.tenants import tenants_command
from sluice_cli.commands.tokens import tokens_command
from sluice_cli.commands.upload import upload_command
from sluice_cli.commands.verbosity import add_options
from sluice_cli.commands.workers import workers_command

_HELP = """
Load files into Sluice, and see the outcome of each record.

\b
  sluice preview people.csv   show how a file would be loaded
  sluice upload people.csv    load a file and wait until it is done
  sluice upload 'sales/*.csv' load several
  sluice upload - --filename people.csv
                              load standard input
  sluice errors ID            list the rejected records, with reasons
  sluice errors ID --summary  count them by reason
  sluice errors --dataset people
                              list those of all jobs in a dataset
"""
_API_KEY = """
Set SLUICE_API_KEY to the API key or to an upload token. On the command line, others could read it.
"""
_EXIT_STATUS = """
\b
Exit status:
  0    the job is COMPLETED (`sluice preview`: PREVIEWED), or the command succeeded
  1    the job FAILED, is CANCELED, EXPIRED or UNDONE
  2    something is wrong with the command line or the file,
       or the job is not in a status that allows it
  3    the service, S3 or the network failed
  4    the job has not ended yet (only `sluice job` without --follow),
       or it is PREVIEWED and waits for `sluice load`
  5    the job is COMPLETED with warnings (only with --fail-on-warnings)
  6    the job is COMPLETED and has rejected records (only with
       --fail-on-rejects); takes precedence over 5
  130  interrupted by Ctrl-C
"""


class _Sluice(click.Group):
    """Turn the errors of all commands into messages and exit statuses."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # the terminal's encoding may lack characters of a name
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except errors.CliError as error:
            render.print_error(render.console(sys.stderr), error)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            ctx.exit(errors.INTERRUPTED)


@click.group(
    cls=_Sluice,
    help=_HELP + _API_KEY,
    epilog=_EXIT_STATUS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--url", metavar="URL", envvar="SLUICE_URL", help="Address of the API. Default: the variable SLUICE_URL."
)
@click.option(
    "--tenant",
    metavar="NAME",
    envvar="SLUICE_TENANT",
    help="The tenant, with a key for all tenants. Default: the variable SLUICE_TENANT, or `default`.",
)
@click.version_option(package_name="sluice", message="sluice %(version)s")
@click.pass_context
def main(ctx: click.Context, url: str | None, tenant: str | None) -> None:
    """Make the session that all commands share."""
    program = ["sluice"]
    for name, value in (("url", url), ("tenant", tenant)):
        if value and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            program.append(f"--{name} {shlex.quote(value)}")
    ctx.obj = Session(url, " ".join(program), os.environ.get("SLUICE_API_KEY"), tenant)


for _command in (
    upload_command,
    preview_command,
    load_command,
    jobs_command,
    job_command,
    errors_command,
    cancel_command,
    retry_command,
    undo_command,
    options_command,
    erase_command,
    tenants_command,
    keys_command,
    tokens_command,
    audit_command,
    workers_command,
):
    main.add_command(_command)
add_options(main)
