import socket
from pathlib import Path

import pytest

from infra.local import ports
from infra.steps.layout import Layout


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    port = ports.claim(layout, "redis")

    assert ports.is_free(port)
    assert ports.claim(layout, "redis") == port
    assert ports.port_of(layout, "redis") == port
    assert ports.port_of(layout, "postgres") is None


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - where others may listen
def test_a_taken_port_is_replaced(tmp_path: Path, address: str) -> None:
    layout = Layout.at(tmp_path)
    other = ports.claim(layout, "postgres")
    port = ports.claim(layout, "redis")
    with socket.create_server((address, port)):
        assert not ports.is_free(port)
        assert ports.claim(layout, "redis") != port
    assert ports.claim(layout, "postgres") == other


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"redis": "x"}'])
def test_a_broken_ports_file_is_ignored(tmp_path: Path, content: str) -> None:
    layout = Layout.at(tmp_path)
    (layout.run / "ports").write_text(content)

    assert ports.claim(layout, "redis") == ports.port_of(layout, "redis")
