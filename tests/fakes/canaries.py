"""Secrets that a test plants, and the search for them in every writing: as they are, url-encoded, escaped, in hex and base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus


def writings(value: str) -> set[bytes]:
    """Every form in which the value may stand in a text or a file; base64 at each of its three alignments."""
    raw = value.encode()
    forms = {
        value, quote(value), quote(value, safe=""), quote_plus(value), quote(value, safe="").lower(), json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1], value[::-1],
    }  # fmt: skip
    return {form.encode() for form in forms} | writings_of_bytes(raw)


def writings_of_bytes(raw: bytes) -> set[bytes]:
    """As it is, in hex and in both alphabets of base64."""
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        inside = base64.b64encode(b"\0" * shift + raw)
        core = inside[0 if shift == 0 else 4 : len(inside) - 4 if (shift + len(raw)) % 3 else len(inside)]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


@dataclass
class Canaries:
    """Planted values by name, and every place that was searched.

    Attributes:
        values: texts; `raw` are keys, which are no text.
        among: name → how the places begin in which it must not be; what is not named must be nowhere.
    """

    values: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    among: dict[str, str] = field(default_factory=dict)
    _places: dict[str, bytes] = field(default_factory=dict)

    def plant(self, name: str, value: str, *, among: str = "") -> str:
        self.values[name] = value
        self.among[name] = among
        return value

    def plant_raw(self, name: str, value: bytes) -> None:
        self.raw[name] = value

    def keep(self, place: str, content: str | bytes) -> None:
        """Something that left the platform or stays in it; searched by `leaks`."""
        raw = content.encode() if isinstance(content, str) else content
        self._places[place] = self._places.get(place, b"") + raw

    @property
    def places(self) -> list[str]:
        return sorted(self._places)

    def leaks(self) -> list[str]:
        """ "secret in place: …text around it", for every planted value that was found where it must not be."""
        found = []
        for name, place, around in self._search([*self.values, *self.raw]):
            if place.startswith(self.among.get(name, "")):
                found.append(f"{name} in {place}: …{around}<HERE>")
        return sorted(set(found))

    def found_in(self, *names: str) -> set[str]:
        """The places that have one of them, allowed or not."""
        return {place for _, place, _ in self._search(names)}

    def _search(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        for name in names:
            forms = writings(self.values[name]) if name in self.values else writings_of_bytes(self.raw[name])
            for form in forms:
                for place, content in self._places.items():
                    at = content.find(form)
                    if at >= 0:
                        yield name, place, content[max(at - 80, 0) : at].decode(errors="replace")
