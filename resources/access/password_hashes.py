"""Argon2id, at a price: m = 46 MiB, t = 1, p = 1 (OWASP's first choice), 50-80 ms a verification on the machines we measured.

At most `_AT_ONCE` run at a time in one process, so that a flood of logins is bounded at 184 MiB and leaves cores for others.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.access.passwords import MAX_LENGTH, normalise_password
from domain.errors import RateLimitedError

MEMORY_KIB, PASSES, LANES = 47_104, 1, 1
_AT_ONCE = max(2, min(4, os.cpu_count() or 2))
_WAITING = 16


class PasswordHashes:
    """Hashes and verifies. One per process."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._places = threading.BoundedSemaphore(_AT_ONCE + _WAITING)
        self._working = threading.BoundedSemaphore(_AT_ONCE)
        self._of_nobody = self._hasher.hash(os.urandom(16).hex())

    def hash(self, password: str) -> str:
        """The encoded hash with its parameters and a random salt."""
        with self._turn():
            return self._hasher.hash(normalise_password(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. Takes as long where there is nothing to compare with: answers False then.

        Raises:
            RateLimitedError: more logins are waiting than this process can check in a second.
        """
        with self._turn():
            try:
                self._hasher.verify(stored or self._of_nobody, normalise_password(password[: 4 * MAX_LENGTH]))
            except (VerificationError, InvalidHashError):
                return False
            return stored is not None and len(password) <= 4 * MAX_LENGTH

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters and should be made anew at the next login."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise RateLimitedError(
                "too many logins at the same time", suggestion="try again in a few seconds", retry_after_s=2
            )
        try:
            with self._working:
                yield
        finally:
            self._places.release()
