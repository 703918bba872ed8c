"""The HTTP API, endpoint by endpoint: answers become :mod:`sluice_cli.documents`, refusals are raised."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from sluice_cli.documents import Document, Job, NotSluice, Reject, mapping
from sluice_cli.errors import ApiError, Unreachable, WrongInput
from sluice_cli.text import safe
from sluice_cli.tickets import NewUpload, PartedUpload, StoredPart, Target, Ticket, leave, part_targets

PAGE = 100  # as many as one request asks for
_TIMEOUT = httpx.Timeout(30, connect=10)
_WRONG_ADDRESS = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_NOT_OURS = "Is SLUICE_URL (or --url) the address of the API? The answer does not look like one of it."
_T = TypeVar("_T")


@dataclass(frozen=True)
class Page(Generic[_T]):
    """A stretch of a long list; ``more`` says whether the list goes on after it."""

    items: list[_T]
    more: bool


class Api:
    """The API at one address.

    Every method raises ApiError when the API refuses, Unreachable when no answer comes, and NotSluice when
    something else answers.
    """

    def __init__(self, base_url: str, client: httpx.Client) -> None:
        self._base_url = checked(base_url)
        self._client = client

    def create_upload(self, new: NewUpload) -> Ticket | PartedUpload:
        """Register a file; what comes back tells where to send it, or that it is to be sent in parts."""
        return leave(_json(self._ask("POST", "/uploads", json=new.body())))

    def part_targets(self, job_id: UUID, checksums: Mapping[int, str | None]) -> dict[int, Target]:
        """Where to send the parts with these numbers. Their SHA-256 in hexadecimal, or None to name none."""
        parts = [{"number": n} | ({"sha256": sha256} if sha256 else {}) for n, sha256 in checksums.items()]
        found = part_targets(_json(self._ask("POST", f"/uploads/{job_id}/parts", json={"parts": parts})))
        if absent := checksums.keys() - found.keys():
            raise NotSluice(f"it has no URL for part {min(absent)}")
        return found

    def stored_parts(self, job_id: UUID) -> tuple[PartedUpload, list[StoredPart]]:
        """An upload in parts that has been begun, and the parts that S3 has of it."""
        stored: list[StoredPart] = []
        cursor: str | None = None
        while True:
            answer = _json(self._ask("GET", f"/uploads/{job_id}/parts", params=_given(cursor=cursor)))
            items, cursor = _page(answer, "parts", cursor)
            stored += [StoredPart.read(item) for item in items]
            if cursor is None:
                return _begun(job_id, mapping(answer, "an upload")), stored

    def complete(self, job_id: UUID) -> Job:
        """Say that all parts have been sent; the job as it is then. Saying it again changes nothing."""
        response = self._ask("POST", f"/uploads/{job_id}/complete", json={})
        return Job.read(_json(response), retry_after(response))

    def act(self, job_id: UUID, action: str) -> Job:
        """``cancel``, ``retry`` or ``undo`` the job; the job as it is then."""
        response = self._ask("POST", f"/jobs/{job_id}/{action}")
        return Job.read(_json(response), retry_after(response))

    def job(self, job_id: UUID) -> Job:
        """The job as it is now."""
        response = self._ask("GET", f"/jobs/{job_id}")
        return Job.read(_json(response), retry_after(response))

    def jobs(self, *, status: str | None, dataset: str | None, limit: int | None) -> Iterator[Page[Job]]:
        """Jobs, newest first, at most ``limit`` of them."""
        return self._pages("/jobs", "jobs", Job.read, {"status": status, "dataset": dataset}, limit)

    def errors(self, job_id: UUID, *, limit: int | None) -> Iterator[Page[Reject]]:
        """The job's rejected records in file order, at most ``limit`` of them."""
        return self._pages(f"/jobs/{job_id}/errors", "errors", Reject.read, {}, limit)

    def _pages(
        self,
        path: str,
        member: str,
        read: Callable[[object], _T],
        filters: Mapping[str, str | None],
        limit: int | None,
    ) -> Iterator[Page[_T]]:
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            wanted = PAGE if left is None else min(left, PAGE)
            query = _given(**filters, limit=str(wanted), cursor=cursor)
            items, cursor = _page(_json(self._ask("GET", path, params=query)), member, cursor)
            yield Page([read(item) for item in items], more=cursor is not None)
            if cursor is None:
                return
            left = None if left is None else left - len(items)

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            response = self._client.request(method, self._base_url + path, timeout=_TIMEOUT, **request)
        except httpx.TransportError as error:
            raise Unreachable(
                f"No answer from {safe(self._base_url)}: {reason(error)}",
                hint="Does the service run, and is SLUICE_URL (or --url) its address?",
            ) from error
        except httpx.HTTPError as error:
            raise NotSluice(reason(error)) from error
        if response.is_success:
            return response
        raise refusal(response)


def checked(base_url: str) -> str:
    """The address without a slash at its end. Raises WrongInput if it is not an http or https address."""
    try:
        parts = urlsplit(base_url.strip())
        httpx.URL(base_url.strip())
    except (ValueError, httpx.InvalidURL):
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise WrongInput(
            f"{safe(base_url)!r} is not the address of an API.",
            hint="It has the form http://host:port/path; give it with --url or SLUICE_URL.",
        )
    return base_url.strip().rstrip("/")


def refusal(response: httpx.Response) -> ApiError:
    """The error that an answer outside 2xx stands for, with all that the answer tells."""
    problem = _problem(response)
    phrase = HTTPStatus(response.status_code).phrase if response.status_code in set(HTTPStatus) else "Error"
    request_id = problem.get("request_id") or response.headers.get("X-Request-Id")
    return ApiError(
        status=response.status_code,
        title=safe(problem.get("title") or f"{response.status_code} {phrase}"),
        detail=safe(problem.get("detail") or problem.get("message") or ""),
        field=safe(problem["field"]) if problem.get("field") else None,
        request_id=safe(request_id) if request_id else None,
        retry_after=retry_after(response),
        hint=_NOT_OURS if "title" not in problem and response.status_code in _WRONG_ADDRESS else None,
    )


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that the server asks to wait; None when it names none."""
    try:
        return max(float(response.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def reason(error: Exception) -> str:
    """Why a request got no answer, in a few words."""
    words = safe(error) or type(error).__name__
    return words.partition("] ")[2] if words.startswith("[Errno") else words


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
        raise NotSluice("it is not JSON") from None


def _given(**query: str | None) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def _begun(job_id: UUID, document: Document) -> PartedUpload:
    return PartedUpload.read(job_id, document, checksums=document.get("part_checksums") is True)


def _page(answer: object, member: str, cursor: str | None) -> tuple[list[object], str | None]:
    """What is on a page, and the next one's cursor. ``cursor`` is its own. Raises NotSluice."""
    document = mapping(answer, f"a page of {member}")
    items, following = document.get(member), document.get("next_cursor")
    if not isinstance(items, list) or not isinstance(following, str | None):
        raise NotSluice(f"a page of {member} was expected")
    if following is not None and following == cursor:
        raise NotSluice("its pages go in a circle")
    return items, following
