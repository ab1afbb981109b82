"""The secrets that this process knows right now, so that no log line or error text repeats one, whatever text it stands in.

Filled where a secret is decrypted or parsed. In memory only, at most `LIMIT` values: the one not registered for longest goes
first. Values of fewer than `SHORTEST` characters are not kept: masking them would blacken ordinary words.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

from domain.access.secret_text import MASK, mask_secret_patterns
from domain.errors import EtlmonError
from domain.loaders.connection_url import query_secrets
from domain.loaders.definition import Connection

SHORTEST = 6
LIMIT = 10_000
_REMEMBERED = 200
_FEW = 64  # prefixes that are looked for one by one


class SecretRegistry:
    """Values to be masked, found by their first six characters: the cost grows with the text, not with the number of secrets."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._forms: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._by_prefix: dict[str, tuple[str, ...]] = {}
        self.generation = 0  # another number whenever the answer for some text may have changed

    def register(self, value: str) -> None:
        """Mask this value from now on, also url-encoded, in base64 and escaped as in JSON."""
        if len(value) < SHORTEST or value == MASK:
            return
        with self._lock:
            if value in self._forms:
                self._forms.move_to_end(value)
                return
            self._forms[value] = _forms_of(value)
            for form in self._forms[value]:
                prefix = form[:SHORTEST]
                self._by_prefix[prefix] = (*self._by_prefix.get(prefix, ()), form)
            if len(self._forms) > self._limit:
                self._forget(self._forms.popitem(last=False)[1])
            self.generation += 1

    def _forget(self, forms: Iterable[str]) -> None:
        for form in forms:
            kept = list(self._by_prefix[form[:SHORTEST]])
            kept.remove(form)
            if kept:
                self._by_prefix[form[:SHORTEST]] = tuple(kept)
            else:
                del self._by_prefix[form[:SHORTEST]]

    def mask(self, text: str) -> str:
        """The text without any registered value."""
        index = self._by_prefix
        if not index or len(text) < SHORTEST:
            return text
        if len(index) <= _FEW and not any(prefix in text for prefix in index):
            return text
        found = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}
        if index.keys().isdisjoint(found):
            return text
        forms = {form for prefix in found for form in index.get(prefix, ())}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text


def _forms_of(value: str) -> tuple[str, ...]:
    raw = value.encode("utf-8", "replace")
    encoded = quote(value, safe="", errors="replace")
    forms = {
        value,
        encoded,
        encoded.lower() if "%" in encoded else encoded,
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
    }
    return tuple(form for form in forms if len(form) >= SHORTEST)


_REGISTRY = SecretRegistry()


def register_secret(value: str) -> None:
    """This process masks the value from now on. Shorter than six characters: ignored."""
    _REGISTRY.register(value)


def register_connection(connection: Connection) -> None:
    """Password, header values, and what the url carries: user information and secret values of its query."""
    parts = urlsplit(connection.url) if "://" in connection.url else urlsplit("")
    username, _, inside = parts.netloc.rpartition("@")[0].partition(":")
    password = connection.password.get_secret_value() if connection.password else ""
    for value in (password, inside, unquote(inside), *connection.headers.values()):
        register_secret(value)
        register_secret(value.rpartition(" ")[2])  # the token behind "Bearer "
    for name, word in ((connection.username or "", password), (unquote(username), unquote(inside))):
        if word:
            register_secret(base64.b64encode(f"{name}:{word}".encode()).decode())
    for value in query_secrets(connection.url).values():
        register_secret(value)
        register_secret(unquote(value))


def mask_secrets(text: str) -> str:
    """The text without the secrets that this process knows and without what is written like a credential."""
    if len(text) > _REMEMBERED:
        return mask_secret_patterns(_REGISTRY.mask(text))
    return _mask_short(text, _REGISTRY.generation)


@lru_cache(maxsize=4096)
def _mask_short(text: str, _generation: int) -> str:
    """Most fields of a log line are the same in the next one."""
    return mask_secret_patterns(_REGISTRY.mask(text))


def mask_error(error: EtlmonError) -> EtlmonError:
    """The same error without secrets in its texts: before it is stored, answered or shown. A source may echo what it was sent."""
    error.reason, error.suggestion = mask_secrets(error.reason), mask_secrets(error.suggestion)
    error.context = {name: mask_secrets(one) if isinstance(one, str) else one for name, one in error.context.items()}
    error.args = (error.reason,)
    return error
