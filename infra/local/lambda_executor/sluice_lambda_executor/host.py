"""LocalStack in host mode: `python -m sluice_lambda_executor.host`.

Like `python -m localstack.runtime.main`, but with three things of LocalStack 4.12.0 mended:

- It uses one folder for the content of S3 for all LocalStacks of a machine, whatever their settings: two of
  them would remove each other's buckets, and one of another user could not write.
- Of the IPv4 address in `GATEWAY_LISTEN` it takes the port only, and listens on all interfaces. A client of
  LocalStack may create functions, which run as this user.
- It lets pages of some origins, such as its maker's web application, use every bucket and every service.
"""

# mypy does not see the environment that LocalStack is installed in.
# mypy: disable-error-code="import-not-found"

import tempfile
from pathlib import Path

from localstack import config
from localstack.aws.handlers import cors
from localstack.runtime.main import main
from localstack.services.s3 import provider
from twisted.internet import reactor


def keep_s3_apart() -> None:
    """Keep S3's content in this process's temporary folder."""
    folder = Path(tempfile.gettempdir()) / "s3"
    folder.mkdir(exist_ok=True)
    # Setting an unknown name would have no effect, so fail if another version of LocalStack renamed it.
    if not hasattr(provider, "DEFAULT_S3_TMP_DIR"):
        raise RuntimeError("this version of LocalStack does not define DEFAULT_S3_TMP_DIR, its folder for S3")
    provider.DEFAULT_S3_TMP_DIR = str(folder)


def listen_where_told() -> None:
    """Make every TCP server of this process's event loop listen on the host in `GATEWAY_LISTEN`.

    A server that names an interface itself keeps it.
    """
    host = config.GATEWAY_LISTEN[0].host
    listen = reactor.listenTCP

    def listen_tcp(port: int, factory: object, backlog: int = 50, interface: str = "") -> object:
        return listen(port, factory, backlog, interface or host)

    reactor.listenTCP = listen_tcp


def let_no_page_in() -> None:
    """Allow no origin that a bucket's own rules, or a function behind an API, do not allow."""
    cors.ALLOWED_CORS_ORIGINS.clear()


if __name__ == "__main__":
    let_no_page_in()
    keep_s3_apart()
    listen_where_told()
    main()
