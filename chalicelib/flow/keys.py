"""Object keys: `uploads/{dataset}/{job id}/{file name}`; the first three parts say all that is needed."""

import re
import unicodedata
from uuid import UUID

PREFIX = "uploads/"
_LONGEST_NAME = 100


def key_for(dataset: str, job_id: UUID, filename: str) -> str:
    """The key of a job's object. The file's name is there for people only, and in plain letters."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._")[-_LONGEST_NAME:].lstrip("._")
    return f"{PREFIX}{dataset}/{job_id}/{name or 'file'}"


def job_of(key: str) -> UUID | None:
    """The job whose object lies at ``key``; None for an object that is not an upload of ours."""
    match key.split("/"):
        case ["uploads", _, job_id, _]:
            try:
                return UUID(job_id)
            except ValueError:
                return None
    return None
