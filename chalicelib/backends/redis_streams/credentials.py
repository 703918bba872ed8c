"""The password of Redis, which is read for each new connection."""

from collections.abc import Callable

import redis

from chalicelib.core.errors import RetryLater


class Password(redis.CredentialProvider):
    """Give each new connection the password that ``read`` returns. ``read`` may raise RetryLater."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def get_credentials(self) -> tuple[str]:
        """Return the password. Raises redis.ConnectionError: the client closes its connection then."""
        try:
            return (self._read(),)
        except RetryLater as error:
            raise redis.ConnectionError(str(error)) from None
