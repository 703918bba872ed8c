"""The certificates of the CAs that Postgres' own certificate is verified with."""

from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.httpsession import get_cert_path

from chalicelib.settings import SettingError

_VERIFYING = ("verify-ca", "verify-full")  # values of sslmode
_FILE = "sslrootcert"


def with_certificates(url: str, file: str) -> str:
    """Return ``url`` with the file of the CAs' certificates, if the server's certificate is to be verified.

    Without a ``file`` they are the public CAs that boto3 trusts: libpq's `system` is a folder that the binary
    psycopg does not have. Amazon is one of them, and RDS Proxy has a certificate of AWS Certificate Manager.
    RDS itself has one of a CA of its own: it needs the file. A `sslrootcert` in the URL stays.
    Raises SettingError if there is no such file.
    Source: Amazon RDS User Guide, "Using TLS/SSL with RDS Proxy"; "Using SSL/TLS to encrypt a connection".
    """
    if file and not Path(file).is_file():
        raise SettingError(f"DATABASE_CA is {file}, and there is no such file")
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    is_verified = bool(file) or query.get("sslmode", [""])[-1] in _VERIFYING
    if not is_verified or _FILE in query:
        return url
    added = urlencode({_FILE: file or get_cert_path(verify=True)}, quote_via=quote)
    return parts._replace(query=f"{parts.query}&{added}" if parts.query else added).geturl()
