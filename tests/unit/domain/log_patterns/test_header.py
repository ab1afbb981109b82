from __future__ import annotations

import polars as pl
import pytest

from domain.log_patterns.header import detect_header, extract_messages

FORMS = {
    "java": "2031-05-06 07:08:09,123 INFO [worker-3] com.example.jobs.Runner: job {n} is done",
    "java with dashes": "2031-05-06 07:08:09,123 - WARN  [pool-1:Runner@77] - job {n} is done",
    "python": "2031-05-06 07:08:09,123 - etl.jobs - ERROR - job {n} is done",
    "go": "2031-05-06T07:08:09.5Z\terror\tjob {n} is done",
    "web server": "[Tue May 06 07:08:09 2031] [error] job {n} is done",
    "syslog": "May  6 07:08:09 node7 etl-agent[4711]: job {n} is done",
    "syslog with priority": "<34>May  6 07:08:09 node7 etl-agent: job {n} is done",
    "syslog of 2009": "<34>1 2031-05-06T07:08:09Z node7 etl 4711 ID9 - job {n} is done",
    "phone": "05-06 07:08:09.123  1702  2395 D JobService: job {n} is done",
    "compact date": "310506 070809 148 INFO etl.Runner$Worker: job {n} is done",
    "time stamp alone": "2031-05-06 07:08:09 job {n} is done",
    "level first": "ERROR 2031-05-06 07:08:09,123 job {n} is done",
    "epoch seconds": "1935990489 2031.05.06 node7 CORE INFO job {n} is done",
}


@pytest.mark.requirement("C5")
@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS.keys())
def test_header_is_left_out(line: str) -> None:
    lines = pl.Series([line.format(n=n) for n in range(20)])
    messages = extract_messages(lines, detect_header(lines))
    assert messages.to_list() == [f"job {n} is done" for n in range(20)]


@pytest.mark.parametrize(
    "lines",
    [[], [""], [None], ["job 7 is done", "error while reading", "INFO for you"], ["7 rows", "2031 rows", "12:30 rows"]],
)
def test_lines_without_header_stay_whole(lines: list[str | None]) -> None:
    series = pl.Series(lines, dtype=pl.String)
    assert detect_header(series) is None
    assert extract_messages(series, None).to_list() == lines


def test_lines_that_do_not_fit_are_messages_as_a_whole() -> None:
    lines = pl.Series(
        [f"2031-05-06 07:08:0{n} ERROR job failed" for n in range(9)] + ["    at Runner.run(Runner.java:12)"]
    )
    messages = extract_messages(lines, detect_header(lines))
    assert messages.to_list() == ["job failed"] * 9 + ["    at Runner.run(Runner.java:12)"]
