"""`etlmon backup`: a consistent copy of everything in one file, while the platform runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.copy_progress import CopyProgress

app = typer.Typer(add_completion=False)


@app.command(
    help="Write database, lake, secrets and connections into one tar file (mode 0600: it holds the keys). Captures go on "
    "meanwhile; the copy is of one instant.\n\nExample: etlmon backup etlmon-2026-11-23.tar --home ./.etlmon"
)
def backup(
    file: Annotated[Path, typer.Argument(help="file to write; an older one of that name is replaced at the end")],
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")] = False,
) -> None:
    """See the decorator: the help has an example."""
    from resources.backup.writing import write_backup
    from resources.clock import utc_now
    from resources.platform import open_platform
    from resources.settings import load_settings

    settings = load_settings(home=home)
    target = file.expanduser().absolute()
    with (
        open_platform(settings, is_read_only=True) as (url, lake),
        CopyProgress("writing", is_shown=not as_json) as bar,
    ):
        manifest = write_backup(settings, url, lake, target, at=utc_now(), progress=bar)
    size = target.stat().st_size
    if as_json:
        result = {"file": str(target), "bytes": size, "files": len(manifest.files), "signals": manifest.signals}
        print(json.dumps({**result, "created_at": manifest.created_at}))
    else:
        print(f"{target}: {size / 1e6:,.1f} MB, {len(manifest.files):,} files, {manifest.signals:,} signals")
        print("it holds the keys of this home: keep it where only you can read it")
