"""The certificate of Postgres' server is verified: its CA, and its host name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore
import pytest

from chalicelib import settings
from chalicelib.backends.postgres.database import Pool, transaction_on
from chalicelib.core.errors import RetryLater
from chalicelib.settings import SettingError
from chalicelib.wiring import Services
from tests.support.certificates import Authority, make_authority
from tests.support.tls_proxy import tls_proxy

URL = "postgresql://db.example:5432/sluice"


def services(url: str, ca: Path | None = None) -> Services:
    return Services(settings.load({"DATABASE_URL": url, **({"DATABASE_CA": str(ca)} if ca else {})}))


@dataclass(frozen=True)
class Server:
    """A server whose certificate is for `localhost`, and the CA that has signed it."""

    database: str
    port: int
    authority: Authority

    def ask(self, host: str, ca: Path | None, mode: str | None = "verify-full") -> object:
        """Connect as a process with these settings does, and return what Postgres answers."""
        parts = urlsplit(self.database)
        place = f"{parts.username}:{parts.password}@{host}:{self.port}"
        url = parts._replace(netloc=place, query=f"sslmode={mode}" if mode else "").geturl()
        pool = Pool(services(url, ca).database_url, size=1, wait_seconds=2)
        try:
            with transaction_on(pool) as connection:
                row = connection.execute("SELECT 1 AS one").fetchone()
                return row and row["one"]
        finally:
            pool.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def server(empty_database_url: str, folder: Path) -> Iterator[Server]:
    authority = make_authority("authority", folder)
    parts = urlsplit(empty_database_url)
    assert parts.hostname
    assert parts.port
    with tls_proxy(authority.issue("localhost", folder), parts.hostname, parts.port) as port:
        yield Server(empty_database_url, port, authority)


def test_a_certificate_of_the_given_authority_for_this_host_is_taken(server: Server) -> None:
    assert server.ask("localhost", server.authority.file) == 1


def test_another_host_name_is_refused(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RetryLater):
        server.ask("127.0.0.1", server.authority.file)
    assert 'does not match host name "127.0.0.1"' in caplog.text
    assert server.ask("127.0.0.1", server.authority.file, "verify-ca") == 1  # which asks for no name


def test_with_a_file_alone_the_certificate_and_the_host_name_are_verified(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.ask("localhost", server.authority.file, None) == 1
    with pytest.raises(RetryLater):
        server.ask("127.0.0.1", server.authority.file, None)
    assert 'does not match host name "127.0.0.1"' in caplog.text
    with pytest.raises(RetryLater):
        server.ask("localhost", make_authority("another", folder).file, None)
    assert "certificate verify failed" in caplog.text


@pytest.mark.parametrize(
    "mode", ["disable", "allow", "prefer", "require", "verify", "verify-full&sslmode=require"]
)
def test_a_file_with_a_mode_that_verifies_nothing_is_refused(folder: Path, mode: str) -> None:
    weak = mode.rpartition("=")[2]
    with pytest.raises(SettingError, match=f"must be verify-full, .* It is '{weak}'"):
        services(f"{URL}?sslmode={mode}", make_authority("weak", folder).file)


def test_another_authority_is_refused(server: Server, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RetryLater):
        server.ask("localhost", make_authority("other", folder).file)
    assert "certificate verify failed" in caplog.text


def test_without_a_file_only_public_authorities_are_trusted(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RetryLater):
        server.ask("localhost", None)
    assert "certificate verify failed" in caplog.text
    assert server.ask("localhost", None, "require") == 1  # which verifies nothing


def root_of(url: str, ca: Path | None = None) -> list[str]:
    return parse_qs(urlsplit(services(url, ca).database_url()).query).get("sslrootcert", [])


def test_amazon_is_one_of_the_public_authorities() -> None:
    (file,) = root_of(f"{URL}?sslmode=verify-full")
    assert "Amazon Root CA 1" in Path(file).read_text()
    assert Path(file).read_text().count("BEGIN CERTIFICATE") > 100
    bundled = Path(botocore.__file__).with_name("cacert.pem")  # what Lambda's runtime and the image have
    assert "Amazon Root CA 1" in bundled.read_text()


def test_an_address_that_names_a_file_or_does_not_verify_stays(folder: Path) -> None:
    for url in (URL, f"{URL}?sslmode=require", f"{URL}?sslmode=verify-full&sslrootcert=/ca.pem"):
        assert services(url).database_url() == url
    ca = make_authority("named & odd", folder).file
    assert services(f"{URL}?sslrootcert=/ca.pem", ca).database_url() == (
        f"{URL}?sslrootcert=/ca.pem&sslmode=verify-full"
    )
    assert root_of(URL, ca) == root_of(f"{URL}?sslmode=verify-ca", ca) == [str(ca)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"DATABASE_CA is .*/none\.pem, and there is no such file"):
        services(URL, tmp_path / "none.pem").database_url()
