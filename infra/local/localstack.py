"""LocalStack in host mode, running Lambda functions through the project's own executor."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

from infra.emulator.environment import OPENER
from infra.local import installs, ports
from infra.steps.commands import Command
from infra.steps.environment import own_env
from infra.steps.layout import Layout

PLUGIN = Path(__file__).with_name("lambda_executor")
SETTINGS = {
    # Use the loopback interface only, report nothing home, download nothing.
    "DNS_ADDRESS": "0",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DOCKER_SOCK": "/dev/null",
    # Use host mode even in a container. Otherwise LocalStack writes to /var/lib/localstack.
    "OVERRIDE_IN_DOCKER": "0",
    # Every process of this machine must reach the queues by their URLs.
    "SQS_ENDPOINT_STRATEGY": "path",
    "LAMBDA_RUNTIME_EXECUTOR": "sluice-subprocess",
    "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "30",
    # Retry and poll fast: a person is waiting.
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
    "LAMBDA_RETRY_BASE_DELAY": "1",
}


class LocalStack:
    """The AWS emulator of one stack."""

    name = "localstack"
    # It stores nothing, so SIGKILL loses nothing. On SIGTERM it would wait for long polls to end. Its
    # functions' processes end with it: see `lambda_executor`.
    stop_signal = signal.SIGKILL
    start_timeout = 90.0  # its first start compiles bytecode
    stop_timeout = 15.0

    def __init__(self, layout: Layout, port: int) -> None:
        self._layout = layout
        self._port = port
        self._files = layout.tmp / "localstack"

    def url(self) -> str:
        """Return the URL for clients."""
        return f"http://{self.address()}"

    def address(self) -> str:
        """See `Service`."""
        return f"{ports.HOST}:{self._port}"

    def prepare(self) -> None:
        """Remove the files of its last run: it starts empty."""
        shutil.rmtree(self._files, ignore_errors=True)
        static = self._files / "root" / installs.CATALOG_PATH
        static.parent.mkdir(parents=True)
        static.symlink_to(installs.CATALOG / installs.CATALOG_PATH)

    def command(self) -> Command:
        """See `Service`."""
        argv = (str(installs.LOCALSTACK.python), "-m", "sluice_lambda_executor.host")
        own = {
            "PYTHONPATH": str(PLUGIN),
            "GATEWAY_LISTEN": self.address(),
            "LOCALSTACK_HOST": self.address(),
            "TMPDIR": str(self._files),
            "FILESYSTEM_ROOT": str(self._files / "root"),
            "LOCALSTACK_VOLUME_DIR": str(self._files / "volume"),
            "CONFIG_DIR": str(self._layout.home / ".localstack"),
            "SLUICE_LAMBDA_PYTHON": str(installs.LAMBDA.python),
            "SLUICE_LAMBDA_LOGS": str(self._layout.logs),
        }
        env = own_env(self._layout) | SETTINGS | own
        version = installs.LOCALSTACK.version() + installs.LAMBDA.version() + plugin_version()
        return Command(argv, env, self._layout.root, version)

    def healthy(self) -> bool:
        """See `Service`."""
        try:
            with OPENER.open(f"{self.url()}/_localstack/health", timeout=5) as response:
                return "services" in json.load(response)
        except (OSError, ValueError):
            return False


def plugin_version() -> str:
    """Return a hash of the executor's code. A change restarts LocalStack."""
    files = sorted(PLUGIN.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
