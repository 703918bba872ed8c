"""The local file that is uploaded, read in chunks, as long as nothing changes it."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from sluice_cli.errors import InputError
from sluice_cli.escaping import safe

CHUNK_SIZE = 256 << 10  # bytes
STDIN = Path("-")


@dataclass(frozen=True)
class LocalFile:
    """A file open for reading, with the size that it had when it was opened. The server gets its ``name``."""

    path: Path
    name: str
    size: int
    _handle: BinaryIO
    _version: tuple[int, int]

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open the file at ``path``. Raises InputError if it is empty or not a regular file."""
        try:
            _check_regular(path)
            handle = path.open("rb")
        except OSError as error:
            raise InputError(f"Cannot read {safe(path)}: {error.strerror}.") from error
        with handle:
            version = _version(handle)
            size, _ = version
            if size == 0:
                raise InputError(f"{safe(path)} is empty: there is nothing to load.")
            name = os.fsencode(path.name).decode("utf-8", "replace")
            yield cls(path, name, size, handle, version)

    @classmethod
    @contextmanager
    def spooled(cls, stream: BinaryIO, name: str) -> Iterator[Self]:
        """Copy ``stream`` to its end into a temporary file, and open that. Its ``path`` is STDIN.

        The API and S3 need the size before the first byte. The file has no name in its folder, so it is gone
        when the process ends, however that happens. Memory stays constant.

        Raises InputError if there is nothing to read or no room.
        """
        with tempfile.TemporaryFile() as handle:
            try:
                shutil.copyfileobj(stream, handle, CHUNK_SIZE)
                handle.flush()
            except OSError as error:
                raise InputError(
                    f"Cannot copy standard input to {safe(tempfile.gettempdir())}: {error.strerror}.",
                    hint="All of it is kept there until it is uploaded. TMPDIR names another folder.",
                ) from error
            version = _version(handle)
            size, _ = version
            if size == 0:
                raise InputError("Standard input is empty: there is nothing to load.")
            yield cls(STDIN, name, size, handle, version)

    @property
    def shown(self) -> str:
        """Return what messages call the file."""
        return "Standard input" if self.path == STDIN else safe(self.path)

    def chunks(self, on_taken: Callable[[int], None], span: tuple[int, int] | None = None) -> Iterator[bytes]:
        """Yield the bytes of ``span`` (start and end offset), or of the whole file. Safe in several threads.

        After each chunk has been taken, ``on_taken`` gets the number of bytes taken so far. The last chunk is
        held back until the file is known to be unchanged, so that S3 never stores an object or a part made of
        half an old and half a new file. Raises InputError if the file has changed.
        """
        start, end = span or (0, self.size)
        offset = start
        while offset < end:
            chunk = self._read(offset, min(CHUNK_SIZE, end - offset))
            offset += len(chunk)
            if not chunk or offset == end:
                self.check_unchanged(truncated=not chunk)
            yield chunk
            on_taken(offset - start)

    def sha256(
        self, span: tuple[int, int] | None = None, on_hashed: Callable[[int], None] = lambda _: None
    ) -> str:
        """Return the SHA-256 of ``span``, or of the whole file, in hexadecimal; see ``chunks``."""
        digest = hashlib.sha256()
        for chunk in self.chunks(on_hashed, span):
            digest.update(chunk)
        return digest.hexdigest()

    def check_unchanged(self, *, truncated: bool = False) -> None:
        """Raise InputError if the file has changed since it was opened, or is known to be ``truncated``."""
        if truncated or _version(self._handle) != self._version:
            raise InputError(
                f"{self.shown} changed while it was being sent, so nothing of it will be loaded.",
                hint="Upload it again when nothing writes to it any more.",
            )

    def _read(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._handle.fileno(), count, offset)
        except OSError as error:
            raise InputError(f"Cannot read {self.shown}: {error.strerror}.") from error


def _check_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{safe(path)} is a directory; give one file.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{safe(path)} is not a regular file: its size must be known before it is sent.")


def _version(handle: BinaryIO) -> tuple[int, int]:
    status = os.fstat(handle.fileno())
    return status.st_size, status.st_mtime_ns
