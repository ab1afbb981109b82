"""Keys rotate while others write, go on after kill -9, and never leave a value that nobody can read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from domain.errors import ConflictError, StorageError
from resources.access.audit_log import load_audit_log
from resources.access.encrypted_columns import ENCRYPTED_COLUMNS, SIGNING_SECRET, EncryptedColumn
from resources.access.key_rotation import KeyRotation
from resources.encryption import Cipher, load_cipher
from resources.postgres.engine import make_engine, transaction
from resources.settings import export_environment
from tests.fakes.api_server import until
from tests.fakes.platform import Platform

LATER = timedelta(hours=1)


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    made = make_engine(platform.url, pool_size=20)
    yield made
    made.dispose()


@pytest.fixture
def cipher(platform: Platform) -> Cipher:
    return load_cipher(platform.settings.home)


@pytest.fixture
def rotation(platform: Platform, engine: Engine, cipher: Cipher) -> KeyRotation:
    home = platform.settings.home
    return KeyRotation(engine, cipher, load_audit_log(home), home=home)


def write(engine: Engine, cipher: Cipher, *names: str) -> None:
    """Encrypted values as any service writes them."""
    rows = [
        {"key": one, "secret": cipher.encrypt(f"secret of {one}", bound_to=SIGNING_SECRET.binding(one))}
        for one in names
    ]
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO signing_keys (key_id, secret, created_at, retired_at) VALUES (:key, :secret, now(), now())"
                " ON CONFLICT (key_id) DO UPDATE SET secret = excluded.secret"
            ),
            rows,
        )


def read_all(engine: Engine, cipher: Cipher) -> dict[str, str]:
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT key_id, secret FROM signing_keys")).all()
    return {r.key_id: cipher.decrypt(bytes(r.secret), bound_to=SIGNING_SECRET.binding(r.key_id)) for r in rows}


def expected(names: list[str]) -> dict[str, str]:
    return {name: f"secret of {name}" for name in names}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.requirement("A5")
def test_every_encrypted_column_of_the_database_is_registered(engine: Engine) -> None:
    """A bytea column that rotation does not know would keep its old key for ever."""
    known_else = {("audit_entries", "mac"), ("audit_entries", "previous_mac"), ("push_batches", "payload"),
                  ("api_tokens", "secret_hash"), ("sessions", "refresh_hash"), ("sessions", "previous_hash"),
                  ("spent_refresh_tokens", "refresh_hash")}  # fmt: skip
    with transaction(engine) as connection:
        found = connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'etlmon' AND data_type = 'bytea'"
            )
        ).all()
        keys = {
            one: connection.execute(
                text(
                    "SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index AS i"
                    " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
                    " WHERE i.indisprimary AND i.indrelid = CAST(:table AS regclass)"
                ),
                {"table": one.table},
            ).scalar_one()
            for one in ENCRYPTED_COLUMNS
        }
    assert {tuple(row) for row in found} - known_else == {(one.table, one.column) for one in ENCRYPTED_COLUMNS}
    assert all(tuple(names) == one.keys for one, names in keys.items())


@pytest.mark.requirement("A5")
def test_rotation_moves_every_value_and_prune_takes_the_former_key(
    platform: Platform, engine: Engine, cipher: Cipher, rotation: KeyRotation
) -> None:
    names = [f"k{n:04d}" for n in range(450)]
    write(engine, cipher, *names)
    first = cipher.primary.hex()
    seen: list[tuple[int, int]] = []
    state = rotation.rotate(actor="ann", progress=lambda done, total: seen.append((done, total)))
    assert (state.is_new_key, state.done, state.remaining, state.refused, state.is_finished) == (True, 450, 0, (), True)
    assert seen[-1] == (450, 450)
    assert [(one.key_id, one.is_primary, one.rows) for one in rotation.list_keys()] == [
        (first, False, 0),
        (state.primary, True, 450),
    ]
    assert read_all(engine, load_cipher(platform.settings.home)) == expected(names)
    with pytest.raises(ConflictError, match="minutes ago"):
        rotation.prune(actor="ann")
    assert rotation.prune(actor="ann", now=now() + LATER) == [first]
    assert rotation.prune(actor="ann", now=now() + LATER) == []
    assert read_all(engine, cipher) == expected(names)
    path = platform.settings.home / "secrets" / "encryption.key"
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (40, 0o600)
    with transaction(engine) as connection:
        actions = connection.execute(text("SELECT action FROM audit_entries ORDER BY sequence")).scalars().all()
    assert actions == ["keys.rotate", "keys.reencrypted", "keys.prune"]


@pytest.mark.requirement("A5")
def test_bounded_calls_go_on_where_the_one_before_ended(engine: Engine, cipher: Cipher, rotation: KeyRotation) -> None:
    write(engine, cipher, *(f"k{n}" for n in range(25)))
    states = [rotation.rotate(actor="ann", limit=10, batch=3) for _ in range(3)]
    assert [(one.is_new_key, one.done, one.remaining, one.is_finished) for one in states] == [
        (True, 10, 15, False),
        (False, 10, 5, False),
        (False, 5, 0, True),
    ]
    assert rotation.rotate(actor="ann", limit=1).remaining == 24
    with pytest.raises(ConflictError, match="still under former keys"):
        rotation.prune(actor="ann", now=now() + LATER)


@pytest.mark.requirement("A5")
def test_writers_with_the_old_key_in_memory_lose_nothing(
    platform: Platform, engine: Engine, cipher: Cipher, rotation: KeyRotation
) -> None:
    names = [f"k{n:03d}" for n in range(100)]
    write(engine, cipher, *names)
    stop, failures = threading.Event(), []
    written: list[list[str]] = [[] for _ in range(4)]

    def keep_writing(number: int) -> None:
        mine = load_cipher(platform.settings.home)  # as another process holds it
        turn = 0
        while not stop.is_set():
            name = f"w{number}-{turn}"
            try:
                write(engine, mine, name, names[(turn * 7 + number) % len(names)])
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
                failures.append(error)
                return
            written[number].append(name)
            turn += 1

    writers = [threading.Thread(target=keep_writing, args=(number,)) for number in range(4)]
    for one in writers:
        one.start()
    for _ in range(3):
        assert rotation.rotate(actor="ann", batch=7, is_new_forced=True).refused == ()
    stop.set()
    for one in writers:
        one.join()
    assert failures == []
    rotation.rotate(actor="ann")
    rotation.prune(actor="ann", now=now() + LATER)
    assert read_all(engine, cipher) == expected([*names, *(name for mine in written for name in mine)])


ROTATE = textwrap.dedent("""
    from resources.access.audit_log import load_audit_log
    from resources.access.key_rotation import KeyRotation
    from resources.encryption import load_cipher
    from resources.postgres.engine import make_engine
    from resources.postgres.url import DatabaseUrl
    from resources.settings import load_settings

    settings = load_settings()
    home = settings.home
    engine = make_engine(DatabaseUrl.parse(settings.database_url.get_secret_value()))
    KeyRotation(engine, load_cipher(home), load_audit_log(home), home=home).rotate(actor="killed", batch=1)
""")


@pytest.mark.requirement("A5")
def test_a_killed_rotation_goes_on(platform: Platform, engine: Engine, cipher: Cipher, rotation: KeyRotation) -> None:
    names = [f"k{n:04d}" for n in range(2000)]
    write(engine, cipher, *names)
    first = cipher.primary
    process = subprocess.Popen([sys.executable, "-c", ROTATE], env=export_environment(platform.settings))

    def moved() -> int:
        return sum(one.rows for one in rotation.list_keys() if one.is_primary and one.key_id != first.hex())

    until(lambda: moved() > 20)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    already = moved()
    assert 20 < already < 2000
    assert read_all(engine, cipher) == expected(names)
    state = rotation.rotate(actor="ann")
    assert (state.is_new_key, state.done, state.remaining) == (False, 2000 - already, 0)
    assert len(rotation.list_keys()) == 2, "no second new key"
    assert read_all(engine, cipher) == expected(names)


@pytest.mark.requirement("A5")
def test_a_tampered_value_is_named_left_alone_and_keeps_its_key(
    engine: Engine, cipher: Cipher, rotation: KeyRotation
) -> None:
    write(engine, cipher, "good", "moved", "bad")
    with transaction(engine) as connection:
        connection.execute(
            text("UPDATE signing_keys SET secret = set_byte(secret, 25, get_byte(secret, 25) # 1) WHERE key_id = 'bad'")
        )
        connection.execute(
            text(
                "UPDATE signing_keys SET secret = (SELECT secret FROM signing_keys WHERE key_id = 'good') WHERE key_id = 'moved'"
            )
        )
    state = rotation.rotate(actor="ann")
    assert (state.done, state.remaining, state.is_finished) == (1, 2, True)
    assert [reason.split()[0] for reason in state.refused] == ["signing_keys.secret:bad", "signing_keys.secret:moved"]
    with pytest.raises(ConflictError, match="2 under"):
        rotation.prune(actor="ann", now=now() + LATER)
    with pytest.raises(StorageError, match="altered"):
        read_all(engine, cipher)
    assert rotation.rotate(actor="ann", is_new_forced=True).is_new_key


@pytest.mark.requirement("A5")
def test_a_row_that_somebody_holds_is_waited_for(engine: Engine, cipher: Cipher, rotation: KeyRotation) -> None:
    write(engine, cipher, "a", "b", "c")
    done = threading.Event()

    def rotate() -> None:
        rotation.rotate(actor="ann")
        done.set()

    with engine.begin() as holder:
        holder.execute(text("SELECT 1 FROM signing_keys WHERE key_id = 'b' FOR UPDATE"))
        thread = threading.Thread(target=rotate)
        thread.start()
        until(lambda: rotation.list_keys()[-1].rows == 2)
        assert not done.wait(0.2)
        holder.execute(text("UPDATE signing_keys SET retired_at = now() WHERE key_id = 'b'"))
    thread.join(30)
    assert done.is_set()
    assert [one.rows for one in rotation.list_keys()] == [0, 3]


@pytest.mark.requirement("A5")
def test_ten_thousand_values_take_seconds(engine: Engine, cipher: Cipher, rotation: KeyRotation) -> None:
    write(engine, cipher, *(f"k{n:05d}" for n in range(10_000)))
    started = time.process_time()
    assert rotation.rotate(actor="ann").done == 10_000
    assert time.process_time() - started < 10


def test_a_binding_needs_the_whole_key() -> None:
    with pytest.raises(ValueError, match="bound"):
        EncryptedColumn("t", "c", ("a", "b")).binding("only one")
