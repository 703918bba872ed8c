"""A fake of multipart uploads for the command line client."""

import base64
import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, Request, job, problem, s3_error

SIZE, PART = 1045, 100  # eleven parts, the last one of 45 bytes
DENIED = s3_error(403, "SignatureDoesNotMatch", "No.")


def part(path: Path, number: int) -> bytes:
    return path.read_bytes()[(number - 1) * PART : number * PART]


def numbers_put(server: FakeSluice) -> list[int]:
    return sorted(
        int(r.target.partition("partNumber=")[2].partition("&")[0]) for r in server.requests_of("PUT")
    )


def resume_command(path: Path) -> str:
    return f"sluice upload {shlex.quote(str(path))} --resume {JOB_ID}"


@dataclass
class FakeParts:
    """The API's and S3's side of multipart uploads of any file.

    ``puts`` are scripts by part number: each entry is S3's answer to one PUT, None closes the connection;
    after the last entry S3 stores the part. ``presigns`` and ``completes`` script the API's answers likewise.
    """

    part_size: int
    size: int = 0
    checksums: bool = True
    stored: dict[int, bytes] = field(default_factory=dict)
    without_checksum: set[int] = field(default_factory=set)
    puts: dict[int, list[Answer | None]] = field(default_factory=dict)
    presigns: list[Answer | None] = field(default_factory=list)
    completes: list[Answer | None] = field(default_factory=list)
    completed: bool = False
    expires_in: timedelta = timedelta(hours=1)
    page_size: int = 2
    _signed: int = 0

    @property
    def whole(self) -> bytes:
        """Return the stored parts, joined in order."""
        return b"".join(self.stored[number] for number in sorted(self.stored))

    def begin(self, body: Mapping[str, Any]) -> Answer:
        """Answer ``POST /uploads``."""
        if "sha256" in body:
            return problem(400, "Bad Request", "sha256 is for files sent in one piece.", field="sha256")
        self.size = body["size"]
        upload = self._upload() | {"method": "PUT", "parts": []}
        return Answer(202, {"job_id": JOB_ID, "status": "PENDING", "upload": upload, "links": {}})

    def answer(self, request: Request, path: str, query: Mapping[str, str], origin: str) -> Answer | None:
        """Answer a request to ``/uploads/{id}`` + ``path``."""
        script = (
            {"/parts": self.presigns, "/complete": self.completes}[path] if request.method == "POST" else []
        )
        if script:
            return script.pop(0)
        if path == "/complete":
            self.completed = self.completed or len(self.stored) == self._upload()["part_count"]
            missing = problem(409, "Conflict", "Parts are missing.", missing=[1])
            return Answer(202, job("PENDING", phase="queued")) if self.completed else missing
        if self.completed:
            return problem(409, "Conflict", "The upload has ended.")
        return self._list(query) if request.method == "GET" else self._presign(request.json, origin)

    def put(self, number: int, request: Request) -> Answer | None:
        """Answer the PUT of a part."""
        if script := self.puts.get(number):
            return script.pop(0)
        digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        if self.checksums and request.headers.get("x-amz-checksum-sha256") != digest:
            return s3_error(400, "BadDigest", "The SHA256 you specified did not match.")
        self.stored[number] = request.body
        return Answer(200)

    def _upload(self) -> dict[str, Any]:
        expires_at = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        count = -(-self.size // self.part_size)
        return {
            "size": self.size,
            "part_size": self.part_size,
            "part_count": count,
            "expires_at": expires_at,
        }

    def _presign(self, body: Mapping[str, Any], origin: str) -> Answer:
        presigned = []
        for part in body["parts"]:
            self._signed += 1
            target = f"/bucket/large?partNumber={part['number']}&X-Amz-Signature={self._signed}"
            headers = {"Content-Length": str(self._length(part["number"]))}
            if self.checksums:
                digest = base64.b64encode(bytes.fromhex(part["sha256"])).decode()
                headers["x-amz-checksum-sha256"] = digest
            elif "sha256" in part:
                return problem(400, "Bad Request", "begun without part_checksums", field="parts[0]")
            presigned.append({"number": part["number"], "url": origin + target, "headers": headers})
        expires_at = (datetime.now(UTC) + self.expires_in).isoformat()
        return Answer(200, {"parts": presigned, "expires_at": expires_at})

    def _length(self, number: int) -> int:
        return min(number * self.part_size, self.size) - (number - 1) * self.part_size

    def _list(self, query: Mapping[str, str]) -> Answer:
        start = int(query.get("cursor", "0"))
        numbers = sorted(self.stored)
        parts = [
            {
                "number": number,
                "size": len(self.stored[number]),
                "sha256": None
                if number in self.without_checksum or not self.checksums
                else hashlib.sha256(self.stored[number]).hexdigest(),
            }
            for number in numbers[start : start + self.page_size]
        ]
        next_cursor = str(start + self.page_size) if start + self.page_size < len(numbers) else None
        head = self._upload() | {"job_id": JOB_ID, "part_checksums": self.checksums}
        return Answer(200, head | {"parts": parts, "next_cursor": next_cursor})
