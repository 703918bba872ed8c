"""Signatures of requests to S3 are those that botocore makes."""

from datetime import UTC, datetime

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backends.s3.signature import Location, signed_headers

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
_NAMES = st.from_regex(r"[A-Za-z0-9/+=]{1,40}", fullmatch=True)
_HEADERS = st.fixed_dictionaries(
    {"x-amz-checksum-mode": st.just("ENABLED")},
    optional={
        "if-none-match": st.from_regex(r'"[0-9a-f]{32}"', fullmatch=True),
        "range": st.just("bytes=0-0"),
    },
)
_LOCATIONS = st.builds(
    Location,
    st.sampled_from(["s3.eu-west-1.amazonaws.com", "b.s3.amazonaws.com", "127.0.0.1:4566"]),
    st.sampled_from(["/", "/bucket/"]),
    st.sampled_from(["eu-west-1", "us-east-1"]),
)


@given(
    st.builds(ReadOnlyCredentials, _NAMES, _NAMES, st.none() | _NAMES),
    _LOCATIONS,
    st.tuples(_TEXT, st.none() | _TEXT),
    _HEADERS,
)
def test_a_request_is_signed_as_botocore_signs_it(
    credentials: ReadOnlyCredentials,
    location: Location,
    named: tuple[str, str | None],
    headers: dict[str, str],
) -> None:
    target = location.target(*named)
    request = AWSRequest("GET", f"https://{location.host}{target}", headers=headers)
    S3SigV4Auth(credentials, "s3", location.region).add_auth(request)
    now = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signed = signed_headers(credentials, location, target, headers, now)
    assert signed == {name.lower(): value for name, value in request.headers.items()}
