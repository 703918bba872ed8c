"""Files that are sent in parts: which parts there are, where they go, and the end of it.

Part *n* is bytes ``[(n - 1) * part_size, n * part_size)`` of the file. S3 takes up to 10,000 parts of 5 MiB
to 5 GiB, the last one smaller (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.api.requests import parse_sha256
from chalicelib.core.errors import BadRequest, NotPossible
from chalicelib.core.jobs import Job, Part, Upload
from chalicelib.core.model import Status
from chalicelib.core.ports import SignedUpload, UploadBucket, UploadSigner

MOST_AT_ONCE = 100  # URLs in one answer
PAGE = 1000  # parts that S3 lists at once
MOST_PARTS = 10_000
_MIB = 1 << 20


class MissingParts(Exception):  # noqa: N818 - names what is wrong
    """The upload cannot be completed yet: these parts, by number, are not there as they should be."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(f"{len(numbers)} parts are missing")
        self.numbers = numbers


def size_for(size: int, wanted: int) -> int:
    """The size of the parts of a file of ``size`` bytes: as ``wanted``, or what makes few enough of them."""
    least = -(-size // MOST_PARTS)
    return wanted if least <= wanted else -(-least // _MIB) * _MIB


def every(upload: Upload) -> Sequence[Part]:
    """All parts of the file, as they are to be."""
    size, step = upload.size or 0, upload.part_size or 1
    return [
        Part(number, min(step, size - start)) for number, start in enumerate(range(0, size, step), start=1)
    ]


def check_open(job: Job) -> str:
    """S3's name of the job's upload. Raises NotPossible unless parts of it may still be sent."""
    if job.upload.upload_id is None:
        raise NotPossible("This job's file is not sent in parts.")
    if job.status is not Status.PENDING or job.upload.arrived_at is not None:
        raise NotPossible(f"The upload has ended: the job is {job.status}.")
    if job.upload.expires_at is not None and job.upload.expires_at <= datetime.now(UTC):
        raise NotPossible("The upload took too long and has expired.")
    return job.upload.upload_id


def parse_parts(body: Any, upload: Upload) -> Sequence[Part]:  # noqa: ANN401 - whatever the client sent
    """The parts that a client wants to send. Raises BadRequest naming the field that is wrong."""
    wanted = body.get("parts") if isinstance(body, dict) and body.keys() == {"parts"} else None
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise BadRequest(
            f'The body must be of the form {{"parts": [{{"number": 1}}]}}, with 1 to {MOST_AT_ONCE} parts.',
            field="parts",
        )
    known = every(upload)
    return [_wanted(it, known, upload, f"parts[{index}]") for index, it in enumerate(wanted)]


def _wanted(it: Any, known: Sequence[Part], upload: Upload, field: str) -> Part:  # noqa: ANN401
    if not isinstance(it, dict) or not {"number"} <= it.keys() <= {"number", "sha256"}:
        raise BadRequest(f"{field} must be an object with a number, and perhaps a sha256.", field=field)
    number = it["number"]
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= len(known):
        raise BadRequest(
            f"{field}.number must be a whole number from 1 to {len(known)}.", field=f"{field}.number"
        )
    sha256 = parse_sha256(it.get("sha256"), f"{field}.sha256")
    if (sha256 is not None) != upload.part_checksums:
        rule = "must have" if upload.part_checksums else "must not have"
        raise BadRequest(
            f"{field} {rule} a sha256: the upload was begun {'with' if upload.part_checksums else 'without'} "
            "part_checksums.",
            field=field,
        )
    return Part(number, known[number - 1].size, sha256)


def sign(
    key: str, upload_id: str, wanted: Sequence[Part], signer: UploadSigner
) -> Sequence[tuple[Part, SignedUpload]]:
    """Where to send those parts."""
    return [(part, signer.sign_part(key, upload_id, part)) for part in wanted]


def complete(job: Job, uploads: UploadBucket) -> None:
    """Makes the object of the parts that have arrived; S3's event announces it then.

    Raises MissingParts, NotPossible, RetryLater.
    """
    upload_id = check_open(job)
    arrived = _all(uploads, job.upload.key, upload_id)
    missing = [part.number for part in every(job.upload) if not _is_there(part, arrived)]
    if missing:
        raise MissingParts(missing)
    uploads.complete(job.upload.key, upload_id, [arrived[number] for number in sorted(arrived)])


def _is_there(part: Part, arrived: Mapping[int, Part]) -> bool:
    return part.number in arrived and arrived[part.number].size == part.size


def _all(uploads: UploadBucket, key: str, upload_id: str) -> Mapping[int, Part]:
    found: dict[int, Part] = {}
    while page := uploads.parts(key, upload_id, after=max(found, default=0)):
        found |= {part.number: part for part in page}
    return found
