import gzip
import json
import re

import pandas as pd
import pytest
from made_records import LOANS, SETUP_COST, comparison, record, references

from jumpgym import ENVIRONMENTS, as_problem
from jumpgym.baselines.hard.instances import read_instances
from jumpgym.baselines.report import figures, policies
from jumpgym.baselines.report import write as reports
from jumpgym.baselines.report.headline import headline
from jumpgym.baselines.report.markdown import markdown
from jumpgym.baselines.report.page import page
from jumpgym.baselines.report.pictures import picture
from jumpgym.baselines.report.rows import first_time, policy_rows
from jumpgym.baselines.report.styles import styles_of
from jumpgym.baselines.report.tables import (
    COLUMNS,
    FILES,
    Tables,
    of_problem,
    read_tables,
    tables_of,
    title,
    write_tables,
)
from jumpgym.baselines.runs.methods import METHODS

PARAMETERS = '{"lead_time": 2}'


@pytest.fixture(scope="module")
def tables():
    return tables_of(comparison())


def same(one: Tables, other: Tables) -> None:
    for name in FILES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def cells_of(text, start):
    """Cells of the table whose head begins with ``start``, by the first one."""
    block = text[text.index(f"| {start}") :].split("\n\n")[0].splitlines()
    return {cells[1]: cells[2:-1] for cells in ([c.strip() for c in line.split("|")] for line in block)}


def test_columns_and_values(tables):
    for name, columns in COLUMNS.items():
        assert list(getattr(tables, name).columns) == list(columns)
    rows = tables.comparison
    assert len(rows) == len(comparison())
    assert rows.method.tolist()[:3] == ["optimum", "classical", "hindsight"]
    assert rows.seed.isna().sum() == rows.budget_seconds.isna().sum() - 3 == 9
    own = of_problem(rows, SETUP_COST, PARAMETERS)
    assert own.gap_percent.tolist() == pytest.approx([0, 1.5, -20, 0.1, 0.13, 0.16, 0.4, 0.52, 0.64])
    assert (rows.reference_cost == 200.1235).all()  # 7 digits
    mixed = own[own.method == "mixed"].iloc[0]
    assert mixed["cpu_to_1_percent"] == pytest.approx(20 / 8, rel=1e-4)
    assert mixed["transitions_to_0.3_percent"] == 2828
    assert pd.isna(
        of_problem(rows, LOANS, "").query("method == 'ppo-gate'")["transitions_to_0.3_percent"]
    ).all()
    facts = of_problem(tables.environments, LOANS, "").iloc[0]
    assert (facts.x_name, facts.y_name, facts.horizon) == ("cash", "due in 0", 10)
    assert facts.hindsight_cost == pytest.approx(200.1234567 - 40)
    assert tables.environments.parameters.tolist() == ["", PARAMETERS, ""]


def test_order_of_records_does_not_matter(tables):
    same(tables_of(comparison()[::-1]), tables)


def test_policies_are_of_the_first_seed_and_largest_budget():
    short, long = (record(SETUP_COST, "mixed", 0, seconds=seconds) for seconds in (1.0, 9.0))
    other = record(SETUP_COST, "mixed", 1, seconds=99.0)
    kept = tables_of([*references(SETUP_COST), short, other, long]).policies
    assert kept.groupby("method").budget_seconds.unique().map(list)["mixed"] == [9.0]
    own = kept[(kept.method == "mixed") & (kept.kind == "quantity") & (kept.period == 8)]
    assert own.value.tolist() == pytest.approx(long["drawn"]["quantity"][1][0])
    assert own.x.tolist() == [-1, 0, 1, 2]
    assert own.name.tolist() == ["order"] * 4
    assert own.y.isna().all()


def test_points_of_a_map(tables):
    own = of_problem(tables.policies, LOANS, "")
    own = own[(own.method == "mixed") & (own.period == 5)]
    assert list(zip(own.x, own.y, strict=True)) == [(x, y) for x in (1, 10, 100) for y in (0, 1)]
    assert set(own.kind) == {"gate"}


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_decisions_have_the_names_of_their_environment(env_id):
    """Joint replenishment has more gates than quantities."""
    problem = as_problem(env_id)
    names = {"quantities": list(problem.quantity_names), "regimes": [list(n) for n in problem.regime_names]}
    regimes = [[options - 1] for options in problem.layout.gates]
    drawn = {"regime": [regimes], "quantity": [[[1.0] for _ in problem.quantity_names]]}
    chart = {"axes": [[0.0]], "periods": [1], **names}
    rows = policy_rows({**record(env_id, "mixed"), "chart": chart, "drawn": drawn})
    last = [str(of_gate[-1]) for of_gate in problem.regime_names]
    assert rows[rows.kind == "gate"].name.tolist() == last
    assert rows[rows.kind == "quantity"].name.tolist() == list(problem.quantity_names)


def test_round_trip(tables, tmp_path):
    paths = write_tables(tables, tmp_path)
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()} == set(FILES.values())
    same(read_tables(tmp_path), tables)
    before = {path: path.read_bytes() for path in paths}
    write_tables(read_tables(tmp_path), tmp_path)
    assert {path: path.read_bytes() for path in paths} == before
    assert before[tmp_path / "policies.csv.gz"][4:8] == b"\0\0\0\0"  # no time of the day
    for path in paths:
        assert len(pd.read_csv(path)) > 0


def test_tables_without_learned_runs(tmp_path):
    tables = tables_of(references(SETUP_COST))
    write_tables(tables, tmp_path)
    same(read_tables(tmp_path), tables)
    assert "Expected cost 200.1235" in markdown(tables)


def test_text_that_looks_like_a_missing_value_survives(tmp_path):
    tables = tables_of(
        [record(SETUP_COST, "mixed", seconds=1.0, note=note) for note in ("NA", "null", 'a,\n"b"')]
    )
    write_tables(tables, tmp_path)
    assert read_tables(tmp_path).comparison.note.tolist() == ["NA", "null", 'a,\n"b"']


def test_tables_that_are_missing_or_damaged(tables, tmp_path):
    with pytest.raises(ValueError, match=r"must hold the tables of a comparison: comparison.csv, curves"):
        read_tables(tmp_path)
    write_tables(tables, tmp_path)
    (tmp_path / "policies.csv.gz").unlink()
    with pytest.raises(
        ValueError, match=r"lacks policies.csv.gz: made by an older version; run jumpgym compare"
    ):
        read_tables(tmp_path)
    write_tables(tables, tmp_path)
    tables.comparison.drop(columns="code").to_csv(tmp_path / "comparison.csv", index=False)
    with pytest.raises(
        ValueError, match=r"comparison.csv .*lacks the columns code: made by an older version"
    ):
        read_tables(tmp_path)
    write_tables(tables, tmp_path)
    packed = (tmp_path / "policies.csv.gz").read_bytes()
    for content in (packed[:-20], b"nothing", gzip.compress(b"\xff\xfe")):
        (tmp_path / "policies.csv.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"policies.csv.gz cannot be read"):
            read_tables(tmp_path)


def test_headline(tables):
    text = markdown(tables)
    by_method = cells_of(text, "method | mean rank | [SetupCost]")
    assert by_method["method"][1:] == [
        "[SetupCost](#setupcost)",
        "[SetupCost (lead_time=2)](#setupcost-lead_time2)",
        "[LoanBrackets](#loanbrackets)",
    ]
    names = list(by_method)
    assert names[2:] == ["hindsight (bound)", "classical", "mixed", "ppo-gate", "smoothed", "gumbel-plain"]
    assert by_method["hindsight (bound)"] == ["", "-20.00", "-20.00", "-20.00"]
    assert by_method["mixed"] == ["1.0", "0.13 (0.16)", "0.13 (0.16)", "0.23 (0.26)"]
    assert by_method["smoothed"] == ["3.0", "0.70 (0.70)", "", "n/a"]
    assert by_method["gumbel-plain"] == ["4.0", "3.00 (∞) D", "", ""]
    assert "## Median gap (worst) in per cent after 20 CPU seconds, 3 seeds" in text
    assert "after 1,000,000 transitions, 3 seeds" in text
    for anchor in ("## SetupCost\n", "## SetupCost (lead_time=2)\n", "## LoanBrackets\n"):
        assert anchor in text


def test_aggregates(tables):
    text = markdown(tables)
    by_method = cells_of(text, "method | mean rank | environments")
    assert by_method["mixed"][:3] == ["1.0", "3", "9"]
    assert by_method["mixed"][3:5] == ["100 % [100 %, 100 %]"] * 2
    assert by_method["mixed"][6:] == [""] * 3
    assert by_method["ppo-gate"][4].startswith("0 % ")
    assert re.match(r"0\.49 \[0\.4\d, 0\.5\d\]", by_method["ppo-gate"][6])
    assert by_method["ppo-gate"][7:] == ["0 % [0 %, 0 %]", "9"]
    assert by_method["smoothed"][1:3] == ["1", "3"]
    assert by_method["gumbel-plain"][6].startswith("∞")
    assert "hindsight (bound)" not in by_method


def test_sections(tables):
    text = markdown(tables)
    section = text[text.index("\n## SetupCost\n") : text.index("\n## SetupCost (lead")]
    assert "Optimum. Expected cost 200.1235 per episode (exact), 20.0124 per period." in section
    assert "Best classical policy: SSPolicy(s=1, S=3)." in section
    assert "Hindsight bound: cost 160.1235, 32 episodes." in section
    rows = cells_of(section, "method | median gap")
    names = list(rows)
    assert names[2:] == [
        "hindsight (bound)",
        "optimum",
        "mixed",
        "ppo-gate",
        "smoothed",
        "classical",
        "gumbel-plain (1 of 3 diverged)",
    ]
    assert rows["mixed"][0:2] == ["0.130 %", "0.130 %"]
    assert re.fullmatch(r"0\.100 % to 0\.160 %", rows["mixed"][2])
    assert rows["mixed"][3:5] == ["0.160 %", "0.100 %"]
    assert rows["mixed"][6:] == ["3.5", "10.0", "1,414", "4,000", "8,000"]
    assert rows["gumbel-plain (1 of 3 diverged)"][1:4] == ["∞", "", "∞"]
    assert rows["ppo-gate"][7] == "never"
    assert "### 1,000,000 transitions, 3 seeds" in section
    loans = text[text.index("\n## LoanBrackets\n") :]
    assert "Not applicable: smoothed (LoanBrackets: no quantity)." in loans
    assert "smoothed" not in cells_of(loans, "method | median gap")
    assert "jumpgym compare" in text
    assert "Code: 0.1.0+abc." in text


def test_one_seed_of_one_environment_needs_no_statistics():
    text = markdown(tables_of([*references(SETUP_COST), record(SETUP_COST, "mixed", seconds=5.0)]))
    assert "| method | gap | ± | CPU s to 1 %" in text
    assert "interval |" not in text
    assert "mean rank" not in text
    assert "### 5 CPU seconds, 1 seed" in text


def test_titles():
    assert title(SETUP_COST, "") == "SetupCost"
    assert title(SETUP_COST, '{"a": [1, 2], "b": "x"}') == 'SetupCost (a=[1, 2], b="x")'


def test_first_time():
    curve = [
        {"cpu_seconds": 1.0, "transitions": 10, "gap_percent": 2.0},
        {"cpu_seconds": 1.4, "transitions": 20, "gap_percent": 1.0},
    ]
    assert first_time(curve, 1.0) == 1.4
    assert first_time(curve, 1.0, "transitions") == 20
    assert pd.isna(first_time(curve, 0.3))
    assert pd.isna(first_time([], 0.3))


def test_report_of_records_and_of_tables_are_the_same(tmp_path):
    records = [r for r in comparison() if r["settings"]["env"] == SETUP_COST]
    records = [r for r in records if r["settings"]["method"] in ("optimum", "mixed")]
    paths = reports.write_report(records, tmp_path)
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    names = {path.name for path in paths}
    pictures = {
        f"{kind}-SetupCost{end}.png" for kind in ("curves", "policies") for end in ("", "_lead_time=2")
    }
    assert names == {*FILES.values(), "comparison.md", "report.html", "profiles.png", *pictures}
    text = (tmp_path / "comparison.md").read_text()
    assert all(f"({picture})" in text for picture in (*pictures, "profiles.png"))
    before = {path: path.read_bytes() for path in paths}
    for path in paths:
        if path.name not in FILES.values():
            path.unlink()
    assert set(reports.report(tmp_path)) == set(paths) - {tmp_path / name for name in FILES.values()}
    assert {path: path.read_bytes() for path in paths} == before
    with pytest.raises(ValueError, match="must hold the tables"):
        reports.report(tmp_path / "nowhere")


def test_names_of_pictures_fit_a_file_system_and_differ():
    instances = [(one.env, json.dumps(one.parameters)) for one in read_instances()]
    twins = [(LOANS, json.dumps({"a": 200 * "x", "b": b})) for b in (1, 2)]
    names = {picture("policies", *key) for key in (*instances, *twins)}
    assert len(names) == len(instances) + len(twins)
    assert max(len(name) for name in names) < 150
    assert picture("curves", SETUP_COST, PARAMETERS) == "curves-SetupCost_lead_time=2.png"


def test_problems_with_long_names_have_a_row_each(tables):
    long = {PARAMETERS: json.dumps({"demand": 60 * "x"})}
    parts = {name: getattr(tables, name) for name in FILES}
    renamed = {name: rows.assign(parameters=rows.parameters.replace(long)) for name, rows in parts.items()}
    for given, second in ((tables, "mean rank"), (Tables(**renamed), "hindsight (bound)")):
        (head, *_) = (line for line in markdown(given).splitlines() if line.startswith("| method | "))
        assert head.startswith(f"| method | {second} | ")


def test_pictures_change_with_the_runs(tables):
    """A picture that ignored its input would look right."""
    curves = of_problem(tables.curves, SETUP_COST, "")
    images = {
        figures.draw_curves("one", part, styles_of(METHODS), level)
        for part, level in ((curves, 1.5), (curves, None), (curves[curves.method != "mixed"], 1.5))
    }
    key = LOANS, ""
    rows, drawn = of_problem(tables.comparison, *key), of_problem(tables.policies, *key)
    facts = of_problem(tables.environments, *key).iloc[0]
    other = drawn.assign(value=drawn.value.where(drawn.method != "mixed", 1 - drawn.value))
    images |= {policies.draw_policies(facts, part, rows) for part in (drawn, other)}
    assert len(images) == 5
    assert all(image.startswith(b"\x89PNG") and len(image) > 10_000 for image in images)


def failure(run):
    """What a run that failed leaves instead of a record."""
    text = "Traceback (most recent call last):\n  File ...\nRuntimeError: out of | memory\n"
    return {**{key: run[key] for key in ("settings", "code")}, "status": "failed", "traceback": text}


def test_failed_runs_have_rows(tmp_path):
    """A method without any result, one that lost a seed, and a reference."""
    whole = comparison()
    lost = [
        run
        for run in whole
        if run["settings"]["env"] == SETUP_COST
        and not run["settings"]["parameters"]
        and (run["settings"]["method"], run["settings"]["seed"])
        in {("gumbel-plain", 0), ("gumbel-plain", 1), ("gumbel-plain", 2), ("mixed", 2), ("hindsight", 0)}
        and run["settings"]["budget_timesteps"] is None
    ]
    rest = [run for run in whole if not any(run is other for other in lost)]
    tables = tables_of(rest, [failure(run) for run in lost])
    write_tables(tables, tmp_path)
    same(tables, read_tables(tmp_path))
    rows = tables.comparison
    assert len(rows) == len(whole)
    failed = rows[rows.status == "failed"]
    assert set(failed.note) == {"RuntimeError: out of | memory"}
    assert failed.gap_percent.isna().all()
    assert failed.method.tolist() == ["hindsight", "mixed", *["gumbel-plain"] * 3]
    text, html = markdown(tables), page(tables).decode()
    cells = cells_of(text, "method | mean rank | [SetupCost]")
    assert cells["gumbel-plain"][1] == "failed"
    assert cells["mixed"][1].endswith("(0.13) F")
    assert "| SetupCost | hindsight |  | RuntimeError: out of \\| memory |" in text
    assert "F: a run failed" in text
    assert 'title="failed: RuntimeError: out of | memory">failed</td>' in html
    assert "1 of 3 runs failed" in html
    line = next(line for line in headline(rows).splitlines() if line.startswith("SetupCost "))
    assert line.split()[1:] == ["failed", "1.50", "0.12", "0.52", "0.70", "failed"]
    assert "failed" not in markdown(tables_of(rest))
