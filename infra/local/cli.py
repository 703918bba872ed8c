"""The commands: up, down, status, install, psql."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from psycopg.conninfo import conninfo_to_dict

from chalicelib.settings import parse_origins
from infra.local import installs, processes, stack, workers
from infra.local.env_file import read_env_file
from infra.local.postgres import binary
from infra.steps.errors import StepError
from infra.steps.layout import DEFAULT_ROOT, Layout
from infra.steps.progress import line, to_terminal

DOWN_HINT = "Started components keep running: `make up` tries again, `make down` stops them."


def main(argv: list[str] | None = None) -> int:
    """Run one command. Return 0, or 1 if a component failed, or 3 if `status` finds one that does not run."""
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
    except StepError as error:
        sys.stderr.write(f"\n{error.report()}\n")
        return 1
    except OSError as error:  # no room, no permission, no such program
        sys.stderr.write(f"\nThe embedded stack failed: {error}. {DOWN_HINT}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\nInterrupted. {DOWN_HINT}\n")
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)")
    up = commands.add_parser("up", parents=[root], help="start the components that do not run yet")
    up.add_argument("--queue", choices=stack.QUEUES, default="sqs", help="default: sqs")
    up.add_argument(
        "--origins",
        type=_origins,
        default=(),
        metavar="ORIGIN,...",
        help="whose pages may use API and bucket",
    )
    up.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=stack.COMPONENTS,
        metavar="COMPONENT,...",
        help=f"these components and those they need, of: {', '.join(stack.COMPONENTS)}",
    )
    up.set_defaults(command=run_up)
    for name, command, description in (
        ("down", run_down, "stop all components that up started"),
        ("status", run_status, "show which components run, and what workers do"),
        ("install", run_install, "install the requirements of up, so that up is quick"),
    ):
        commands.add_parser(name, parents=[root], help=description).set_defaults(command=command)
    psql = commands.add_parser("psql", parents=[root], help="open the SQL prompt of the stack's Postgres")
    psql.add_argument("--sql", help="run this statement instead")
    psql.set_defaults(command=run_psql)
    return result


def _origins(text: str) -> tuple[str, ...]:
    try:
        return parse_origins(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_up(arguments: argparse.Namespace) -> int:
    """Bring the stack up and print its addresses."""
    began = time.monotonic()
    try:
        env = stack.up(
            arguments.root, queue=arguments.queue, origins=arguments.origins, components=arguments.only
        )
    except StepError as error:
        error.add_note(DOWN_HINT)
        raise
    to_terminal(line("up", f"settings in {arguments.root / 'env'}", time.monotonic() - began))
    if "SLUICE_URL" in env:
        to_terminal(f"\n  {env['SLUICE_URL']}\n")
    return 0


def run_down(arguments: argparse.Namespace) -> int:
    """Stop the stack and print which data stay."""
    stack.down(arguments.root)
    to_terminal(
        f"\n  Postgres's and Redis's data stay in {arguments.root / 'data'}.\n"
        "  LocalStack stores nothing: S3 objects and SQS messages are deleted."
    )
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """Print which components run, their logs, and the workers that are registered."""
    layout = Layout.at(arguments.root)
    missing = False
    for name in (*stack.SERVICES, "worker"):
        record = processes.running(layout, name)
        missing = missing or record is None
        text = f"runs, process {record.pid}" if record else "does not run"
        to_terminal(line(name, f"{text}, log {layout.log(name)}"))
    env = read_env_file(layout)
    url = env.get("SLUICE_URL")
    to_terminal(line("app", url or "is not deployed"))
    if "DATABASE_URL" in env:
        for text in workers.worker_lines(env["DATABASE_URL"]):
            to_terminal(line("workers", text))
    return 3 if missing or not url else 0


def run_install(_arguments: argparse.Namespace) -> int:
    """Install the missing requirements."""
    installs.ensure(stack.installations_of(stack.COMPONENTS), to_terminal)
    return 0


def run_psql(arguments: argparse.Namespace) -> NoReturn:
    """Become `psql`, connected to the stack's Postgres. Raises `StepError` if that is not up."""
    url = read_env_file(Layout.at(arguments.root)).get("DATABASE_URL")
    if url is None:
        raise StepError("psql", "Postgres is not up: run `make up` first")
    address = conninfo_to_dict(url)  # a command's arguments are visible to others: its environment is not
    names = {
        "PGHOST": "host",
        "PGPORT": "port",
        "PGUSER": "user",
        "PGPASSWORD": "password",
        "PGDATABASE": "dbname",
    }
    own = {variable: str(address[name]) for variable, name in names.items()}
    statement = ["--command", arguments.sql] if arguments.sql else []
    program = binary("psql")
    os.execve(program, [str(program), "--no-psqlrc", *statement], os.environ | own)  # noqa: S606 - it needs no shell
