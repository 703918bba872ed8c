"""Signed tokens: nothing but what was signed here, with a secret that still counts, is taken."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backends.signed_tokens import AUDIENCE, ISSUER, TYPE, SignedTokens, id_of
from chalicelib.core.access import Unauthenticated
from chalicelib.core.errors import NotPossible

OLD, NEW, FOREIGN = (bytes([letter]) * 32 for letter in b"onf")
NOW = int(datetime.now(UTC).timestamp())
CLAIMS = {"jti": "1", "iat": NOW, "nbf": NOW, "exp": NOW + 80_000, "tenant": "acme", "made_by": "key:1"}


class Secrets:
    """A list of secrets that a process remembers until it reads it afresh."""

    def __init__(self, *secrets: bytes) -> None:
        self.stored = self.remembered = secrets
        self.read_afresh = 0
        self.now = 0.0

    def __call__(self, *, fresh: bool) -> Sequence[bytes]:
        if fresh:
            self.read_afresh += 1
            self.remembered = self.stored
        return self.remembered

    def tokens(self) -> SignedTokens:
        return SignedTokens(self, lambda: self.now)


def segment(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], secret: bytes = NEW) -> str:
    """Return a token with any header and claims, and the right signature."""
    text = f"{segment(header)}.{segment(claims)}"
    mac = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


HEADER = {"alg": "HS256", "typ": TYPE, "kid": id_of(NEW)}
PAYLOAD = {"iss": ISSUER, "aud": AUDIENCE, **CLAIMS}


def test_what_was_signed_is_read_again() -> None:
    tokens = Secrets(NEW).tokens()
    assert tokens.verify(tokens.sign(CLAIMS)) == PAYLOAD
    assert tokens.verify(signed(HEADER, PAYLOAD)) == PAYLOAD  # the tests' own signature is right


TOKEN = Secrets(NEW).tokens().sign(CLAIMS)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_token_with_another_character_anywhere_is_refused(at: int, character: str) -> None:
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed == TOKEN:
        return
    with pytest.raises(Unauthenticated):
        Secrets(NEW).tokens().verify(changed)


@pytest.mark.parametrize("character", base64.urlsafe_b64encode(bytes(range(256))).decode() + "=+/ \n")
def test_a_signature_is_written_in_one_way_only(character: str) -> None:
    if TOKEN[-1] != character:
        for changed in (TOKEN[:-1] + character, TOKEN + character):
            with pytest.raises(Unauthenticated):
                Secrets(NEW).tokens().verify(changed)


@given(st.integers(0, len(TOKEN)), st.text(st.characters(codec="ascii"), min_size=1, max_size=3))
def test_a_token_with_more_or_less_in_it_is_refused(at: int, more: str) -> None:
    for changed in (TOKEN[:at] + more + TOKEN[at:], TOKEN[:at], TOKEN[at + 1 :]):
        if changed != TOKEN:
            with pytest.raises(Unauthenticated):
                Secrets(NEW).tokens().verify(changed)


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        Secrets(NEW).tokens().verify(text)


def without(name: str, document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


FORGED = {
    "no algorithm": f"{segment({**HEADER, 'alg': 'none'})}.{segment(PAYLOAD)}.",
    "no algorithm, signed": signed({**HEADER, "alg": "none"}, PAYLOAD),
    "NONE": signed({**HEADER, "alg": "NONE"}, PAYLOAD),
    "the header names RS256": signed({**HEADER, "alg": "RS256"}, PAYLOAD),
    "the header names HS512": signed({**HEADER, "alg": "HS512"}, PAYLOAD),
    "really HS512": jwt.encode(PAYLOAD, NEW * 2, "HS512", headers={"typ": TYPE, "kid": id_of(NEW)}),
    "no algorithm named": signed(without("alg", HEADER), PAYLOAD),
    "another type": signed({**HEADER, "typ": "JWT"}, PAYLOAD),
    "an access token": signed({**HEADER, "typ": "at+jwt"}, PAYLOAD),
    "no type": signed(without("typ", HEADER), PAYLOAD),
    "another secret": signed(HEADER, PAYLOAD, FOREIGN),
    "another secret, which it names": signed({**HEADER, "kid": id_of(FOREIGN)}, PAYLOAD, FOREIGN),
    "the empty secret": signed(HEADER, PAYLOAD, b""),
    "the secret's id as the secret": signed(HEADER, PAYLOAD, id_of(NEW).encode()),
    "no secret named": signed(without("kid", HEADER), PAYLOAD),
    "a number as the secret's name": signed({**HEADER, "kid": 1}, PAYLOAD),
    "a path as the secret's name": signed({**HEADER, "kid": "../../dev/null"}, PAYLOAD, b""),
    "a key of its own": signed({**HEADER, "jwk": {"kty": "oct", "k": "bm5u"}, "kid": "x"}, PAYLOAD, b"nnn"),
    "an unknown critical header": signed({**HEADER, "crit": ["exp2"], "exp2": 1}, PAYLOAD),
    "detached payload": signed({**HEADER, "b64": False, "crit": ["b64"]}, PAYLOAD),
    "other audience": signed(HEADER, {**PAYLOAD, "aud": "others"}),
    "one audience of several": signed(HEADER, {**PAYLOAD, "aud": [AUDIENCE, "others"]}),
    "other issuer": signed(HEADER, {**PAYLOAD, "iss": "others"}),
    "has expired": signed(HEADER, {**PAYLOAD, "exp": NOW - 6}),
    "expires at no time": signed(HEADER, {**PAYLOAD, "exp": "never"}),
    "is of the future": signed(HEADER, {**PAYLOAD, "nbf": NOW + 40_000}),
    "was made in the future": signed(HEADER, {**PAYLOAD, "iat": NOW + 40_000}),
    **{f"without {name}": signed(HEADER, without(name, PAYLOAD)) for name in PAYLOAD},
    "a list of claims": signed(HEADER, []),  # type: ignore[arg-type]
    "nested deep": f"{segment(HEADER)}.{'W' * 5000}.x",
}


@pytest.mark.parametrize("why", FORGED)
def test_a_forged_token_is_refused(why: str) -> None:
    with pytest.raises(Unauthenticated):
        Secrets(NEW, OLD).tokens().verify(FORGED[why])


def test_a_token_that_has_expired_is_told_so() -> None:
    with pytest.raises(Unauthenticated, match="expired"):
        Secrets(NEW).tokens().verify(FORGED["has expired"])


def test_the_newest_secret_signs_and_all_verify() -> None:
    before = Secrets(OLD).tokens().sign(CLAIMS)
    rotated = Secrets(NEW, OLD).tokens()
    after = rotated.sign(CLAIMS)

    assert rotated.verify(before) == rotated.verify(after) == PAYLOAD
    assert jwt.get_unverified_header(after)["kid"] == id_of(NEW)
    with pytest.raises(Unauthenticated):
        Secrets(NEW).tokens().verify(before)


def test_a_process_learns_a_secret_that_is_newer_than_it() -> None:
    secrets = Secrets(OLD)
    tokens = secrets.tokens()
    secrets.stored = (NEW, OLD)
    assert tokens.verify(Secrets(NEW).tokens().sign(CLAIMS)) == PAYLOAD
    assert secrets.read_afresh == 1


def test_unknown_secrets_are_looked_for_at_most_once_a_minute() -> None:
    secrets = Secrets(OLD)
    tokens = secrets.tokens()
    for seconds in range(0, 121, 10):
        secrets.now = float(seconds)
        with pytest.raises(Unauthenticated):
            tokens.verify(FORGED["another secret, which it names"])
    assert secrets.read_afresh == 3  # at 0, 60, 120


def test_without_a_secret_no_token_is_made_or_taken() -> None:
    tokens = Secrets().tokens()
    with pytest.raises(NotPossible, match="not set a secret"):
        tokens.sign(CLAIMS)
    with pytest.raises(Unauthenticated):
        tokens.verify(TOKEN)


def test_the_id_of_a_secret_is_not_the_secret() -> None:
    assert len({id_of(OLD), id_of(NEW)}) == 2
    assert NEW.decode() not in TOKEN
    assert id_of(NEW) != hashlib.sha256(NEW).hexdigest()[:16]
