"""Object keys.

`uploads/{dataset}/{job id}/{file name}`: a requested upload; the key contains the id of its job.
`drop/{dataset}/{any name}`: a dropped file, without a request.
`rejects/{job id}/{reading}-{random}/rejects.csv` or `.ndjson`: the rejects of a job, which a worker wrote.
"""

import re
import unicodedata
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from chalicelib.core.model import Source
from chalicelib.core.names import LONGEST_FILENAME, is_dataset, is_text

UPLOADS = "uploads/"
DROP = "drop/"
REJECTS = "rejects/"
_LONGEST_IN_KEY = 100  # characters


class DroppedFile(NamedTuple):
    """The dataset and the file name in the key of a dropped file."""

    dataset: str
    filename: str


def upload_key(dataset: str, job_id: UUID, filename: str) -> str:
    """Return the key of a job's object. The file name in it is for people only, in plain letters."""
    ascii_name = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_name).strip("._")[-_LONGEST_IN_KEY:].lstrip("._")
    return f"{UPLOADS}{dataset}/{job_id}/{name or 'file'}"


def uploaded_job_id(key: str) -> UUID | None:
    """Return the job whose object has this key; None for an object that is not a requested upload."""
    match key.split("/"):
        case ["uploads", _, job_id, _]:
            try:
                return UUID(job_id)
            except ValueError:
                return None
    return None


def rejects_prefix(job_id: UUID) -> str:
    """Return what the keys of a job's rejects files begin with."""
    return f"{REJECTS}{job_id}/"


def new_rejects_key(job_id: UUID, reading_no: int, name: str) -> str:
    """Return a key for a rejects file of the name. No two attempts to make one write the same object."""
    return f"{rejects_prefix(job_id)}{reading_no}-{uuid4().hex}/{name}"


def dropped_file(key: str) -> DroppedFile | None:
    """Return dataset and file name of a dropped file; None for any other object.

    Consoles create a key that ends with a slash for an empty folder: that is not a file.
    """
    match key.split("/", 2):
        case ["drop", dataset, name] if is_dataset(dataset) and is_text(name) and name[-1:] not in ("", "/"):
            return DroppedFile(dataset, name[-LONGEST_FILENAME:])
    return None


def adopted_job_id(source: Source) -> UUID:
    """Return the id of the job for an object without a request: always the same for one write of the object.

    Raises ValueError when the source does not have its modification time.
    """
    if source.modified_at is None:
        raise ValueError(f"the source {source.key} has no modification time")
    written_at = int(source.modified_at.timestamp())  # in whole seconds, as S3 gives it in lists
    return uuid5(NAMESPACE_URL, f"s3://{source.bucket}/{source.key}?{source.etag}&{written_at}")
