"""`etlmon restore`: a backup into an empty home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.copy_progress import CopyProgress

app = typer.Typer(add_completion=False)


@app.command(
    help="Bring a backup into an empty home. Every file is verified before anything is used; a failure leaves the home "
    "as empty as it was.\n\nExample: etlmon restore etlmon-2026-11-23.tar --home ./restored"
)
def restore(
    file: Annotated[Path, typer.Argument(help="file that `etlmon backup` has written")],
    home: Annotated[Path | None, typer.Option(help="home to make; default ./.etlmon")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")] = False,
) -> None:
    """See the decorator: the help has an example."""
    from resources.backup.restoring import restore_backup
    from resources.settings import load_settings

    settings = load_settings(home=home)
    with CopyProgress("verifying", is_shown=not as_json) as bar:
        manifest = restore_backup(file.expanduser().absolute(), settings, progress=bar)
    if as_json:
        result = {"home": str(settings.home), "signals": manifest.signals, "created_at": manifest.created_at}
        print(json.dumps(result))
    else:
        print(f"{settings.home}: {manifest.signals:,} signals, as of {manifest.created_at}")
        print(f"start it: etlmon up --home {settings.home}")
