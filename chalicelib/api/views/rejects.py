"""The rejects of a job as a file."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.responses import json_response
from chalicelib.api.views.jobs import POLL_SECONDS, find
from chalicelib.service.register import JobRegister
from chalicelib.service.rejects_request import RejectsFiles

_JSON = "application/json"


def download(context: RequestContext, jobs: JobRegister, files: RejectsFiles, name: str) -> Response:
    """Answer `GET /jobs/{id}/rejects.csv` and `rejects.ndjson`: 303 if the file is made, else 202.

    A page cannot follow the 303: browsers send `Origin: null` after a redirect from one foreign origin to
    another, and do not show where it leads. With `Accept: application/json` the same document comes with 200.
    Source: https://fetch.spec.whatwg.org/#concept-http-redirect-fetch.

    Raises UnknownJob, NoRejectsFile, NotPossible, RejectsRemoved, RejectsFileFailed, RetryLater.
    """
    job = find(context, jobs)
    made = files.fetch(job, name)
    if made is None:
        document = serializers.describe_requested_rejects(job)
        return json_response(document, HTTPStatus.ACCEPTED, {"Retry-After": str(POLL_SECONDS)})
    document = serializers.describe_rejects_download(made)
    if context.accept.strip().lower() == _JSON:
        return json_response(document)
    return json_response(document, HTTPStatus.SEE_OTHER, {"Location": made.signed.url})
