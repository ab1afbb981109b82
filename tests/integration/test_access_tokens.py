"""Access tokens as a client meets them: what is refused, always with the same words, and how keys change under way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from domain.access.permissions import Role
from resources.access.signing_keys import SigningKey
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from tests.fakes.live_api import LiveApi, live_api
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("A1")


@pytest.fixture
def api(platform: Platform) -> Iterator[LiveApi]:
    with live_api(platform.settings, platform.url) as running:
        running.add_user("erika", Role.ADMIN)
        yield running


def encoded(part: dict[str, Any] | str) -> str:
    data = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(data.encode()).rstrip(b"=").decode()


class Forger:
    """Somebody who has seen a good token, and, for the harder cases, even holds the key."""

    def __init__(self, good: str, key: SigningKey) -> None:
        self.good, self.key = good, key
        self.header = jwt.get_unverified_header(good)
        self.claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
        self.parts = good.split(".")

    def signed(self, *, header: dict[str, Any] | None = None, drop: str = "", **claims: Any) -> str:
        """With the right key: only the claims are wrong."""
        body = {name: value for name, value in {**self.claims, **claims}.items() if name != drop}
        return jwt.encode(body, self.key.secret, "HS256", headers={"kid": self.key.key_id, **(header or {})})

    def under(self, algorithm: str, secret: Any, **header: Any) -> str:
        return jwt.encode(self.claims, secret, algorithm, headers={"kid": self.key.key_id, **header})


def rsa_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def seconds(offset: float) -> int:
    return int((utc_now() + timedelta(seconds=offset)).timestamp())


CLAIMS = ("iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti")
HOSTILE: dict[str, Callable[[Forger], str]] = {
    "only dots": lambda _: "..",
    "no token": lambda _: "hello",
    "two parts": lambda f: ".".join(f.parts[:2]),
    "four parts": lambda f: f.good + ".x",
    "no signature": lambda f: f"{f.parts[0]}.{f.parts[1]}.",
    "alg none": lambda f: f"{encoded({**f.header, 'alg': 'none'})}.{f.parts[1]}.",
    "alg None": lambda f: f"{encoded({**f.header, 'alg': 'None'})}.{f.parts[1]}.{f.parts[2]}",
    "alg missing": lambda f: f"{encoded({'typ': 'JWT', 'kid': f.key.key_id})}.{f.parts[1]}.{f.parts[2]}",
    "alg HS512 with the right key": lambda f: f.under("HS512", f.key.secret * 2),
    "alg HS384 with the right key": lambda f: f.under("HS384", f.key.secret * 2),
    "alg RS256": lambda f: f.under("RS256", rsa_key()),
    "another key": lambda f: f.under("HS256", bytes(32)),
    "unknown kid": lambda f: f.under("HS256", f.key.secret, kid="0123456789abcdef"),
    "kid is a path": lambda f: f.under("HS256", b"\0" * 32, kid="../../../../dev/null"),
    "kid is SQL": lambda f: f.under("HS256", f.key.secret, kid="' OR '1'='1"),
    "kid is a number": lambda f: f"{encoded({**f.header, 'kid': 7})}.{f.parts[1]}.{f.parts[2]}",
    "kid is null": lambda f: f"{encoded({**f.header, 'kid': None})}.{f.parts[1]}.{f.parts[2]}",
    "kid missing": lambda f: f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{f.parts[1]}.{f.parts[2]}",
    "key in the header": lambda f: f.under("HS256", b"k" * 32, jwk={"kty": "oct", "k": encoded("k" * 32)}),
    "unknown critical header": lambda f: f.under("HS256", f.key.secret, crit=["exp"]),
    "tampered payload": lambda f: f"{f.parts[0]}.{encoded({**f.claims, 'sub': 'admin'})}.{f.parts[2]}",
    "tampered signature": lambda f: f"{f.parts[0]}.{f.parts[1]}.{'A' if f.parts[2][0] != 'A' else 'B'}{f.parts[2][1:]}",
    "header is no JSON": lambda f: f"{encoded('nonsense')}.{f.parts[1]}.{f.parts[2]}",
    "header is a list": lambda f: f"{encoded('[1]')}.{f.parts[1]}.{f.parts[2]}",
    "payload is a list": lambda f: f"{f.parts[0]}.{encoded('[1]')}.{f.parts[2]}",
    "deep header": lambda f: f"{encoded('[' * 1500)}.{f.parts[1]}.{f.parts[2]}",
    "expired": lambda f: f.signed(iat=seconds(-7200), nbf=seconds(-7200), exp=seconds(-3600)),
    "expired a minute ago": lambda f: f.signed(exp=seconds(-60)),
    "not yet": lambda f: f.signed(nbf=seconds(3600), exp=seconds(7200)),
    "issued in the future": lambda f: f.signed(iat=seconds(3600), nbf=seconds(-10), exp=seconds(7200)),
    "lives a year": lambda f: f.signed(exp=seconds(365 * 86_400)),
    "exp is text": lambda f: f.signed(exp="tomorrow"),
    "exp is infinite": lambda f: f.signed(exp=float("inf")),
    "foreign issuer": lambda f: f.signed(iss="elsewhere"),
    "foreign audience": lambda f: f.signed(aud="elsewhere"),
    "session of nobody": lambda f: f.signed(sid="0" * 32),
    "session is SQL": lambda f: f.signed(sid="' OR true --"),
    "session is a list": lambda f: f.signed(sid=[f.claims["sid"]]),
    "session has a NUL": lambda f: f.signed(sid="\0"),
    "session of somebody else": lambda f: f.signed(sub="admin"),
    **{f"no {claim}": (lambda f, claim=claim: f.signed(drop=claim)) for claim in CLAIMS},
    "huge": lambda f: f.signed(more="x" * 5_000),
    "a refresh token": lambda _: "GtkpCgyRqlC0Gk1QqvmQiz1gYHE6iIBun52gxghul7Q",
    "API token of nobody": lambda _: f"etlmon_{'0' * 16}_{'A' * 43}",
    "API token, malformed": lambda _: "etlmon_x_y",
    "not ASCII": lambda _: "ünicode",
}  # fmt: skip


def test_every_hostile_token_gets_the_same_answer(api: LiveApi) -> None:
    good = api.log_in("erika").json()["accessToken"]
    with api.control.engine.begin() as connection:
        forger = Forger(good, api.control.signing_keys.key_in_use(connection))
    assert api.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {forger.signed()}"}).status_code == 200
    said: dict[str, str] = {}
    for name, forge in HOSTILE.items():
        answer = api.client.get("/api/v1/auth/me", headers={"Authorization": b"Bearer " + forge(forger).encode()})
        assert answer.status_code == 401, (name, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        body = answer.json()
        said[name] = json.dumps(
            {key: body[key] for key in ("type", "title", "detail", "errorType", "reason", "suggestion")}
        )
        cookie = {"Cookie": b"etlmon_session=" + forge(forger).encode()}
        assert api.client.get("/api/v1/auth/me", headers=cookie).status_code == 401, name
    assert len(HOSTILE) >= 50
    assert len(set(said.values())) == 1, said


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer-ish"])
def test_other_schemes_are_no_credential(api: LiveApi, scheme: str) -> None:
    token = api.log_in("erika").json()["accessToken"]
    assert api.client.get("/api/v1/auth/me", headers={"Authorization": f"{scheme} {token}"}).status_code == 401
    assert api.client.get("/api/v1/auth/me", headers={"Authorization": f"BEARER {token}"}).status_code == 200, (
        "RFC 9110"
    )


def test_the_token_says_what_it_has_to_and_lives_a_day(api: LiveApi) -> None:
    answer = api.log_in("erika").json()
    claims = jwt.decode(answer["accessToken"], options={"verify_signature": False})
    assert {"iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti"} == set(claims)
    assert claims["exp"] - claims["iat"] == answer["expiresIn"] == 86_400
    header = jwt.get_unverified_header(answer["accessToken"])
    assert (header["alg"], len(header["kid"])) == ("HS256", 16)


def test_another_process_takes_up_a_new_key_without_restart_and_the_old_one_still_verifies(
    api: LiveApi, platform: Platform
) -> None:
    before = api.bearer("erika")
    with open_control_plane(platform.settings, platform.url) as elsewhere:
        new = elsewhere.signing_keys.rotate(actor="test")
        assert api.client.get("/api/v1/auth/me", headers=before).status_code == 200
        issued_elsewhere = elsewhere.login.with_password("erika", "four unrelated words", ip="::1", user_agent="")
    token = {"Authorization": f"Bearer {issued_elsewhere.access_token}"}
    assert api.client.get("/api/v1/auth/me", headers=token).status_code == 200
    after = api.bearer("erika")["Authorization"].split()[1]
    assert jwt.get_unverified_header(after)["kid"] == new
    assert [bool(key["retired_at"]) for key in api.control.signing_keys.list_keys()] == [False, True]


def test_a_retired_key_signs_nothing_any_more_even_for_who_has_it(api: LiveApi) -> None:
    good = api.log_in("erika").json()["accessToken"]
    with api.control.engine.begin() as connection:
        forger = Forger(good, api.control.signing_keys.key_in_use(connection))
    api.control.signing_keys.rotate(actor="test")
    with api.control.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE signing_keys SET retired_at = now() - interval '2 hours' WHERE retired_at IS NOT NULL"
        )
    with open_control_plane(api.control.settings, api.control.url) as later:
        from domain.errors import NotAuthenticatedError
        from resources.access import access_tokens

        with pytest.raises(NotAuthenticatedError):
            access_tokens.verify(later.signing_keys, forger.signed(iat=seconds(-60)))
        assert (
            access_tokens.verify(later.signing_keys, forger.signed(iat=seconds(-9000), exp=seconds(9000))).username
            == "erika"
        )


def test_after_an_emergency_rotation_no_former_token_is_good_in_a_fresh_process(
    api: LiveApi, platform: Platform
) -> None:
    before = api.bearer("erika")
    api.control.signing_keys.rotate(actor="test", is_emergency=True)
    with live_api(platform.settings, platform.url) as fresh:
        assert fresh.client.get("/api/v1/auth/me", headers=before).status_code == 401
        assert fresh.client.get("/api/v1/auth/me", headers=fresh.bearer("erika")).status_code == 200


def test_a_signing_key_moved_to_another_row_is_refused(api: LiveApi) -> None:
    from domain.errors import StorageError

    api.bearer("erika")
    old = api.control.signing_keys.rotate(actor="test")
    api.control.signing_keys.rotate(actor="test")
    with api.control.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE signing_keys SET secret = (SELECT secret FROM signing_keys WHERE key_id = %s) WHERE retired_at IS NULL",
            (old,),
        )
    with api.control.engine.begin() as connection, pytest.raises(StorageError):
        api.control.signing_keys.key_in_use(connection)
