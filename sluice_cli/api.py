"""The HTTP API, one method per endpoint. Answers become :mod:`sluice_cli.documents`; refusals are raised."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx

from sluice_cli.ahead import one_ahead
from sluice_cli.documents.access import Key, Tenant, UploadToken
from sluice_cli.documents.audit import AuditEvent
from sluice_cli.documents.datasets import DatasetOptions, Erasure
from sluice_cli.documents.jobs import Job, Reject
from sluice_cli.documents.members import as_object
from sluice_cli.documents.rejects import RejectsFile
from sluice_cli.documents.uploads import (
    MultipartUpload,
    NewUpload,
    PresignedPut,
    SinglePutUpload,
    StoredPart,
    read_presigned_parts,
    read_upload,
)
from sluice_cli.documents.workers import Worker
from sluice_cli.errors import (
    ApiError,
    InputError,
    UnexpectedResponseError,
    UnreachableError,
    describe_transport_error,
)
from sluice_cli.escaping import safe

# items, at most, of one request
_JOBS, _REJECTS, _WORKERS, _KEYS, _TENANTS, _EVENTS = 100, 1000, 1000, 1000, 1000, 1000
_TIMEOUT = httpx.Timeout(30, connect=10)
_WRONG_ADDRESS_STATUSES = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_WRONG_ADDRESS_HINT = (
    "Is SLUICE_URL (or --url) the address of the API? The answer does not look like an answer of the API."
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Page(Generic[_T]):
    """One page of a list. ``more`` says whether another page follows."""

    items: list[_T]
    more: bool


@dataclass(frozen=True)
class Credential:
    """What a request says about who makes it: an API key, and the tenant for a key of all tenants."""

    api_key: str | None = field(default=None, repr=False)
    tenant: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that say so. Raises InputError if they cannot be sent."""
        headers = {}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key.strip()}"
        if self.tenant:
            headers["Sluice-Tenant"] = self.tenant
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                variable = {"Authorization": "SLUICE_API_KEY", "Sluice-Tenant": "The tenant"}[name]
                raise InputError(f"{variable} holds a character that it cannot have.")
        return headers


class Api:
    """The API at one address.

    ``http`` holds the connections; uploads to S3 use them too. Every method raises ApiError when the API
    refuses, UnreachableError when no answer comes, and UnexpectedResponseError when something else answers.
    """

    def __init__(
        self,
        base_url: str,
        http: httpx.Client,
        credential: Credential | None = None,
        *,
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> None:
        self._base_url = checked_url(base_url)
        self._headers = (credential or Credential()).headers()  # of requests to the API, and to S3 never
        self._timeout = timeout
        self.http = http

    def create_upload(self, new: NewUpload) -> SinglePutUpload | MultipartUpload:
        """Register a file. The answer says whether to send it in one PUT or in parts."""
        return read_upload(_json(self._request("POST", "/uploads", json=new.body())))

    def presign_parts(self, job_id: UUID, checksums: Mapping[int, str | None]) -> dict[int, PresignedPut]:
        """Return presigned URLs for parts, by part number.

        ``checksums`` maps each number to the part's SHA-256 in hexadecimal, or to None to name none.
        """
        parts = [{"number": n} | ({"sha256": sha256} if sha256 else {}) for n, sha256 in checksums.items()]
        answer = self._request("POST", f"/uploads/{job_id}/parts", json={"parts": parts})
        presigned = read_presigned_parts(_json(answer))
        if absent := checksums.keys() - presigned.keys():
            raise UnexpectedResponseError(f"it has no URL for part {min(absent)}")
        return presigned

    def stored_parts(self, job_id: UUID) -> tuple[MultipartUpload, list[StoredPart]]:
        """Return a multipart upload that was begun, and those of its parts that S3 has stored."""
        stored: list[StoredPart] = []
        cursor: str | None = None
        while True:
            answer = _json(self._request("GET", f"/uploads/{job_id}/parts", params=_query(cursor=cursor)))
            items, cursor = _read_page(answer, "parts", cursor)
            stored += [StoredPart.read(item) for item in items]
            if cursor is None:
                return _begun_upload(job_id, answer), stored

    def complete(self, job_id: UUID) -> Job:
        """Complete a multipart upload and return its job. Idempotent."""
        return _job(self._request("POST", f"/uploads/{job_id}/complete", json={}))

    def act(self, job_id: UUID, action: str, body: Mapping[str, object] | None = None) -> Job:
        """Do ``action`` (``cancel``, ``load``, ``retry`` or ``undo``) to the job and return it as it is then.

        ``body`` holds the changes of a job that is to be read again, if there are any.
        """
        return _job(self._request("POST", f"/jobs/{job_id}/{action}", json=body or None))

    def dataset_options(self, dataset: str) -> DatasetOptions:
        """Return the default options of the dataset's files."""
        return DatasetOptions.read(_json(self._request("GET", _options_path(dataset))))

    def set_dataset_options(self, dataset: str, options: Mapping[str, object]) -> DatasetOptions:
        """Replace the default options of the dataset's files, and return them."""
        answer = self._request("PUT", _options_path(dataset), json=dict(options))
        return DatasetOptions.read(_json(answer))

    def erase(self, dataset: str, field: str, value: str) -> Erasure:
        """Have the records of the dataset erased whose field has the value, and return the erasure."""
        body = {"field": field, "value": value}
        answer = self._request("POST", f"/datasets/{quote(dataset, safe='')}/erase", json=body)
        return Erasure.read(_json(answer), retry_after(answer))

    def erasure(self, dataset: str, erasure_id: str) -> Erasure:
        """Return an erasure."""
        path = f"/datasets/{quote(dataset, safe='')}/erasures/{quote(erasure_id, safe='')}"
        response = self._request("GET", path)
        return Erasure.read(_json(response), retry_after(response))

    def job(self, job_id: UUID) -> Job:
        """Return the job."""
        return _job(self._request("GET", f"/jobs/{job_id}"))

    def jobs(self, *, status: str | None, dataset: str | None, limit: int | None) -> Iterator[Page[Job]]:
        """Yield pages of jobs, newest first, at most ``limit`` jobs in all."""
        filters = {"status": status, "dataset": dataset}
        return self._pages("/jobs", "jobs", Job.read, filters, limit, largest=_JOBS)

    def errors(self, job_id: UUID, *, limit: int | None) -> Iterator[Page[Reject]]:
        """Yield pages of the job's rejects in file order, at most ``limit`` rejects in all.

        While one page is in use, the next one is fetched.
        """
        pages = self._pages(f"/jobs/{job_id}/errors", "errors", Reject.read, {}, limit, largest=_REJECTS)
        return one_ahead(pages)

    def dataset_errors(
        self, dataset: str, filters: Mapping[str, str | None], *, limit: int | None
    ) -> Iterator[Page[Reject]]:
        """Yield pages of the rejects of all jobs in a dataset, newest job first, at most ``limit`` in all.

        A page may be empty and not the last one. While one page is in use, the next one is fetched.
        """
        path = f"/datasets/{quote(dataset, safe='')}/errors"
        return one_ahead(self._pages(path, "errors", Reject.read, filters, limit, largest=_REJECTS))

    def workers(self) -> Iterator[Page[Worker]]:
        """Yield pages of workers, newest first."""
        return self._pages("/workers", "workers", Worker.read, {}, None, largest=_WORKERS)

    def create_key(self, body: Mapping[str, object]) -> Key:
        """Create an API key, and return it with its text."""
        return Key.read(_json(self._request("POST", "/keys", json=dict(body))))

    def api_keys(self) -> Iterator[Page[Key]]:
        """Yield pages of API keys, newest first."""
        return self._pages("/keys", "keys", Key.read, {}, None, largest=_KEYS)

    def revoke_key(self, key_id: UUID) -> Key:
        """Revoke an API key and return it."""
        return Key.read(_json(self._request("DELETE", f"/keys/{key_id}")))

    def create_upload_token(self, body: Mapping[str, object]) -> UploadToken:
        """Make an upload token, and return it with its text."""
        return UploadToken.read(_json(self._request("POST", "/upload-tokens", json=dict(body))))

    def create_tenant(self, name: str) -> Tenant:
        """Create a tenant, unless it exists, and return it."""
        return Tenant.read(_json(self._request("POST", "/tenants", json={"name": name})))

    def tenants(self) -> Iterator[Page[Tenant]]:
        """Yield pages of tenants, newest first."""
        return self._pages("/tenants", "tenants", Tenant.read, {}, None, largest=_TENANTS)

    def change_tenant(self, name: str, action: str) -> Tenant:
        """Suspend or resume a tenant, and return it."""
        return Tenant.read(_json(self._request("POST", f"/tenants/{quote(name, safe='')}/{action}")))

    def audit_events(self, filters: Mapping[str, str | None], limit: int) -> Iterator[Page[AuditEvent]]:
        """Yield pages of events of the audit log, newest first, up to ``limit`` events."""
        return self._pages("/audit-events", "events", AuditEvent.read, filters, limit, largest=_EVENTS)

    def remove_tenant(self, name: str) -> Tenant:
        """Have a tenant removed, and return it."""
        return Tenant.read(_json(self._request("DELETE", f"/tenants/{quote(name, safe='')}")))

    def rejects_file(self, job_id: UUID, name: str) -> RejectsFile:
        """Return the job's rejects file ``name``. The first call has the API make it."""
        response = self._request("GET", f"/jobs/{job_id}/{name}")
        return RejectsFile.read(_json(response), retry_after(response))

    def _pages(  # noqa: PLR0913 - what the lists differ in
        self,
        path: str,
        member: str,
        read: Callable[[object], _T],
        filters: Mapping[str, str | None],
        limit: int | None,
        *,
        largest: int,
    ) -> Iterator[Page[_T]]:
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            page_size = largest if left is None else min(left, largest)
            query = _query(**filters, limit=str(page_size), cursor=cursor)
            items, cursor = _read_page(_json(self._request("GET", path, params=query)), member, cursor)
            yield Page([read(item) for item in items], more=cursor is not None)
            if cursor is None:
                return
            left = None if left is None else left - len(items)

    def _request(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            response = self.http.request(
                method, self._base_url + path, headers=self._headers, timeout=self._timeout, **request
            )
        except httpx.TransportError as error:
            raise UnreachableError(
                f"No answer from {safe(self._base_url)}: {describe_transport_error(error)}",
                hint="Is the service running, and is SLUICE_URL (or --url) its address?",
            ) from error
        except httpx.HTTPError as error:
            raise UnexpectedResponseError(describe_transport_error(error)) from error
        if response.is_success or response.status_code == HTTPStatus.SEE_OTHER:
            return response
        raise refusal(response)


def checked_url(base_url: str) -> str:
    """Return the address without a final slash. Raises InputError if it is not an http or https address."""
    try:
        pieces = urlsplit(base_url.strip())
        httpx.URL(base_url.strip())
    except (ValueError, httpx.InvalidURL):
        pieces = urlsplit("")
    if pieces.scheme not in ("http", "https") or not pieces.hostname or pieces.query or pieces.fragment:
        raise InputError(
            f"{safe(base_url)!r} is not the address of an API.",
            hint="It has the form http://host:port/path; give it with --url or SLUICE_URL.",
        )
    return base_url.strip().rstrip("/")


def refusal(response: httpx.Response) -> ApiError:
    """Return the error for an answer outside 2xx, with everything the answer says about it."""
    problem = _problem(response)
    phrase = HTTPStatus(response.status_code).phrase if response.status_code in set(HTTPStatus) else "Error"
    request_id = problem.get("request_id") or response.headers.get("X-Request-Id")
    is_wrong_address = "title" not in problem and response.status_code in _WRONG_ADDRESS_STATUSES
    hint = _WRONG_ADDRESS_HINT if is_wrong_address else None
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        hint = "Set SLUICE_API_KEY to an API key or an upload token. `make up` writes a key into .local/env."
    return ApiError(
        status=response.status_code,
        title=safe(problem.get("title") or f"{response.status_code} {phrase}"),
        detail=safe(problem.get("detail") or problem.get("message") or ""),
        field=safe(problem["field"]) if problem.get("field") else None,
        request_id=safe(request_id) if request_id else None,
        retry_after=retry_after(response),
        hint=hint,
    )


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that the server asks to wait, None if it names none."""
    try:
        return max(float(response.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        raise UnexpectedResponseError("it is not JSON") from None


def _job(response: httpx.Response) -> Job:
    return Job.read(_json(response), retry_after(response))


def _options_path(dataset: str) -> str:
    return f"/datasets/{quote(dataset, safe='')}/options"


def _query(**parameters: str | None) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value is not None}


def _begun_upload(job_id: UUID, answer: object) -> MultipartUpload:
    document = as_object(answer, "an upload")
    return MultipartUpload.read(job_id, document, checksums=document.get("part_checksums") is True)


def _read_page(answer: object, member: str, cursor: str | None) -> tuple[list[object], str | None]:
    """Return a page's items and the next page's cursor. ``cursor`` is the page's own."""
    document = as_object(answer, f"a page of {member}")
    items, next_cursor = document.get(member), document.get("next_cursor")
    if not isinstance(items, list) or not isinstance(next_cursor, str | None):
        raise UnexpectedResponseError(f"a page of {member} was expected")
    if next_cursor is not None and next_cursor == cursor:
        raise UnexpectedResponseError("its next page is the same page again")
    return items, next_cursor
