"""The commands: up, down, status, install."""

import argparse
import sys
import time
from pathlib import Path

from infra.local import installs, processes, stack
from infra.local.environment import read_env_file
from infra.local.errors import StackError
from infra.local.layout import DEFAULT_ROOT, Layout
from infra.local.progress import line, to_terminal

DOWN_HINT = "What did start keeps running: `make up` tries again, `make down` stops it."


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit status 0: done; 1: a part failed; 3: `status` found parts missing."""
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
    except StackError as error:
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
    """What can be typed."""
    result = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)")
    up = commands.add_parser("up", parents=[root], help="start what does not run yet")
    up.add_argument("--queue", choices=stack.QUEUES, default="sqs", help="default: sqs")
    up.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=stack.PARTS,
        metavar="PART,...",
        help=f"these parts and what they need, of: {', '.join(stack.PARTS)}",
    )
    up.set_defaults(command=run_up)
    for name, command, told in (
        ("down", run_down, "stop everything that up started"),
        ("status", run_status, "say what runs"),
        ("install", run_install, "install what up needs, so that up is quick"),
    ):
        commands.add_parser(name, parents=[root], help=told).set_defaults(command=command)
    return result


def run_up(arguments: argparse.Namespace) -> int:
    """Bring the stack up and say where it is."""
    began = time.monotonic()
    try:
        env = stack.up(arguments.root, queue=arguments.queue, parts=arguments.only)
    except StackError as error:
        error.add_note(DOWN_HINT)
        raise
    to_terminal(line("up", f"settings in {arguments.root / 'env'}", time.monotonic() - began))
    if "SLUICE_URL" in env:
        to_terminal(f"\n  {env['SLUICE_URL']}\n")
    return 0


def run_down(arguments: argparse.Namespace) -> int:
    """Stop the stack and say what is left of it."""
    stack.down(arguments.root)
    to_terminal(
        f"\n  Postgres's and Redis's data stay in {arguments.root / 'data'}.\n"
        "  S3 objects and SQS messages are gone: LocalStack keeps nothing."
    )
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """Say what runs, and where its log is."""
    layout = Layout.at(arguments.root)
    missing = False
    for name in (*stack.SERVICES, "worker"):
        record = processes.running(layout, name)
        missing = missing or record is None
        text = f"runs, process {record.pid}" if record else "does not run"
        to_terminal(line(name, f"{text}, log {layout.log(name)}"))
    url = read_env_file(layout).get("SLUICE_URL")
    to_terminal(line("app", url or "is not deployed"))
    return 3 if missing or not url else 0


def run_install(_arguments: argparse.Namespace) -> int:
    """Install what is missing."""
    installs.ensure(stack.installations_of(stack.PARTS), to_terminal)
    return 0
