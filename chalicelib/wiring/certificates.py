"""The certificates of the CAs that Postgres' own certificate is verified with."""

from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.httpsession import get_cert_path

from chalicelib.settings import VERIFYING, SettingError, ssl_mode

_FILE, _MODE = "sslrootcert", "sslmode"


def with_certificates(url: str, file: str) -> str:
    """Return ``url`` with the file of the CAs' certificates, if the server's certificate is to be verified.

    Without a ``file`` they are the public CAs that boto3 trusts: libpq's `system` is a folder that the binary
    psycopg does not have. Amazon is one of them, and RDS Proxy has a certificate of AWS Certificate Manager.
    RDS itself has one of a CA of its own: it needs the file. A `sslrootcert` in the URL stays.
    With a file and without a `sslmode` the mode is `verify-full`; settings refuse one that verifies nothing.
    Raises SettingError if there is no such file.
    Source: Amazon RDS User Guide, "Using TLS/SSL with RDS Proxy"; "Using SSL/TLS to encrypt a connection".
    """
    if file and not Path(file).is_file():
        raise SettingError(f"DATABASE_CA is {file}, and there is no such file")
    parts, mode = urlsplit(url), ssl_mode(url)
    added: dict[str, str | None] = {}
    if file and mode is None:
        mode = added[_MODE] = VERIFYING[0]  # libpq's own, `prefer`, connects without TLS if it must
    if mode in VERIFYING and _FILE not in parse_qs(parts.query):
        added[_FILE] = file or get_cert_path(verify=True)
    if not added:
        return url
    text = urlencode(added, quote_via=quote)
    return parts._replace(query=f"{parts.query}&{text}" if parts.query else text).geturl()
