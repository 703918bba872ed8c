"""A proxy that speaks TLS with clients, as RDS Proxy does: the tests' Postgres knows no TLS."""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL documentation, "Message Formats": SSLRequest


@contextmanager
def tls_proxy(certificate: Path, host: str, port: int) -> Iterator[int]:
    """Yield the port of a proxy on 127.0.0.1 with this certificate, before the server at that address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
                return
            self.request.sendall(b"S")
            with suppress(OSError):  # clients that do not trust the certificate leave
                tls = context.wrap_socket(self.request, server_side=True)
                with tls as client, socket.create_connection((host, port)) as server:
                    _join(client, server)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:  # waits for its threads
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def _join(client: socket.socket, server: socket.socket) -> None:
    """Pass on what either side sends, until one of them has ended."""
    answers = threading.Thread(target=_copy, args=(server, client), daemon=True)
    answers.start()
    _copy(client, server)
    answers.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
