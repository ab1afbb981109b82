"""What passes as a password, and that a refusal says why without repeating it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.passwords import MIN_LENGTH, check_password, normalise_password
from domain.errors import InputDataError

pytestmark = pytest.mark.requirement("A1")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "0 characters"),
        ("short-one", "9 characters"),
        ("x" * 300, "more than 256"),
        ("aaaaaaaaaaaa", "same few"),
        ("abababababab", "same few"),
        ("erika.mustermann", "user name"),
        ("ERIKA.MUSTERMANN2026!", "user name"),
        ("password1234", "tried first"),
        ("Password!2026", "tried first"),
        ("passwordpassword", "tried first"),
        ("qwertyuiop123", "tried first"),
        ("1234567890123", "tried first"),
        ("CorrectHorseBatteryStaple", "tried first"),
    ],
)
def test_what_is_easy_to_guess_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(InputDataError) as refused:
        check_password(password, username="erika.mustermann")
    assert why in refused.value.reason
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    [
        "four unrelated words",
        "tr0ub4dor&3-xkcd",
        "my password is a poem about snow",
        "ключ от всех дверей",
        "k8f-q2m-x9r-p4",
    ],
)
def test_long_ones_pass_without_rules_of_composition(password: str) -> None:
    check_password(password, username="erika")
    check_password(password, username="my")


@given(st.text(max_size=MIN_LENGTH - 1))
def test_nothing_shorter_passes(password: str) -> None:
    if len(normalise_password(password)) < MIN_LENGTH:
        with pytest.raises(InputDataError):
            check_password(password, username="erika")


def test_the_same_keys_on_another_keyboard_give_the_same_password() -> None:
    assert normalise_password("Scho\u0308n") == normalise_password("Sch\u00f6n")
