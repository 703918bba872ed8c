"""Free ports on the loopback interface. A service keeps its port as long as the port stays free."""

import json
import socket
from pathlib import Path

from infra.steps.layout import Layout

HOST = "127.0.0.1"


def port_of(layout: Layout, name: str) -> int | None:
    """Return the port that a service has, or had when it last ran."""
    port = _read(_file(layout)).get(name)
    return port if isinstance(port, int) else None


def claim(layout: Layout, name: str) -> int:
    """Return a free port for a service that does not run: its last one if that is still free."""
    ports = _read(_file(layout))
    port = ports.get(name)
    if not isinstance(port, int) or not is_free(port):
        ports[name] = port = any_free_port()
        half = _file(layout).with_suffix(".new")
        half.write_text(json.dumps(ports))
        half.replace(_file(layout))
    return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port."""
    with socket.socket() as probe:
        # Servers set this too: lingering connections of the last server do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _file(layout: Layout) -> Path:
    return layout.run / "ports"


def _read(file: Path) -> dict[str, object]:
    try:
        ports = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return ports if isinstance(ports, dict) else {}
