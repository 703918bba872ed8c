"""pip, as every installation of pinned requirements runs it."""

import os
import sys

from infra.steps.environment import own_env
from infra.steps.layout import SHARED, Layout

# The first import compiles bytecode: most of LocalStack is never imported.
PIP_INSTALL = ("install", "--no-deps", "--require-hashes", "--no-compile", "--progress-bar", "off")


def pip(*arguments: str) -> list[str]:
    """Return a command of `.venv`'s pip, so that the environments it installs into need none."""
    return [sys.executable, "-m", "pip", *arguments]


def pip_env(layout: Layout) -> dict[str, str]:
    """Return the variables for commands that run pip.

    They keep the caller's HOME for pip's settings (index, credentials) and write nothing into it.
    """
    return (
        own_env(layout)
        | {
            "PIP_CACHE_DIR": str(SHARED / "cache" / "pip"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            # pip asks rustc for its version, and rustup answers by creating a folder in HOME.
            "RUSTUP_HOME": str(SHARED / "cache" / "rustup"),
        }
        | {
            name: os.environ[name]
            for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
            if name in os.environ
        }
    )
