"""Environment variables of child processes."""

import os
import re

from infra.steps.layout import Layout

# The variables that configure network access or the terminal's language. The caller's AWS_PROFILE or
# PYTHONPATH must not reach the stack.
INHERITED = re.compile(
    r"PATH|LANG|LC_\w+|TERM|TZ|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PIP_\w+"
    r"|(https?|all|no)_proxy",
    re.IGNORECASE,
)
LOOPBACK = "127.0.0.1,localhost"


def inherited_env() -> dict[str, str]:
    """Return the caller's variables that child processes inherit, with the loopback exempt from proxies."""
    env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = ",".join(filter(None, (env.get(name), LOOPBACK)))
    return env


def own_env(layout: Layout) -> dict[str, str]:
    """Return the variables that keep the files of every child process under the layout's root."""
    return {
        "HOME": str(layout.home),
        "TMPDIR": str(layout.tmp),
        "XDG_CACHE_HOME": str(layout.home / ".cache"),
        "XDG_CONFIG_HOME": str(layout.home / ".config"),
        "XDG_DATA_HOME": str(layout.home / ".local/share"),
        "PYTHONUNBUFFERED": "1",
    }
