"""What the figures were measured on: the machine, the versions, Postgres's settings."""

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
from bench.world import CHECKOUT

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
    """What must be the same for figures to stand on one page."""
    return {
        "Processor": f"{os.cpu_count()} cores, {processor()}",
        "Memory": f"{memory() / (1 << 30):.0f} GiB",
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        **_postgres(env["DATABASE_URL"]),
        "LocalStack": localstack(env),
        "pyarrow": version("pyarrow"),
        "psycopg": version("psycopg"),
        "dlt": peers.version("dlt"),
    }


def moment(load: str) -> dict[str, str]:
    """When a part is measured, on which code, and how busy the machine was before."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "load": load,
    }


def processor() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown"


def localstack(env: Mapping[str, str]) -> str:
    """LocalStack's version."""
    health = httpx.get(f"{env['AWS_ENDPOINT_URL']}/_localstack/health", trust_env=False)
    return str(health.raise_for_status().json()["version"])


def load() -> str:
    """Load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{it:.2f}" for it in os.getloadavg())


def memory() -> int:
    """The machine's, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def huge_pages() -> int:
    """Bytes of it set aside as huge pages, in use or not, from Linux's proc(5): meminfo."""
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["HugePages_Total"]) * int(told["Hugepagesize"].split()[0]) * 1024


def _postgres(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        told = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
        number = connection.info.parameter_status("server_version") or "unknown"
    shown = ", ".join(f"{name} {row[0]}" for name, row in told.items() if row)
    return {"PostgreSQL": number, "its settings": shown}


def _commit() -> str:
    """The checkout's commit, and whether files differ from it."""

    def git(*arguments: str) -> str:
        told = subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=False
        )
        return told.stdout.strip()

    changed = git("status", "--porcelain", "--", "chalicelib", "app.py", "bench", "infra")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (", with changes" if changed else "")
