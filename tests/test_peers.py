"""The tables of ``make peers``, without the peers."""

import math

import pandas as pd
import pytest
from benchmarks.peers.rows import GAP, RATE, SECONDS, compared, failed, interleaved, markdown, write_csv

SIDES = ("theirs", "ours")


def test_ratios_above_one_mean_that_jumpgym_is_better():
    faster = compared("peer", "steps", SIDES, RATE, [(10, 20), (10, 50), (20, 60)])
    assert (faster.peer_value, faster.jumpgym_value) == (10, 50)
    assert (faster.ratio, faster.ratio_min, faster.ratio_max, faster.repetitions) == (3, 2, 5, 3)
    for unit in (SECONDS, GAP):
        row = compared("peer", "time", SIDES, unit, [(20, 10), (50, 10), (60, 20)])
        assert (row.ratio, row.ratio_min, row.ratio_max) == (3, 2, 5)
    slower = compared("peer", "steps", SIDES, RATE, [(20, 5)])
    assert slower.ratio == 0.25
    assert math.isnan(compared("peer", "gap", SIDES, GAP, [(1, 0)]).ratio)


def test_measurements_take_turns_after_a_warm_up():
    calls = []

    def measurement(name):
        return lambda: calls.append(name) or len(calls)

    assert interleaved([measurement("a"), measurement("b")], 2) == [(3, 4), (5, 6)]
    assert calls == ["a", "b"] * 3


def test_a_table_shows_what_could_not_be_run(tmp_path):
    rows = [
        compared("peer", "a | b", SIDES, RATE, [(1234.5, 0.01234)], "note"),
        failed("peer", "all", ImportError("no module\nmore")),
    ]
    lines = markdown(rows).splitlines()
    assert lines[2].startswith("| peer | a \\| b | theirs | ours | transitions/s | 1,234 | 0.0123 | 0.00001")
    assert lines[3].endswith("|  |  |  | could not be run: ImportError: no module |")
    write_csv(rows, tmp_path / "peers.csv", hardware="2 cores, old")
    table = pd.read_csv(tmp_path / "peers.csv")
    assert table.ratio[0] == pytest.approx(0.01234 / 1234.5)
    assert table.hardware.tolist() == ["2 cores, old"] * 2
    assert table.note[1] == "could not be run: ImportError: no module"
    assert math.isnan(table.ratio[1])
