"""The table of settings in the README is the model's own: a setting that changes must change there too."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from resources.settings import Settings

README = Path(__file__).parents[3] / "README.md"


def default_of(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "`.etlmon` in the working folder"
    if field.default in (None, PydanticUndefined):
        return "unset"
    return f"`{field.default}`"


def render_table() -> str:
    rows = ["| variable | meaning | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        is_secret = "SecretStr" in str(field.annotation) or "SecretStr" in str(get_args(field.annotation))
        meaning = f"{field.description}{' (secret)' if is_secret else ''}"
        rows.append(f"| `ETLMON_{name.upper()}` | {meaning} | {default_of(field)} |")
    return "\n".join(rows)


def test_the_readme_has_the_settings_as_they_are() -> None:
    expected = render_table()
    assert expected in README.read_text(), f"put this table into README.md:\n{expected}"
