"""The notification rules in force: read again when a file changed. A broken file leaves everything as it was the last good time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from domain.errors import RuleFileError
from domain.notification.message import Channel
from domain.notification.people import Addresses
from domain.notification.rules import NotificationFile, NotificationRules, merge_files
from resources.json_logs import get_logger
from resources.rule_files import load_rule_file, parse_mapping, read_rule_text, shipped_rules
from resources.secret_files import replace_secret_file
from resources.secret_registry import register_secret
from resources.settings import Settings

_LAST_GOOD = "notification-rules.json"


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """What is in force, and what is wrong with the files (empty: nothing)."""

    rules: NotificationRules
    problems: tuple[str, ...] = ()


class RuleStore:
    """Rules of one installation: `rules/notification/*.yaml` of its rules folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = (settings.rules_path or shipped_rules()) / "notification"
        self._home = settings.home
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._loaded: LoadedRules | None = None

    def __call__(self) -> NotificationRules:
        """The rules in force."""
        return self.load().rules

    def load(self) -> LoadedRules:
        """The rules in force with the problems of the files; files are read when one of them changed.

        Raises:
            RuleFileError: the rules that come with the product are broken, and there never were others.
        """
        seen = tuple(
            (path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(self._folder.glob("*.yaml"))
        )
        if self._loaded is None or seen != self._seen:
            self._loaded, self._seen = self._read(), seen
            _protect(self._loaded.rules)
            for words in self._loaded.problems:
                get_logger(__name__).error(
                    "notification rules are broken: the last good ones stay in force", reason=words
                )
        return self._loaded

    def _read(self) -> LoadedRules:
        paths = sorted(self._folder.glob("*.yaml"))
        try:
            rules = merge_files({path.name: load_rule_file(path, NotificationFile) for path in paths})
        except RuleFileError as error:
            return LoadedRules(self._last_good(), (error.reason,))
        self._keep({path.name: read_rule_text(path) for path in paths})
        return LoadedRules(rules)

    def _keep(self, texts: dict[str, str]) -> None:
        content = json.dumps(texts, sort_keys=True)
        path = self._home / "secrets" / _LAST_GOOD
        try:
            if not path.exists() or path.read_text() != content:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                replace_secret_file(path, content.encode())
        except OSError as error:
            get_logger(__name__).warning("the good notification rules cannot be kept", reason=str(error))

    def _last_good(self) -> NotificationRules:
        """Of the kept files; where there are none, tiers without people."""
        try:
            texts: dict[str, str] = json.loads((self._home / "secrets" / _LAST_GOOD).read_text())
            return merge_files({name: _parse(name, content) for name, content in texts.items()})
        except (OSError, ValueError, ValidationError, RuleFileError):
            tiers = shipped_rules() / "notification" / "tiers.yaml"
            return merge_files({tiers.name: load_rule_file(tiers, NotificationFile)})


def _parse(name: str, content: str) -> NotificationFile:
    return NotificationFile.model_validate(parse_mapping(content, Path(name))[1])


def _protect(rules: NotificationRules) -> None:
    """From now on no log line or error text of this process shows a number, mailbox, key or hook in clear."""
    for person in rules.people.values():
        _register(person.addresses)
    for team in rules.teams.values():
        _register(team.addresses)


def _register(addresses: Addresses) -> None:
    for channel in addresses.all_channels():
        if channel is not Channel.SLACK:
            register_secret(addresses.of(channel) or "")
