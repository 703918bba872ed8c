"""People, through the API: an identity provider's access tokens, and the rights of their roles."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse

from chalicelib.backends.access_tokens import AccessTokens, Provider
from chalicelib.core.access import Unauthenticated
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.model import Source
from chalicelib.service.access import Access
from chalicelib.service.people import Claims, People, parse_roles
from chalicelib.settings import SettingError, load
from chalicelib.wiring import Services
from tests.support.api_client import assert_problem
from tests.support.docpages import section
from tests.support.fakes import MemoryServices, MemoryStore
from tests.support.issuer import AUDIENCE, URL, Issuer
from tests.support.jobs import NOW, new_job
from tests.support.tenants import ACME, BOND

ROLES = """{"reader": {"scopes": ["jobs:read"]}, "writer": {"scopes": ["uploads:write"]},
            "auditor": {"scopes": ["jobs:read"], "all_tenants": true}}"""
READER: dict[str, Any] = {"tenant": "acme", "roles": ["reader"]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def keys() -> Issuer:
    return Issuer()


@pytest.fixture
def issuer(services: MemoryServices, clock: Clock, keys: Issuer) -> Issuer:
    issuer = Issuer.__new__(Issuer)
    issuer.keys, issuer.algorithms, issuer.read = dict(keys.keys), dict(keys.algorithms), 0
    services.tenants.tenants |= {"acme": ACME, "bond": BOND}
    verifier = AccessTokens(Provider(URL, AUDIENCE), issuer.jwks, clock)
    people = People(lambda: verifier, services.tenants, parse_roles(ROLES), Claims("tenant", "roles"))
    services.access = Access(services.api_keys, services.tenants, services.new_upload_tokens(), people)
    return issuer


def get(client: Client, token: str, path: str = "/jobs", **headers: str) -> HTTPResponse:
    return client.http.get(path, headers={"Authorization": f"Bearer {token}", **headers})


def post(client: Client, token: str, **body: Any) -> HTTPResponse:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    path = "/upload-tokens" if "filename" not in body else "/uploads"
    return client.http.post(path, headers=headers, body=json.dumps(body).encode())


def test_a_person_has_the_rights_of_their_roles_in_their_tenant(
    client: Client, services: MemoryServices, issuer: Issuer
) -> None:
    own, other = services.jobs.put(new_job(tenant=ACME)), services.jobs.put(new_job(tenant=BOND))
    token = issuer.token(**READER)

    assert [it["id"] for it in get(client, token).json_body["jobs"]] == [str(own.id)]
    assert_problem(get(client, token, f"/jobs/{other.id}"), 404)
    assert_problem(get(client, token, "/jobs", **{"Sluice-Tenant": "bond"}), 403)
    assert_problem(post(client, token, filename="a.csv"), 403, scope="uploads:write")


def test_a_person_registers_uploads_and_makes_tokens(
    client: Client, services: MemoryServices, issuer: Issuer
) -> None:
    token = issuer.token(tenant="acme", roles="reader writer unknown")
    assert post(client, token, filename="a.csv").status_code == 202
    assert list(services.jobs.creators.values()) == ["person:ada"]
    (event,) = services.audit.events
    assert (event.actor.kind, event.actor.name, event.actor.credential) == ("person", "ada", "person:ada")
    assert event.tenant == str(ACME.id)
    made = post(client, token, dataset="crm").json_body
    assert made["scopes"] == ["jobs:read", "uploads:write"]
    assert post(client, made["token"], filename="a.csv", size=1).status_code == 202


def test_a_role_of_all_tenants_spreads_no_right_of_another(client: Client, issuer: Issuer) -> None:
    token = issuer.token(tenant="acme", roles=["auditor", "writer"])
    assert get(client, token, "/jobs", **{"Sluice-Tenant": "bond"}).status_code == 200
    assert_problem(post(client, token, filename="a.csv"), 403, scope="uploads:write")


@pytest.mark.parametrize("roles", [None, [], "", ["unknown"], 7, [1, {"a": 2}], {"reader": True}])
def test_who_has_no_role_may_do_nothing(client: Client, issuer: Issuer, roles: object) -> None:
    assert_problem(get(client, issuer.token(tenant="acme", roles=roles)), 403, scope="jobs:read")


@pytest.mark.parametrize("tenant", [None, "", "nothere", "Acme", 7, ["acme"], "a\x00"])
def test_who_has_no_tenant_is_not_let_in(client: Client, issuer: Issuer, tenant: object) -> None:
    assert_problem(get(client, issuer.token(**{**READER, "tenant": tenant})), 401)


def test_a_suspended_tenants_people_can_do_nothing(
    client: Client, services: MemoryServices, issuer: Issuer
) -> None:
    services.tenants.tenants["acme"] = replace(ACME, suspended_at=NOW)
    assert_problem(get(client, issuer.token(**READER)), 403, code="access_denied")


SOON = int(datetime.now(UTC).timestamp()) + 3600
WRONG: Mapping[str, dict[str, Any]] = {
    **{f"without {name}": {name: None} for name in ("iss", "aud", "sub", "client_id", "iat", "exp", "jti")},
    "other issuer": {"iss": f"{URL}/"},
    "other audience": {"aud": "others"},
    "has expired": {"exp": SOON - 7200},
    "of the future": {"nbf": SOON},
    "made in the future": {"iat": SOON},
    "an id token": {"header": {"typ": "JWT"}},
    "no type": {"header": {"typ": None}},
    "an upload token": {"header": {"typ": "sluice-upload+jwt"}},
    "unknown key": {"header": {"kid": "other"}},
    "no key named": {"header": {"kid": ""}},
    "subject is not a name": {"sub": "a\nb"},
    "subject is empty": {"sub": ""},
    "subject is long": {"sub": "a" * 256},
}


@pytest.mark.parametrize("why", WRONG)
def test_a_wrong_token_is_refused(client: Client, issuer: Issuer, why: str) -> None:
    assert_problem(get(client, issuer.token(**{**READER, **WRONG[why]})), 401)


def test_one_audience_of_several_is_enough(client: Client, issuer: Issuer) -> None:
    assert get(client, issuer.token(**READER, aud=["others", AUDIENCE])).status_code == 200
    assert get(client, issuer.token(**READER, header={"typ": "application/AT+JWT"})).status_code == 200


@pytest.mark.parametrize("kind", ["JWT", None, "sluice-upload+jwt", ""])
def test_the_verifier_refuses_other_types_by_itself(issuer: Issuer, kind: str | None) -> None:
    with pytest.raises(Unauthenticated):
        AccessTokens(Provider(URL, AUDIENCE), issuer.jwks).verify(issuer.token(header={"typ": kind}))


def segment(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_the_algorithm_is_the_keys(client: Client, issuer: Issuer) -> None:
    head, payload, signature = issuer.token(**READER).split(".")
    key_id = next(iter(issuer.keys))
    public = issuer.jwks()
    for algorithm in ("none", "HS256", "RS512", "PS256", "ES256"):
        forged = segment({"alg": algorithm, "typ": "at+jwt", "kid": key_id})
        mac = hmac.digest(
            public, f"{forged}.{payload}".encode(), hashlib.sha256
        )  # a public key as the secret
        encoded = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        for other in ("", signature, encoded):
            assert_problem(get(client, f"{forged}.{payload}.{other}"), 401)
    changed = segment({**READER, "sub": "eve"})
    assert_problem(get(client, f"{head}.{changed}.{signature}"), 401)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_keys_of_other_kinds_verify_nothing(client: Client, issuer: Issuer, clock: Clock) -> None:
    for algorithm, bits in (("RS256", 1024), ("RS512", 2048)):
        issuer.rotate(algorithm, bits)
        clock.now += 60
        assert_problem(get(client, issuer.token(**READER)), 401)


def test_keys_are_rotated(client: Client, issuer: Issuer, clock: Clock) -> None:
    before = issuer.token(**READER)
    assert get(client, before).status_code == 200
    old = next(iter(issuer.keys))
    issuer.rotate("ES256")
    after = issuer.token(**READER)
    assert_problem(get(client, after), 401)  # looked a moment ago
    clock.now += 60
    assert [get(client, token).status_code for token in (after, before)] == [200, 200]

    del issuer.keys[old]
    clock.now += 600
    assert get(client, after).status_code == 200
    assert_problem(get(client, before), 401)


def test_unknown_keys_are_looked_for_at_most_once_a_minute(
    client: Client, issuer: Issuer, clock: Clock
) -> None:
    for _ in range(13):
        assert_problem(get(client, issuer.token(**READER, header={"kid": "unknown"})), 401)
        clock.now += 10
    assert issuer.read == 3


def test_keys_are_kept_while_they_cannot_be_read(issuer: Issuer, clock: Clock) -> None:
    documents: list[bytes | None] = [None, b"[]", issuer.jwks(), None]

    def read() -> bytes:
        found = documents.pop(0)
        if found is None:
            raise RetryLater("S3 does not answer")
        return found

    verifier = AccessTokens(Provider(URL, AUDIENCE), read, clock)
    for left in (3, 2):
        for _ in range(3):  # strangers' tokens cause no more looks
            with pytest.raises(RetryLater):
                verifier.verify(issuer.token())
        assert len(documents) == left
        clock.now += 5
    assert verifier.verify(issuer.token())["sub"] == "ada"
    clock.now += 600
    assert verifier.verify(issuer.token())["sub"] == "ada"
    assert documents == []


# Settings

ENV = {
    "SLUICE_OIDC_ISSUER": URL,
    "SLUICE_OIDC_AUDIENCE": AUDIENCE,
    "SLUICE_OIDC_ROLES": ROLES,
    "SLUICE_OIDC_JWKS": '{"keys": []}',
    "DATABASE_URL": "postgresql://nowhere",
}


def test_without_an_issuer_there_are_no_people() -> None:
    assert Services(load({}))._people is None
    assert Services(load(ENV))._people is not None


@pytest.mark.parametrize("name", ["SLUICE_OIDC_AUDIENCE", "SLUICE_OIDC_ROLES", "SLUICE_OIDC_JWKS"])
def test_an_issuer_needs_the_other_settings(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        _ = Services(load({**ENV, name: ""}))._people


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"a": {"scopes": ["all"]}}', '{"a": {}}', '{"a": {"scopes": [], "b": 1}}']
)
def test_wrong_roles_are_refused(text: str) -> None:
    with pytest.raises(SettingError, match="SLUICE_OIDC_ROLES is not a JSON object of roles"):
        _ = Services(load({**ENV, "SLUICE_OIDC_ROLES": text}))._people


def test_the_documented_roles_are_roles() -> None:
    (text,) = re.findall(r"SLUICE_OIDC_ROLES='(.*)'", section("manage-access.md", "People"))
    assert {name: role.all_tenants for name, role in parse_roles(text).items()} == {
        "loader": False,
        "operator": True,
    }


def test_keys_are_a_setting_or_an_object(issuer: Issuer) -> None:
    document = issuer.jwks()
    assert Services(load({**ENV, "SLUICE_OIDC_JWKS": document.decode()}))._key_set() == document

    from_object = Services(load({**ENV, "SLUICE_OIDC_JWKS": "s3://keys/a/jwks.json"}))
    vars(from_object)["store"] = MemoryStore(document)
    assert from_object._key_set() == document

    vars(from_object)["store"] = MissingObject()
    with pytest.raises(RetryLater, match="no key set at s3://keys/a/jwks"):
        from_object._key_set()


class MissingObject(MemoryStore):
    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        assert (bucket, key) == ("keys", "a/jwks.json")
        raise JobFailed("source-missing", "It is not there.")
