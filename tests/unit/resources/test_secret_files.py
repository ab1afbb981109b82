"""Secrets made at first use: private, the same for everybody, whoever comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resources.secret_files import load_secret_file, load_token


def test_many_at_once_get_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda n: load_secret_file(tmp_path, "a.key", str(n).encode() * 8), range(64)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["a.key"], "nothing is left of the others"


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    load_token(tmp_path, "push.token")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / "push.token").stat().st_mode & 0o777 == 0o600


def test_a_token_is_long_stays_and_may_be_set_by_hand(tmp_path: Path) -> None:
    assert len(load_token(tmp_path, "push.token")) == 64
    assert load_token(tmp_path, "push.token") == load_token(tmp_path, "push.token")
    assert load_token(tmp_path, "push.token") != load_token(tmp_path, "other.token")
    (tmp_path / "secrets" / "push.token").write_text("mine\n")
    assert load_token(tmp_path, "push.token") == "mine"
