"""Object keys.

`uploads/{tenant}/{dataset}/{job id}/{file name}`: a requested upload; the key contains the id of its job.
`drop/{tenant}/{dataset}/{any name}`: a dropped file, without a request.
`rejects/{tenant}/{job id}/{reading}-{random}/rejects.csv` or `.ndjson`: a job's rejects, by a worker.

Before there were tenants, keys had none. Such a key is the tenant `default`'s: `drop/{dataset}/{any name}`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from chalicelib.core.model import Source
from chalicelib.core.names import LONGEST_FILENAME, is_dataset, is_text
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant

UPLOADS = "uploads/"
DROP = "drop/"
REJECTS = "rejects/"
_LONGEST_IN_KEY = 100  # characters


class Unmatched(NamedTuple):
    """The reason, a sentence, why a dropped object belongs to no tenant."""

    reason: str


class DroppedFile(NamedTuple):
    """The tenant that a dropped file belongs to, and the dataset and the file name in its key."""

    tenant: Tenant
    dataset: str
    filename: str


def upload_key(tenant: str, dataset: str, job_id: UUID, filename: str) -> str:
    """Return the key of a job's object. The file name in it is for people only, in plain letters."""
    ascii_name = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_name).strip("._")[-_LONGEST_IN_KEY:].lstrip("._")
    return f"{UPLOADS}{tenant}/{dataset}/{job_id}/{name or 'file'}"


def uploaded_job_id(key: str) -> UUID | None:
    """Return the job whose object has this key; None for an object that is not a requested upload."""
    match key.split("/"):
        case ["uploads", _, _, job_id, _] | ["uploads", _, job_id, _]:
            try:
                return UUID(job_id)
            except ValueError:
                return None
    return None


def rejects_prefixes(tenant: str, job_id: UUID) -> Sequence[str]:
    """Return what the keys of a job's rejects files begin with, with and without a tenant."""
    return f"{REJECTS}{tenant}/{job_id}/", f"{REJECTS}{job_id}/"


def new_rejects_key(tenant: str, job_id: UUID, reading_no: int, name: str) -> str:
    """Return a key for a rejects file of the name. No two attempts to make one write the same object."""
    return f"{REJECTS}{tenant}/{job_id}/{reading_no}-{uuid4().hex}/{name}"


def drop_prefix(tenant: str) -> str:
    """Return what the keys of a tenant's dropped files begin with."""
    return f"{DROP}{tenant}/"


def tenant_prefixes(tenant: str) -> Sequence[str]:
    """Return what the keys of a tenant's objects begin with. Those of `default` may have other keys, too."""
    return f"{UPLOADS}{tenant}/", drop_prefix(tenant), f"{REJECTS}{tenant}/"


def is_dropped(key: str) -> bool:
    """Return whether the object was dropped. Consoles create a key with a slash at its end for a folder."""
    return key.startswith(DROP) and not key.endswith("/")


def tenant_in(key: str) -> str:
    """Return the name in a dropped object's key that may be a tenant's."""
    return key.removeprefix(DROP).partition("/")[0]


def datasets_in(key: str) -> Sequence[str]:
    """Return the first two names in a dropped object's key, if they may be datasets'."""
    match key.split("/"):
        case ["drop", first, second, _, *_] if is_dataset(first) and is_dataset(second):
            return first, second
    return ()


def dropped_file(
    key: str, tenants: Mapping[str, Tenant], datasets: Mapping[str, bool]
) -> DroppedFile | Unmatched:
    """Return the dropped file whose key this is.

    ``tenants`` has the tenant that the key names, if it exists; ``datasets`` those that it names, and whether
    the tenant `default` has jobs of each. A key whose first name is not a tenant's has the form that keys had
    before there were tenants. If only the second name is a dataset's, the first one is a misspelled tenant's.
    """
    tenant = tenants.get(tenant_in(key))
    match key.split("/", 3):
        case ["drop", _, dataset, name] if tenant is not None and _are_names(dataset, name):
            if tenant.why_stopped is not None:
                return Unmatched(tenant.why_stopped)
            return DroppedFile(tenant, dataset, name[-LONGEST_FILENAME:])
    if tenant not in (None, DEFAULT_TENANT):
        return Unmatched(f"The key names the tenant {tenant_in(key)}, but not a dataset and a file.")
    match key.split("/", 2):
        case ["drop", dataset, name] if _are_names(dataset, name):
            if not datasets.get(dataset) and any(it in datasets for it in datasets_in(key)[1:]):
                return Unmatched(f"The key names the tenant {dataset}, which does not exist.")
            return DroppedFile(DEFAULT_TENANT, dataset, name[-LONGEST_FILENAME:])
    return Unmatched("The key names neither a tenant and a dataset nor a dataset.")


def _are_names(dataset: str, filename: str) -> bool:
    return is_dataset(dataset) and is_text(filename) and filename[-1:] not in ("", "/")


def adopted_job_id(source: Source) -> UUID:
    """Return the id of the job for an object without a request: always the same for one write of the object.

    Raises ValueError when the source does not have its modification time.
    """
    if source.modified_at is None:
        raise ValueError(f"the source {source.key} has no modification time")
    written_at = int(source.modified_at.timestamp())  # in whole seconds, as S3 gives it in lists
    return uuid5(NAMESPACE_URL, f"s3://{source.bucket}/{source.key}?{source.etag}&{written_at}")
