"""The standing of the causal score as a file: written whole under a new name, then named by a row of the lake."""

from __future__ import annotations

import os
import uuid
import zipfile
from pathlib import Path

import numpy as np

from domain.anomalies.continuing import Standing, is_of_this_version
from domain.errors import StorageError

_ID, _REACHED = "series_id", "reached_us"


def save_standing(folder: Path, standing: Standing) -> str:
    """Write and flush a file of its own; returns its name. Nothing counts it until the lake names it.

    Raises:
        StorageError: no space or no permission.
    """
    name = f"causal-{uuid.uuid4().hex}.npz"
    arrays = {_ID: standing.series_id, _REACHED: standing.reached_us}
    arrays |= {f"state_{key}": array for key, array in standing.state.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        (folder / name).unlink(missing_ok=True)
        reason = f"{folder}: the state of the anomaly scores cannot be written ({error})"
        raise StorageError(reason, suggestion="check free space and permissions of the folder") from None
    return name


def load_standing(folder: Path, name: str) -> Standing | None:
    """The standing in that file; None where it is missing, damaged or of another version, so that history must tell again."""
    try:
        with np.load(folder / name, allow_pickle=False) as arrays:
            state = {key.removeprefix("state_"): arrays[key] for key in arrays.files if key.startswith("state_")}
            standing = Standing(arrays[_ID], arrays[_REACHED], state)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return standing if is_of_this_version(state) else None


def remove_others(folder: Path, name: str) -> None:
    """Files of before, and of writers that died between file and lake."""
    for file in folder.glob("causal-*.npz"):
        if file.name != name:
            file.unlink(missing_ok=True)
