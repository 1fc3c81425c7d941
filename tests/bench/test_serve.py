"""The figures of a load of clients as text."""

from __future__ import annotations

from oceanpath.bench.serve import ServeRow, as_table
from oceanpath.bench.serve_load import Load, Memory


def test_a_load_states_statuses_times_and_the_change_of_memory() -> None:
    load = Load(resident_mib=[90.0, 95.0, 100.0, 101.0])
    load.statuses.update({200: 2, 429: 1})
    load.seconds += [0.1, 0.3]
    assert load.lines() == [
        "statuses {200: 2, 429: 1}",
        "answered requests: median 0.200 s, 99th percentile 0.298 s",
        "memory of the server: 90 to 101 MiB, change in the second half +1.0 %",
    ]
    assert "nan" in Load(resident_mib=[1.0]).lines()[1]


def test_the_table_has_times_and_ratios() -> None:
    lines = as_table(
        [ServeRow("10 patches", "raw body", 12.34, 1.2, 1.0), ServeRow("10 patches", "JSON", 125.0, 12.0, 10.0)]
    )
    assert [line.split() for line in lines.splitlines()] == [
        ["median", "/model", "/raw", "body"],
        ["10", "patches", "raw", "body", "12.3", "ms", "1.200", "1.000"],
        ["10", "patches", "JSON", "125.0", "ms", "12.000", "10.000"],
    ]


def test_memory_is_reported_as_a_difference() -> None:
    line = Memory(before=100.0, highest=150.4, after=99.0).line("memory, 5 patches")
    assert line == "memory, 5 patches: 100 MiB before, +50 at most, -1 afterwards"
