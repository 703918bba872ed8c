"""An identity provider of the tests' own: it generates keys, signs tokens, rotates."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

URL, AUDIENCE = "https://id.example/realm", "https://sluice.example"


class Issuer:
    """Signs with its newest key."""

    def __init__(self, algorithm: str = "RS256") -> None:
        self.keys: dict[str, Any] = {}
        self.algorithms: dict[str, str] = {}
        self.read = 0
        self.rotate(algorithm)

    def rotate(self, algorithm: str = "RS256", bits: int = 2048) -> str:
        """Add a key, and return its id."""
        key_id = str(uuid4())
        is_rsa = algorithm.startswith("RS")
        self.keys[key_id] = (
            rsa.generate_private_key(65537, bits) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        )
        self.algorithms[key_id] = algorithm
        return key_id

    def jwks(self) -> bytes:
        """Return the set of its public keys."""
        self.read += 1
        keys = []
        for key_id, key in self.keys.items():
            to_jwk = RSAAlgorithm.to_jwk if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm.to_jwk
            document = json.loads(to_jwk(key.public_key()))
            keys.append({**document, "kid": key_id, "use": "sig", "alg": self.algorithms[key_id]})
        return json.dumps({"keys": keys}).encode()

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token; a claim that is None is left out."""
        now = int(datetime.now(UTC).timestamp())
        whole = {
            "iss": URL,
            "aud": AUDIENCE,
            "sub": "ada",
            "client_id": "console",
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid4()),
            **claims,
        }
        payload = {name: value for name, value in whole.items() if value is not None}
        key_id = list(self.keys)[-1]
        head = {"typ": "at+jwt", "kid": key_id, **(header or {})}
        return jwt.encode(payload, self.keys[key_id], self.algorithms[key_id], headers=head)
