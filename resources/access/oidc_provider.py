"""An identity provider over HTTP: discovery, keys, the exchange of a code, and what makes an id token good (OpenID Connect Core)."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from authlib.integrations.base_client.errors import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from domain.errors import ConfigurationError, EtlmonError, SourceAnswerError, SourceUnreachableError
from resources import tracing
from resources.breakers import guard
from resources.http_failures import redact_url
from resources.outgoing_http import Deadline, call_with_retries, correlation_headers

#: Signatures by the provider's private key only: "none" and HMAC with a public key cannot pass.
ALGORITHMS = ["RS256", "PS256", "ES256", "RS384", "ES384", "RS512"]
_TIMEOUT_S = 5.0
_KEPT_S = 3600.0
_LEEWAY_S = 30
_AGAIN_S = 10.0


class IdTokenError(Exception):
    """The id token or the code is not good; the text is for the login audit, not for the visitor."""


@dataclass(frozen=True, slots=True)
class Client:
    """Us, as the provider knows us."""

    client_id: str
    secret: str | None
    redirect_uri: str

    def __repr__(self) -> str:
        return f"Client({self.client_id})"


def _call_span(method: str, url: str) -> AbstractContextManager[tracing.OpenSpan]:
    return tracing.span(method, kind="client", http__request__method=method, url__full=redact_url(url))


class OidcProvider:
    """One issuer. Its documents are kept for an hour; keys are read again when a token names one we do not know."""

    def __init__(self, issuer: str, client: Client) -> None:
        self._issuer = issuer.rstrip("/")
        self._client = client
        self._breaker = f"oidc {self._issuer}"
        self._lock = threading.Lock()
        self._documents: dict[str, tuple[float, dict[str, Any]]] = {}
        self._looked_again_at = float("-inf")

    def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent.

        Raises:
            SourceUnreachableError, SourceAnswerError: the provider does not answer, or not as one.
        """
        with self._session() as session:
            url: str
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        return url

    def claims_of(self, code: str, *, verifier: str, nonce: str) -> dict[str, Any]:
        """What the provider says about the person who brought this code.

        Raises:
            IdTokenError: it refuses the code, or its id token is not good.
            SourceUnreachableError, SourceAnswerError: it does not answer, or not as one.
        """
        endpoint = self._endpoint("token_endpoint")
        with guard(self._breaker):  # a code is good once: no second try
            answer = self._exchange(endpoint, code, verifier)
        return self._verify(answer.get("id_token"), nonce)

    def _exchange(self, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        try:
            with self._session() as session, _call_span("POST", endpoint):
                answer: dict[str, Any] = session.fetch_token(
                    endpoint,
                    code=code,
                    grant_type="authorization_code",
                    code_verifier=verifier,
                    timeout=_TIMEOUT_S,
                    headers={**correlation_headers(), "Accept": "application/json"},
                    allow_redirects=False,
                )
        except OAuthError as error:
            raise IdTokenError(f"code refused: {error.error}") from None
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        except (ValueError, KeyError, TypeError):
            raise IdTokenError("no token in the answer") from None
        return answer

    def _verify(self, id_token: object, nonce: str) -> dict[str, Any]:
        if not isinstance(id_token, str) or len(id_token) > 32_768:
            raise IdTokenError("no id token")
        try:
            header = jwt.get_unverified_header(id_token)
            if header.get("alg") not in ALGORITHMS:
                raise IdTokenError("algorithm not accepted")
            claims: dict[str, Any] = jwt.decode(
                id_token,
                self._key(header.get("kid")),
                algorithms=ALGORITHMS,
                audience=self._client.client_id,
                issuer=self._issuer_as_said(),
                leeway=_LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise IdTokenError(f"id token: {type(error).__name__}") from None
        is_for_us = claims.get("azp", self._client.client_id) == self._client.client_id
        if claims["nonce"] != nonce or not is_for_us or not isinstance(claims["sub"], str) or not claims["sub"]:
            raise IdTokenError("id token: nonce, azp or sub")
        return claims

    def _key(self, key_id: object) -> Any:
        """The provider's key of that id (its only one when the token names none)."""
        for is_fresh in (False, True):
            if is_fresh and not self._may_look_again():
                break
            keys = self._keys(is_fresh=is_fresh)
            fitting = [one for one in keys if key_id is None or one.key_id == key_id]
            if len(fitting) == 1 or (fitting and key_id is not None):
                return fitting[0]
        raise IdTokenError("unknown key")

    def _may_look_again(self) -> bool:
        """The provider may have rotated its keys; strangers' tokens must not make us ask it all the time."""
        with self._lock:
            is_due = time.monotonic() - self._looked_again_at > _AGAIN_S
            if is_due:
                self._looked_again_at = time.monotonic()
        return is_due

    def _keys(self, *, is_fresh: bool) -> list[jwt.PyJWK]:
        found = []
        for one in self._document(self._endpoint("jwks_uri"), is_fresh=is_fresh).get("keys", []):
            try:
                key = jwt.PyJWK(one)
            except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError):
                continue  # a kind of key that we do not know
            if key.key_type in ("RSA", "EC") and one.get("use", "sig") == "sig":
                found.append(key)
        return found

    def _issuer_as_said(self) -> str:
        """With or without the slash at its end, as the provider writes it; anything else is another issuer."""
        said = self._document(f"{self._issuer}/.well-known/openid-configuration").get("issuer")
        if not isinstance(said, str) or said.rstrip("/") != self._issuer:
            raise ConfigurationError(
                f"{self._issuer} says that its name is {str(said)[:200]!r}", suggestion="correct ETLMON_OIDC_ISSUER"
            )
        return said

    def _endpoint(self, name: str) -> str:
        self._issuer_as_said()
        url = self._document(f"{self._issuer}/.well-known/openid-configuration").get(name)
        is_plain_allowed = self._issuer.startswith("http://")
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", *(["http"] if is_plain_allowed else [])):
            raise SourceAnswerError(
                f"{self._issuer} has no usable {name}", suggestion="is it an OpenID Connect issuer?"
            )
        return url

    def _document(self, url: str, *, is_fresh: bool = False) -> dict[str, Any]:
        with self._lock:
            read_at, known = self._documents.get(url, (float("-inf"), {}))
        if known and not is_fresh and time.monotonic() - read_at < _KEPT_S:
            return known
        document = call_with_retries(lambda limit: self._read(url, limit), timeout_s=_TIMEOUT_S, breaker=self._breaker)
        if not isinstance(document, dict):
            raise SourceAnswerError(f"{url} is no JSON object", suggestion="is it an OpenID Connect issuer?")
        with self._lock:
            self._documents[url] = (time.monotonic(), document)
        return document

    def _read(self, url: str, limit: Deadline) -> Any:
        try:
            with self._session() as session, _call_span("GET", url):
                reply = session.request(
                    "GET",
                    url,
                    withhold_token=True,
                    headers=correlation_headers(),
                    timeout=max(limit.remaining_s(), 0.1),
                    allow_redirects=False,
                )
                reply.raise_for_status()
                return reply.json()
        except requests.RequestException as error:
            raise self._unreachable(error) from None

    def _session(self) -> OAuth2Session:
        session = OAuth2Session(
            client_id=self._client.client_id,
            client_secret=self._client.secret,
            redirect_uri=self._client.redirect_uri,
            scope="openid profile email",
            token_endpoint_auth_method="client_secret_basic" if self._client.secret else "none",
        )
        session.trust_env = False
        return session

    def _unreachable(self, error: Exception) -> EtlmonError:
        return SourceUnreachableError(
            f"the identity provider {self._issuer} does not answer: {type(error).__name__}",
            suggestion="try again, or log in with a password",
        )
