"""`etlmon rules`: detection rules tried on their own cases, listed, described, run over the past, taken over from Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from domain.detection.backtest import Backtest
    from domain.detection.rule import Rule
    from domain.errors import RuleFileError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Detection rules: test, list, schema, backtest, import.\n\nExample: etlmon rules test",
)
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Home = Annotated[Path | None, typer.Option("--home", help="Folder of the platform; default: ETLMON_HOME.")]


@app.command("test", epilog="Example: etlmon rules test rules/detections/api-latency-p99.yaml")
def run_tests(
    path: Annotated[Path | None, typer.Argument(help="A rule file or a folder; default: the rules in force.")] = None,
    json_output: Json = False,
) -> None:
    """Run every case of every rule. Exit code 1 when one fails, a file is broken, or a rule has no case."""
    from domain.detection.cases import run_cases

    rules, broken, others = _load(path)
    outcomes = [outcome for rule in rules for outcome in run_cases(rule, others)]
    untested = [rule.id for rule in rules if not rule.cases]
    failed = [one for one in outcomes if not one.is_passed]
    if json_output:
        _print_json(
            {
                "rules": len(rules),
                "cases": [_plain(one) for one in outcomes],
                "failed": len(failed),
                "broken": [error.as_dict() for error in broken],
                "without_cases": untested,
            }
        )
    else:
        for one in outcomes:
            typer.echo(f"{'ok  ' if one.is_passed else 'FAIL'} {one.rule_id}: {one.name}" + _because(one.reason))
        for error in broken:
            typer.echo(f"FAIL {error.reason}\n  → {error.suggestion}")
        for rule_id in untested:
            typer.echo(f"FAIL {rule_id}: has no cases")
        typer.echo(f"{len(rules)} rules, {len(outcomes)} cases, {len(failed)} failed, {len(broken)} broken files")
    if failed or broken or untested:
        raise typer.Exit(1)


@app.command("list", epilog="Example: etlmon rules list --json")
def list_(
    path: Annotated[Path | None, typer.Argument(help="A rule file or a folder; default: the rules in force.")] = None,
    json_output: Json = False,
) -> None:
    """All rules with severity, category, condition and owner."""
    rules, broken, _ = _load(path)
    rows = [
        {
            "id": rule.id,
            "severity": rule.severity.value,
            "category": rule.category.value,
            "kind": rule.when.kind,
            "metrics": list(rule.series.metrics),
            "for_s": rule.for_s,
            "owner": rule.owner,
            "status": rule.status.value,
            "cases": len(rule.cases),
        }
        for rule in rules
    ]
    if json_output:
        _print_json({"rules": rows, "broken": [error.as_dict() for error in broken]})
    else:
        _print_table(rows)
        for error in broken:
            typer.echo(f"broken: {error.reason}\n  → {error.suggestion}", err=True)
    if broken:
        raise typer.Exit(1)


def _print_table(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        state = "" if row["status"] == "live" else row["status"]
        typer.echo(
            f"{row['id']:<28} {row['severity']:<8} {row['category']:<14} {row['kind']:<17} {row['owner']} {state}"
        )


@app.command(epilog="Example: etlmon rules schema > rule.schema.json")
def schema() -> None:
    """The JSON Schema of a rule file, for editors and checks before a commit."""
    from domain.detection.rule import Rule

    _print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **Rule.model_json_schema()})


@app.command(epilog="Example: etlmon rules backtest api-latency-p99 --from 2026-11-01 --to 2026-11-15")
def backtest(
    rule: Annotated[str, typer.Argument(help="Id of a rule in force, or a rule file that is not yet in force.")],
    since: Annotated[str, typer.Option("--from", help="First instant, ISO 8601 (UTC where it has no zone).")],
    until: Annotated[str | None, typer.Option("--to", help="Last instant; default: now.")] = None,
    home: Home = None,
    json_output: Json = False,
) -> None:
    """Say when a rule would have fired on stored signals, how often a week, and how many firings known incidents explain."""
    from resources.clock import utc_now
    from resources.detection.backtest import run_backtest
    from resources.platform import open_platform
    from resources.postgres.engine import make_engine
    from resources.settings import load_settings

    chosen, others = _find(rule)
    begin, end = _instant(since), _instant(until) if until else utc_now()
    _check_range(begin, end)
    with open_platform(load_settings(home=home), is_read_only=True) as (url, lake):
        engine = make_engine(url)
        try:
            with engine.connect() as connection:
                found = run_backtest(lake, connection, chosen, others, since=begin, until=end)
        finally:
            engine.dispose()
    if json_output:
        _print_json({"rule": chosen.id, "from": begin, "to": end, **_plain(found)})
        return
    _print_backtest(chosen, found)


def _print_backtest(rule: Rule, found: Backtest) -> None:
    for one in found.intervals:
        ended = f"{one.ended_at:%Y-%m-%d %H:%M}" if one.ended_at else "still firing"
        why = f"  ({one.explained_by})" if one.explained_by else ""
        typer.echo(f"{one.fired_at:%Y-%m-%d %H:%M} - {ended}  {one.title}{why}")
    for monday, count in found.by_week.items():
        typer.echo(f"week of {monday}: {count}")
    typer.echo(f"{rule.id} would have fired {len(found.intervals)} times; known incidents explain {found.explained}")


@app.command("import", epilog="Example: etlmon rules import alerts.yml --out rules/detections")
def import_(
    file: Annotated[Path, typer.Argument(help="A Prometheus rule file: groups of alert rules.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the files; default: print them.")] = None,
    json_output: Json = False,
) -> None:
    """Make rule files of Prometheus alert rules, and say what does not map. Exit code 1 when something does not."""
    from resources.detection.prometheus_rules import import_prometheus_rules
    from resources.detection.rule_text import write_rule

    imported = import_prometheus_rules(file)
    if out is not None:
        _write_files(out, {one.rule.id: write_rule(one.rule) for one in imported if one.rule})
    if json_output:
        _print_json(
            [
                {
                    "alert": one.alert,
                    "id": one.rule.id if one.rule else None,
                    "rule": write_rule(one.rule) if one.rule else None,
                    "reason": one.reason,
                    "notes": one.notes,
                }
                for one in imported
            ]
        )
    else:
        for one in imported:
            if one.rule and out is None:
                typer.echo(write_rule(one.rule) + "---")
            said = f"{one.alert}: {f'rule {one.rule.id}' if one.rule else f'NOT imported: {one.reason}'}"
            typer.echo(said + "".join(f"\n  note: {note}" for note in one.notes), err=True)
        typer.echo(f"{sum(one.rule is not None for one in imported)} of {len(imported)} rules imported", err=True)
    if not imported or any(one.rule is None for one in imported):
        raise typer.Exit(1)


def _write_files(folder: Path, texts: dict[str, str]) -> None:
    from domain.errors import ConfigurationError

    folder.mkdir(parents=True, exist_ok=True)
    for rule_id, text in texts.items():
        try:
            with (folder / f"{rule_id}.yaml").open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            raise ConfigurationError(
                f"{folder / rule_id}.yaml is there already", suggestion="move it away, or choose another --out"
            ) from None


def _load(path: Path | None) -> tuple[list[Rule], list[RuleFileError], dict[str, Rule]]:
    """Rules of a file or folder, broken files, and all rules a composite may name."""
    from domain.detection.rule import Rule
    from domain.errors import NotFoundError, RuleFileError
    from resources.rule_files import load_rule_file, load_rule_folder, shipped_rules
    from resources.settings import load_settings

    in_force = load_rule_folder((load_settings().rules_path or shipped_rules()) / "detections", Rule)
    found: dict[Path, Rule | RuleFileError] = in_force
    if path is not None and not path.exists():
        raise NotFoundError(f"there is no {path}", suggestion="name a rule file or a folder of them")
    if path is not None and path.is_dir():
        found = load_rule_folder(path, Rule)
    elif path is not None:
        try:
            found = {path: load_rule_file(path, Rule)}
        except RuleFileError as error:
            found = {path: error}
    rules = [one for one in found.values() if isinstance(one, Rule)]
    broken = [one for one in found.values() if isinstance(one, RuleFileError)]
    others = {one.id: one for one in [*in_force.values(), *rules] if isinstance(one, Rule)}
    return rules, broken, others


def _find(name: str) -> tuple[Rule, dict[str, Rule]]:
    from domain.errors import NotFoundError

    if name.endswith((".yaml", ".yml")):
        rules, broken, others = _load(Path(name))
        if broken:
            raise broken[0]
        return rules[0], others
    _, _, others = _load(None)
    if name not in others:
        raise NotFoundError(f"no rule {name!r}", suggestion="`etlmon rules list` shows all; or give a .yaml file")
    return others[name], others


def _instant(value: str) -> datetime:
    from domain.errors import InputDataError

    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise InputDataError(f"{value!r} is no date", suggestion="write 2026-11-23 or 2026-11-23T10:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _check_range(begin: datetime, end: datetime) -> None:
    from domain.errors import InputDataError

    if not timedelta(0) < end - begin <= timedelta(days=400):
        raise InputDataError("--from has to be before --to, by 400 days at most", suggestion="choose a shorter range")


def _plain(found: object) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)  # type: ignore[call-overload, no-any-return]


def _print_json(value: object) -> None:
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _because(reason: str) -> str:
    return f" - {reason}" if reason else ""
