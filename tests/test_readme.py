"""The examples of the README, run as a user would, in an empty folder, and its table of results."""

import doctest
from pathlib import Path

import pandas as pd

from jumpgym.baselines.report.markdown import markdown
from jumpgym.baselines.report.statistics import performance_profile, ranks, summary
from jumpgym.baselines.report.tables import read_tables, title

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_examples_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0


def standard() -> pd.DataFrame:
    """The standard comparison: all methods for a short time, few for a longer one."""
    return read_tables(ROOT / "results" / "standard").comparison


def headline_table() -> list[str]:
    """Gaps of each environment in the longer part, and those of the references, as lines of Markdown."""
    gaps = summary(standard())
    gaps = gaps[gaps.budget_seconds == gaps.budget_seconds.max()].set_index(["env", "method"])
    lines = []
    for row in pd.read_csv(ROOT / "results" / "references" / "references.csv").itertuples():
        learned = [gaps.loc[(row.env, method)] for method in ("mixed", "ppo-gate")]
        cells = [
            *(f"{of_method['median']:.2f} ({of_method.worst:.2f})" for of_method in learned),
            f"{row.classical_gap_percent:.2f}",
            f"{row.ignoring_gap_percent:.1f}",
            f"{row.hindsight_gap_percent:.0f}",
        ]
        lines.append(f"| `{title(row.env, '')}` | " + " | ".join(cells) + " |")
    return lines


SHOWN = tuple(f"jumpgym/{name}-v0" for name in ("SetupCost", "TruckCapacity", "JointReplenishment"))


def methods_table() -> list[str]:
    """All methods in the shorter part, best mean rank first."""
    rows = standard()
    rows = rows[rows.budget_seconds == rows.budget_seconds.min()]
    gaps = summary(rows).set_index(["env", "method"])["median"]
    shares = performance_profile(rows, [1.0, 5.0]).set_index(["method", "threshold"]).share
    lines = []
    for row in ranks(rows).sort_values("rank").itertuples():
        within = (f"{100 * shares[row.method, limit]:.0f} %" for limit in (1.0, 5.0))
        cells = [f"{row.rank:.1f}", *within, *(digits(gaps.get((env, row.method))) for env in SHOWN)]
        lines.append(f"| `{row.method}` | " + " | ".join(cells) + " |")
    return lines


def digits(gap: float | None) -> str:
    """A gap as the table shows it."""
    return "n/a" if gap is None else f"{gap:.2f}" if gap < 100 else f"{gap:,.0f}"


def test_the_tables_of_the_readme_are_those_of_the_results():
    text = README.read_text()
    for line in [*headline_table(), *methods_table()]:
        assert line in text


def test_the_summary_of_the_standard_comparison_is_that_of_its_tables():
    folder = ROOT / "results" / "standard"
    assert markdown(read_tables(folder)) == (folder / "comparison.md").read_text()
