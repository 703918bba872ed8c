"""What a client asks for when it wants to upload a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.core.model import Format, Options


@dataclass(frozen=True)
class UploadRequest:
    """A checked request for an upload."""

    filename: str
    dataset: str = "default"
    format: Format | None = None
    size: int | None = None  # bytes
    metadata: Mapping[str, str | int | float | bool] | None = None
    options: Options = field(default_factory=Options)
    sha256: str | None = None  # hexadecimal, in lower case
    force: bool = False
    part_checksums: bool = False
