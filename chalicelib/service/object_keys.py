"""Object keys.

`uploads/{dataset}/{job id}/{file name}`: an upload that was asked for; the first three parts say all that is
needed. `drop/{dataset}/{any name}`: a file that somebody just put there.
"""

import re
import unicodedata
from uuid import NAMESPACE_URL, UUID, uuid5

from chalicelib.core.model import Source
from chalicelib.core.names import LONGEST_FILENAME, is_dataset, is_text

UPLOADS = "uploads/"
DROP = "drop/"
_LONGEST_IN_KEY = 100  # characters


def key_for(dataset: str, job_id: UUID, filename: str) -> str:
    """The key of a job's object. The file's name is there for people only, and in plain letters."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._")[-_LONGEST_IN_KEY:].lstrip("._")
    return f"{UPLOADS}{dataset}/{job_id}/{name or 'file'}"


def job_of(key: str) -> UUID | None:
    """The job whose object lies at ``key``; None for an object that is not an upload of ours."""
    match key.split("/"):
        case ["uploads", _, job_id, _]:
            try:
                return UUID(job_id)
            except ValueError:
                return None
    return None


def dropped(key: str) -> tuple[str, str] | None:
    """Dataset and file name of an object that was just put into the bucket; None for any other.

    A name that ends with a slash is what consoles make for an empty folder.
    """
    match key.split("/", 2):
        case ["drop", dataset, name] if is_dataset(dataset) and is_text(name) and name[-1:] not in ("", "/"):
            return dataset, name[-LONGEST_FILENAME:]
    return None


def job_for(source: Source) -> UUID:
    """The job of an object that nobody asked for: always the same one for the same write of the object.

    Raises ValueError when it is not known when the object was written.
    """
    if source.modified_at is None:
        raise ValueError(f"it is not known when {source.key} was written")
    written = int(source.modified_at.timestamp())  # what S3 tells in a list and of the object alike
    return uuid5(NAMESPACE_URL, f"s3://{source.bucket}/{source.key}?{source.etag}&{written}")
