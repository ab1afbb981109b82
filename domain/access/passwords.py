"""What a password must be. Length is what counts (NIST SP 800-63B); composition rules are deliberately absent.

Hashing lives in `resources.access.password_hashes`.
"""

from __future__ import annotations

import re
import unicodedata

from domain.errors import InputDataError

MIN_LENGTH = 12
MAX_LENGTH = 256
_MIN_DISTINCT = 5

#: Beginnings of everybody's first idea; what is left after taking one away must still be long enough to count.
_COMMON = (
    "password", "passwort", "contraseña", "motdepasse", "changeme", "letmein", "welcome", "willkommen", "iloveyou", "admin",
    "administrator", "qwertyuiop", "qwertz", "qwerty", "asdfghjkl", "azerty", "1q2w3e4r", "zaq12wsx", "monkey", "dragon",
    "football", "baseball", "sunshine", "princess", "superman", "trustno1", "secret", "default", "etlmon", "operator",
    "abcdefghijkl", "0123456789", "1234567890", "123456789012", "987654321", "correcthorsebatterystaple",
)  # fmt: skip


def normalise_password(password: str) -> str:
    """NFKC, so that the same keys on another keyboard give the same password (NIST SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, username: str) -> None:
    """Refuse a password that is easy to guess.

    Raises:
        InputDataError: the reason names the rule; never the password.
    """
    fault = _find_fault(normalise_password(password), username.lower())
    if fault:
        raise InputDataError(
            f"the password {fault}",
            suggestion=f"take at least {MIN_LENGTH} characters, for example four unrelated words",
        )


def _find_fault(password: str, username: str) -> str:
    plain = password.lower()
    if len(password) < MIN_LENGTH:
        return f"has {len(password)} characters; it needs at least {MIN_LENGTH}"
    if len(password) > MAX_LENGTH:
        return f"has more than {MAX_LENGTH} characters"
    if len(set(plain)) < _MIN_DISTINCT:
        return "repeats the same few characters"
    if _is_little_more_than(username, plain):
        return "is little more than the user name"
    if any(_is_little_more_than(one, plain) for one in _COMMON):
        return "is among those that are tried first"
    return ""


def _is_little_more_than(word: str, password: str) -> bool:
    """The word, once or several times, with digits and signs around it."""
    if len(word) < 4 or word not in password:  # a very short name inside a long password tells nothing
        return password == word
    rest = password.replace(word, "")
    return len(re.sub(r"[\W\d_]", "", rest)) < 4
