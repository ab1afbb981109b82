"""A malformed rule file names file, line, field and what to write instead; the others still load."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import RuleFileError
from domain.loaders.definition import LoaderDefinition
from resources.rule_files import load_rule_file, load_rule_folder

GOOD = """\
code: DEMO-A
title: Requests
source: prometheus
connection: prometheus
schedule: "*/5 * * * *"
step_s: 60
prometheus:
  - metric_name: requests
    promql: up
    limit:
      value: 10
"""

#: what is replaced by what, the line and field the error names, a word of the reason, a word of the suggestion
BROKEN = {
    "misspelt field": ("step_s: 60", "stepp_s: 60", 1, "step_s", "required", "add the field"),
    "unknown field": ("step_s: 60", "step_s: 60\ncolour: red", 7, "colour", "Extra", "remove the field"),
    "unknown field deep inside": ("value: 10", "value: 10\n      wern_at: 5", 12, "prometheus.0.limit.wern_at", "Extra", "spelling"),
    "wrong word of a closed set": ("source: prometheus", "source: promeheus", 3, "source", "'prometheus'", "values named"),
    "text for a number": ("step_s: 60", "step_s: often", 6, "step_s", "number", "number"),
    "number out of range": ("step_s: 60", "step_s: -1", 6, "step_s", "greater than 0", "greater than 0"),
    "no cron": ('"*/5 * * * *"', '"every day"', 5, "schedule", "five fields", "*/5 * * * *"),
    "cron that never fires": ('"*/5 * * * *"', '"0 0 30 2 *"', 5, "schedule", "does not fire", "every year"),
    "bad code": ("DEMO-A", "demo a", 1, "code", "pattern", "pattern"),
    "bad metric name": ("requests\n", "Requests!\n", 8, "prometheus.0.metric_name", "pattern", "pattern"),
    "list missing": ("promql: up", "query: up", 8, "prometheus.0.promql", "required", "add the field"),
    "list for a text": ("title: Requests", "title: [a, b]", 2, "title", "string", "string"),
    "text for a list": ("prometheus:\n", "prometheus: up\nx:\n", 7, "prometheus", "list", "list"),
    "foreign query": ("step_s: 60", "step_s: 60\npush: [{metric_name: a}]", 1, "", "must be empty", "must be empty"),
    "connection with a typo": ("connection: prometheus", "connection:\n  url: x\n  usr: me", 6, "connection.usr", "Extra", "spelling"),
    "connection without address": ("connection: prometheus", "connection: {username: me}", 4, "connection.url", "required", "add"),
    "field twice": ("title: Requests", "title: Requests\ntitle: Other", 3, "title", "second time", "keep one"),
    "tab": ("step_s: 60", "\tstep_s: 60", 6, "", "not YAML", "indentation"),
    "open quote": ('"*/5 * * * *"', '"*/5 * * * *', 5, "", "not YAML", "quotes"),
    "wrong indentation": ("    promql: up", "   promql: up", 9, "", "not YAML", "indentation"),
    "colon in a text": ("title: Requests", "title: a: b", 2, "", "not YAML", "colons"),
    "two documents": ("step_s: 60", "---\nstep_s: 60", 6, "", "not YAML", "line"),
    "foreign tag": ("title: Requests", "title: !!python/object:os.system x", 2, "", "not YAML", "line"),
    "impossible date": ("title: Requests", "title: 2026-13-45", 1, "", "cannot be read", "quotes"),
    "control character": ("title: Requests", "title: a\x07b", 1, "", "not YAML", "line"),
    "no mapping": (GOOD, "- a\n- b\n", 1, "", "mapping of fields", "code:"),
    "only a text": (GOOD, "hello", 1, "", "mapping of fields", "code:"),
    "empty": (GOOD, "", 1, "", "mapping of fields", "code:"),
}  # fmt: skip


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("case", BROKEN)
def test_a_malformed_file_says_where_what_and_what_instead(case: str, tmp_path: Path) -> None:
    old, new, line, field, reason, suggestion = BROKEN[case]
    assert old in GOOD
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(RuleFileError) as refused:
        load_rule_file(path, LoaderDefinition)
    error = refused.value
    assert (error.context["file"], error.context["line"], error.context["field"]) == (str(path), line, field)
    assert reason in error.reason
    assert str(path) in error.reason
    assert suggestion in error.suggestion


def test_a_good_file_is_a_frozen_model(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert load_rule_file(path, LoaderDefinition).code == "DEMO-A"


def test_several_faults_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD.replace("step_s: 60", "step_s: x").replace("promql: up", "promql: ''"))
    with pytest.raises(RuleFileError, match=r"\(and 1 more\)"):
        load_rule_file(path, LoaderDefinition)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("title: Größe".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    for name, words in (
        ("latin.yaml", "not UTF-8 at byte 9"),
        ("folder.yaml", "directory"),
        ("none.yaml", "No such file"),
    ):
        with pytest.raises(RuleFileError) as refused:
            load_rule_file(tmp_path / name, LoaderDefinition)
        assert words in refused.value.reason
        assert name in refused.value.reason


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").write_text("code: [")
    (tmp_path / "ignored.txt").write_text("no rule")
    found = load_rule_folder(tmp_path, LoaderDefinition)
    assert [path.name for path in found] == ["a.yaml", "b.yaml"]
    broken, good = found.values()
    assert isinstance(broken, RuleFileError)
    assert isinstance(good, LoaderDefinition)
