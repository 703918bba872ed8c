"""Describe the conditions of a measurement: the machine, the versions, Postgres's settings."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import httpx
import psycopg

from bench import peers
from bench.stack import CHECKOUT

SETTINGS = (
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "maintenance_work_mem",
    "synchronous_commit",
    "fsync",
    "full_page_writes",
    "wal_compression",
    "autovacuum",
)


def conditions(env: Mapping[str, str]) -> dict[str, str]:
    """Return the conditions, by name. Only figures with equal conditions share a page."""
    return {
        "Processor": f"{os.cpu_count()} cores, {processor()}",
        "Memory": f"{memory() / (1 << 30):.0f} GiB",
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        **_postgres(env["DATABASE_URL"]),
        "LocalStack": localstack(env),
        "pyarrow": version("pyarrow"),
        "psycopg": version("psycopg"),
        "dlt": peers.PEERS.version_of("dlt"),
    }


def moment(load: str) -> dict[str, str]:
    """Return when a measurement is made, on which commit, and the load averages before it."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "load": load,
    }


def processor() -> str:
    """Return the processor's name."""
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.processor() or "unknown"


def localstack(env: Mapping[str, str]) -> str:
    """Return LocalStack's version."""
    health = httpx.get(f"{env['AWS_ENDPOINT_URL']}/_localstack/health", trust_env=False)
    return str(health.raise_for_status().json()["version"])


def load() -> str:
    """Return the load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def huge_pages() -> int:
    """Return the bytes reserved as huge pages, in use or not, from meminfo of Linux's proc(5)."""
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(meminfo["HugePages_Total"]) * int(meminfo["Hugepagesize"].split()[0]) * 1024


def _postgres(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        rows = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
        number = connection.info.parameter_status("server_version") or "unknown"
    shown = ", ".join(f"{name} {row[0]}" for name, row in rows.items() if row)
    return {"PostgreSQL": number, "its settings": shown}


def _commit() -> str:
    """Return the checkout's commit, and whether files differ from it."""

    def git(*arguments: str) -> str:
        process = subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=False
        )
        return process.stdout.strip()

    changed = git("status", "--porcelain", "--", "chalicelib", "app.py", "bench", "infra")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (", with changes" if changed else "")
