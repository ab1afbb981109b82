"""`etlmon keys`: the keys that encrypt columns and sign tokens. While everything runs; no key is ever shown."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.acting import open_control, permitted

app = typer.Typer(
    add_completion=False,
    help="Keys: list them, rotate them online, remove those no value uses.\n\nExample: etlmon keys rotate",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]


@app.command("list", help="Which keys there are and how many values are under each.\n\nExample: etlmon keys list")
def list_(user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        permitted(control, user, "keys", "read")
        found = _describe(control)
    if as_json:
        print(json.dumps(found, default=str))
    else:
        _print(found)


@app.command(
    help="Make a new key and write every encrypted value anew under it, while everything runs. Killed or interrupted, the "
    "next call goes on. --signing makes a new key for tokens instead; the former one verifies until its tokens expire.\n\n"
    "Example: etlmon keys rotate"
)
def rotate(
    *,
    signing: Annotated[bool, typer.Option("--signing", help="the key that signs tokens")] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="with --signing: end every token now (one leaked)")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="a new key even though a rotation has not ended")] = False,
    user: User = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example. Exit code 1 when values could not be decrypted."""
    from api.cli.stage_progress import StageProgress

    with open_control(home) as control:
        caller = permitted(control, user, "keys", "rotate")
        if signing:
            key_id = control.signing_keys.rotate(actor=caller.username, is_emergency=emergency)
            print(json.dumps({"keyId": key_id}) if as_json else f"tokens are signed with key {key_id} from now on")
            return
        with StageProgress(is_shown=not as_json) as bar:
            state = control.key_rotation.rotate(
                actor=caller.username, is_new_forced=new, progress=partial(bar, "encrypting anew")
            )
        found = _describe(control)
    if as_json:
        result = {
            "primary": state.primary,
            "isNewKey": state.is_new_key,
            "done": state.done,
            "remaining": state.remaining,
        }
        print(json.dumps({**result, "refused": state.refused, **found}, default=str))
    else:
        print(
            f"{'new key' if state.is_new_key else 'went on with key'} {state.primary}: {state.done:,} values written anew"
        )
        for reason in state.refused:
            print(f"  refused: {reason}")
        _print(found)
    if not state.is_finished or state.refused:
        raise typer.Exit(1)


@app.command(help="Remove the keys that no value is under.\n\nExample: etlmon keys prune")
def prune(user: User = None, as_json: AsJson = False, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    with open_control(home) as control:
        caller = permitted(control, user, "keys", "rotate")
        gone = control.key_rotation.prune(actor=caller.username)
    print(
        json.dumps({"pruned": gone}) if as_json else f"removed: {', '.join(gone) or 'nothing, there is one key only'}"
    )


def _describe(control: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "encryption": [asdict(one) for one in control.key_rotation.list_keys()],
        "signing": control.signing_keys.list_keys(),
    }


def _print(found: dict[str, Any]) -> None:
    for one in found["encryption"]:
        use = "encrypts" if one["is_primary"] else "decrypts" if one["is_in_file"] else "NOT IN THE KEY FILE"
        print(f"encryption  {one['key_id']}  {use:<10}  {one['rows']:,} values")
    for one in found["signing"]:
        use = f"verifies (retired {one['retired_at']:%Y-%m-%d %H:%M} UTC)" if one["retired_at"] else "signs"
        print(f"signing     {one['key_id']}  {use}")
