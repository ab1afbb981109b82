"""Sensitive columns: unreadable without the key, bound to their place, loud when altered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, StorageError
from resources.encryption import Cipher, load_cipher

CIPHER = Cipher(b"keyid-01" + b"k" * 32)


@pytest.mark.requirement("A5")
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encrypted_comes_back_in_its_place(text: str, place: str) -> None:
    stored = CIPHER.encrypt(text, bound_to=place)
    assert CIPHER.decrypt(stored, bound_to=place) == text
    assert len(text.encode()) < 4 or text.encode() not in stored


@pytest.mark.requirement("A5")
def test_the_same_text_never_looks_the_same_and_names_its_key() -> None:
    first, second = CIPHER.encrypt("secret", bound_to="a"), CIPHER.encrypt("secret", bound_to="a")
    assert first != second
    assert first[:8] == second[:8] == b"keyid-01"


@pytest.mark.requirement("A5")
def test_moved_altered_or_cut_values_are_refused() -> None:
    stored = CIPHER.encrypt("secret", bound_to="loader:1")
    flipped = stored[:-1] + bytes([stored[-1] ^ 1])
    for bad, place in (
        (stored, "loader:2"),
        (flipped, "loader:1"),
        (stored[:20], "loader:1"),
        (stored[:30], "loader:1"),
    ):
        with pytest.raises(StorageError, match="altered"):
            CIPHER.decrypt(bad, bound_to=place)
    with pytest.raises(StorageError, match="another key"):
        Cipher(b"keyid-02" + b"k" * 32).decrypt(stored, bound_to="loader:1")


def test_the_key_of_a_home_is_made_once_and_is_private(tmp_path: Path) -> None:
    stored = load_cipher(tmp_path).encrypt("secret", bound_to="a")
    assert load_cipher(tmp_path).decrypt(stored, bound_to="a") == "secret"
    path = tmp_path / "secrets" / "encryption.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="damaged"):
        load_cipher(tmp_path)
