"""Sensitive columns: unreadable without the key, bound to their place, loud when altered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, StorageError
from resources.access.encrypted_columns import LOADER_SECRET
from resources.encryption import Cipher, load_cipher, new_key_record
from resources.secret_files import replace_secret_file

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


@pytest.mark.requirement("A5")
def test_a_running_process_notices_a_new_key_at_once(tmp_path: Path) -> None:
    running = load_cipher(tmp_path)
    old = running.encrypt("secret", bound_to="a")
    path = tmp_path / "secrets" / "encryption.key"
    first = path.read_bytes()
    replace_secret_file(path, first + new_key_record())
    elsewhere = load_cipher(tmp_path).encrypt("secret", bound_to="a")
    assert elsewhere[:8] != old[:8] == first[:8]
    assert [running.decrypt(value, bound_to="a") for value in (old, elsewhere)] == ["secret", "secret"]
    assert running.encrypt("x", bound_to="a")[:8] == elsewhere[:8] == running.primary
    assert running.key_ids == [old[:8], elsewhere[:8]]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.requirement("A5")
def test_nothing_is_encrypted_under_a_key_that_is_gone_or_damaged(tmp_path: Path) -> None:
    running = load_cipher(tmp_path)
    stored = running.encrypt("secret", bound_to="a")
    path = tmp_path / "secrets" / "encryption.key"
    content = path.read_bytes()
    for damaged in (content + b"x", content + content, b""):
        replace_secret_file(path, damaged)
        with pytest.raises(ConfigurationError, match="damaged"):
            running.encrypt("secret", bound_to="a")
    path.unlink()
    with pytest.raises(ConfigurationError, match="gone"):
        running.encrypt("secret", bound_to="a")
    assert running.decrypt(stored, bound_to="a") == "secret", "what it knows it still reads"


@pytest.mark.requirement("A5")
def test_the_binding_names_the_row() -> None:
    assert LOADER_SECRET.binding("DEMO-A", 3) == "loader_versions.secret:DEMO-A:3"
    with pytest.raises(ValueError, match="bound"):
        LOADER_SECRET.binding("DEMO-A")
