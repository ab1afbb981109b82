"""Log headers: what stands before a message (time stamp, level, host, process, logger), found by form or absent.

A file has one header form or none: the first form that most lines of a sample fit. Lines that do not fit it, such as the
lines of a stack trace, are messages as a whole. Templates are mined from the message alone.
"""

from __future__ import annotations

import polars as pl

#: Share of the non-empty sample lines that must fit a form, and how many lines are looked at.
MIN_SHARE = 0.7
SAMPLE_LINES = 2000

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"[0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2})?(?:[.,:][0-9]{1,9})?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?"
_TIME = (
    r"(?:[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}[T :,_-]{1,3}" + _CLOCK + _ZONE + "|"
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?{_MONTH} {{1,2}}[0-9]{{1,2}},? (?:[0-9]{{4}} )?{_CLOCK}(?: [0-9]{{4}})?|"
    rf"[0-9]{{1,2}}[-/.](?:[0-9]{{2}}|{_MONTH})(?:[-/.][0-9]{{2,4}})?[ :T]{_CLOCK}{_ZONE}|"
    r"[0-9]{8}[-T ]?" + _CLOCK + r"|[0-9]{6} [0-9]{6}|[0-9]{10}(?:\.[0-9]+)?|[0-9]{13})"
)
_LEVEL = (
    r"(?:TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|CRIT|FATAL|FAILURE|ALERT|EMERG|FINE|"
    r"trace|debug|info|notice|warn|warning|error|err|crit|critical|fatal|alert|emerg|"
    r"Trace|Debug|Info|Warn|Warning|Error|Fatal|Failure|Critical)"
)
_SEPARATOR = r"[ \t]*(?:[-|:,][ \t]+)?"
_BRACKETED = r"\[[^\]\n]*(?:\[[^\]]*\][^\]]*)*\][:,]?"
_PROCESS = r"[\w.$/@()-]+(?:\[[0-9]+\])?:[ \t]+"
_LOGGER = r"(?:[a-z_][\w-]*\.)+[\w$-]+(?::[0-9]+)?[ \t]+"
_REST = r"(?P<message>.*)$"

#: Forms of headers, most telling first. Each has one group, the message.
FORMS: tuple[str, ...] = (
    # logcat: date, pid, tid, one-letter level, tag
    r"^[0-9]{2}-[0-9]{2} [0-9:.]+ +[0-9]+ +[0-9]+ [VDIWEFS] [^:]*: ?" + _REST,
    # syslog of 2009: <priority>version time host application process message-id data
    r"^<[0-9]{1,3}>[0-9] \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?" + _REST,
    # any, with a level among the first words: time stamp ... LEVEL [thread] logger:
    rf"^(?:-|[A-Z]+ )? ?[\[(]?{_TIME}\S*(?:[ \t]+[^\s]+){{0,8}}?[ \t]+(?:[-|:] )?[\[(<]?{_LEVEL}[\])>]?{_SEPARATOR}"
    rf"(?:[ \t]*{_BRACKETED}[ \t]*)*(?:[-|:][ \t]+)?(?:{_PROCESS}|{_LOGGER}(?:{_BRACKETED}[ \t]*)?)?(?:[-|:][ \t]+)?"
    + _REST,
    # classic syslog: time stamp host process[pid]:
    rf"^(?:<[0-9]{{1,3}}>)?{_TIME} (?:\S+ )?[\w./()@-]+(?:\[[0-9]+\])?:[ \t]+" + _REST,
    # level first
    rf"^[\[(<]?{_LEVEL}[\])>]?(?:[ \t:|-]+){_TIME}{_SEPARATOR}" + _REST,
    # nothing but a time stamp
    rf"^[\[(]?{_TIME}[\])]?{_SEPARATOR}" + _REST,
)


def detect_header(sample: pl.Series) -> str | None:
    """The form that at least MIN_SHARE of the non-empty sample lines fit, or None if the lines have no header.

    Args:
        sample: the first lines of a log; more than SAMPLE_LINES are not looked at.
    """
    lines = sample.drop_nulls().head(SAMPLE_LINES)
    lines = lines.filter(lines.str.strip_chars() != "")
    if lines.is_empty():
        return None
    for form in FORMS:
        if lines.str.contains(form).mean() >= MIN_SHARE:  # type: ignore[operator]
            return form
    return None


def extract_messages(lines: pl.Series, header: str | None) -> pl.Series:
    """Messages of the lines, in order: what follows the header, or the whole line where it has none."""
    if header is None:
        return lines
    frame = lines.to_frame("line")
    return frame.select(pl.coalesce(pl.col("line").str.extract(header), pl.col("line")).alias("message")).to_series()
