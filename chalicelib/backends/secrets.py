"""Credentials from AWS Secrets Manager, cached (Powertools Parameters)."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.settings import parse_secrets

_CACHE_SECONDS = 300  # after a rotation, the old password is used for at most this long


def with_credentials(url: str, secret: str) -> str:
    """Return ``url`` with the user and the password of the secret ``secret``. Raises RetryLater."""
    user, password = (quote(it, safe="") for it in credentials_in(secret))
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{password}@{host}").geturl()


def credentials_in(secret: str, *, fresh: bool = False) -> tuple[str, str]:
    """Return the user and the password of the secret ``secret`` (its name or ARN).

    The secret is a JSON object with `username` and `password`, as RDS writes it. ``fresh``: not those that
    are cached. Raises RetryLater.
    Source: AWS Secrets Manager User Guide, "JSON structure of AWS Secrets Manager secrets".
    """
    problem = ""
    try:
        credentials = parameters.get_secret(
            secret, transform="json", max_age=_CACHE_SECONDS, force_fetch=fresh
        )
        user, password = credentials["username"], credentials["password"]
        return bytes(user, "utf-8").decode(), bytes(password, "utf-8").decode()  # raises for what is not text
    except (GetParameterError, TransformParameterError) as error:
        problem = f"no credentials from the secret {secret}: {type(error).__name__}"
    except (KeyError, TypeError, ValueError):
        problem = f"the secret {secret} has no username and password"
    # not raised above: those errors contain the secret, and would be chained to this one
    raise RetryLater(problem, Dependency.DATABASE)


def token_secrets(secret: str, *, fresh: bool) -> Sequence[bytes]:
    """Return the secrets of upload tokens in the secret ``secret`` (its name or ARN), newest first.

    ``fresh``: not those that are cached. Raises RetryLater.
    """
    problem = ""
    try:
        text = parameters.get_secret(secret, max_age=_CACHE_SECONDS, force_fetch=fresh)
        return parse_secrets(text if isinstance(text, str) else "")
    except GetParameterError as error:
        problem = f"no upload token's secret from {secret}: {type(error).__name__}"
    except ValueError as error:
        problem = f"the secret {secret} {error}"
    raise RetryLater(problem)
