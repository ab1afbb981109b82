"""/api/v1/keys: the keys that encrypt columns and sign tokens; no key itself ever leaves (A5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime

from api.access import allow, control_plane, current_caller
from api.wire import WireModel
from domain.access.permissions import Caller
from resources.control_plane import ControlPlane

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])

Control = Annotated[ControlPlane, Depends(control_plane)]
Asking = Annotated[Caller, Depends(current_caller)]
#: Values that one call writes anew at most: an answer within seconds.
_PER_CALL = 2000


class EncryptionKey(WireModel):
    """One key by its id."""

    key_id: str
    is_primary: bool
    is_in_file: bool
    rows: int


class SigningKeyState(WireModel):
    """One key that signs (`retired_at` null) or only verifies."""

    key_id: str
    created_at: AwareDatetime
    retired_at: AwareDatetime | None


class Keys(WireModel):
    """All keys: encryption oldest first, signing newest first."""

    encryption: list[EncryptionKey]
    signing: list[SigningKeyState]


class Rotation(WireModel):
    """How far the rotation is; call again until `is_finished`."""

    primary: str
    is_new_key: bool
    done: int
    remaining: int
    refused: list[str]
    is_finished: bool


class Pruned(WireModel):
    """Ids of the keys that were taken away."""

    pruned: list[str]


class SigningRotation(WireModel):
    """The key that signs from now on."""

    key_id: str


@router.get("")
@allow("keys", "read")
def list_keys(control: Control) -> Keys:
    """Which keys there are and how many values are under each."""
    usages = control.key_rotation.list_keys()
    return Keys(
        encryption=[
            EncryptionKey(key_id=one.key_id, is_primary=one.is_primary, is_in_file=one.is_in_file, rows=one.rows)
            for one in usages
        ],
        signing=[SigningKeyState(**one) for one in control.signing_keys.list_keys()],
    )


@router.post("/rotate")
@allow("keys", "rotate")
def rotate_encryption_key(control: Control, caller: Asking) -> Rotation:
    """Make a new key and write up to 2,000 values anew, or go on with the rotation that has not ended."""
    state = control.key_rotation.rotate(actor=caller.username, limit=_PER_CALL)
    return Rotation(
        primary=state.primary,
        is_new_key=state.is_new_key,
        done=state.done,
        remaining=state.remaining,
        refused=list(state.refused),
        is_finished=state.is_finished,
    )


@router.post("/prune")
@allow("keys", "rotate")
def prune_encryption_keys(control: Control, caller: Asking) -> Pruned:
    """Take away the keys that no value is under; 409 while one is."""
    return Pruned(pruned=control.key_rotation.prune(actor=caller.username))


@router.post("/signing/rotate")
@allow("keys", "rotate")
def rotate_signing_key(control: Control, caller: Asking) -> SigningRotation:
    """Sign with a new key from now on; tokens of the former one hold until they expire."""
    return SigningRotation(key_id=control.signing_keys.rotate(actor=caller.username))
