"""Pages of other origins: what browsers let them send to the API, and read of its answers.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol. No credential is a cookie, so
`Access-Control-Allow-Credentials` is never sent.
"""

from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus

from chalice.app import Request, Response

from chalicelib.api.context import REQUEST_ID, TENANT

REQUEST_HEADERS = ("Authorization", "Content-Type", TENANT, REQUEST_ID)  # those that the API reads
EXPOSED_HEADERS = ("ETag", "Location", "Retry-After", REQUEST_ID)
MAX_AGE = 7200  # seconds for which a browser remembers a preflight: as long as Chromium does at most


def answer_options(methods: Iterable[str]) -> Response:
    """Answer OPTIONS of a route that has these other methods. The middleware adds :func:`cors_headers`."""
    return Response(body="", status_code=int(HTTPStatus.NO_CONTENT), headers={"Allow": ", ".join(methods)})


def cors_headers(request: Request, response: Response, origins: Collection[str]) -> Mapping[str, str]:
    """Return the headers with which browsers give a response to the pages of these origins, and to no others.

    A page of another origin gets nothing of the response, and what it asks for with a preflight is not sent.
    """
    origin = request.headers.get("Origin")
    headers = {"Vary": "Origin"}
    if origin is None or origin not in origins:
        return headers
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = str(response.headers.get("Allow", ""))
        headers["Access-Control-Allow-Headers"] = ", ".join(REQUEST_HEADERS)
        headers["Access-Control-Max-Age"] = str(MAX_AGE)
    return headers
