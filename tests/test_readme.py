"""The examples of the README, run as a user would, in an empty folder, and its table of results."""

import doctest
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_examples_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0


def results_table() -> list[str]:
    """Median and worst gap of each method in the standard comparison, as lines of Markdown."""
    rows = pd.read_csv(ROOT / "results" / "standard" / "comparison.csv")
    rows = rows[rows.method != "optimum"].fillna({"budget_seconds": 0})
    gaps = rows.groupby(["method", "env", "budget_seconds"]).gap_percent.agg(["median", "max"])
    short, long = sorted(rows.budget_seconds[rows.budget_seconds > 0].unique())
    columns = [(env, short) for env in rows.env.unique()] + [(rows.env.iloc[0], long)]

    def cell(method: str, env: str, budget: float) -> str:
        median, worst = gaps.loc[method, env, 0 if method == "classical" else budget]
        return f"{median:.2f}" if method == "classical" or budget == long else f"{median:.2f} ({worst:.2f})"

    best_first = gaps["median"].unstack([1, 2])[columns[0]].fillna(gaps.loc["classical"].iloc[0, 0])
    return [
        f"| `{method}` | " + " | ".join(cell(method, *column) for column in columns) + " |"
        for method in best_first.sort_values().index
    ]


def suite_table() -> list[str]:
    """Gaps of each environment in the comparison over the suite and in the references, as Markdown."""
    runs = pd.read_csv(ROOT / "results" / "suite" / "comparison.csv")
    gaps = runs[runs.budget_seconds > 0].set_index(["env", "method"]).gap_percent
    lines = []
    for row in pd.read_csv(ROOT / "results" / "references" / "references.csv").itertuples():
        cells = [
            *(f"{gaps[row.env, method]:.2f}" for method in ("mixed", "ppo-gate")),
            f"{row.classical_gap_percent:.2f}",
            f"{row.ignoring_gap_percent:.1f}",
            f"{row.hindsight_gap_percent:.0f}",
        ]
        name = row.env.removeprefix("jumpgym/").removesuffix("-v0")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def test_the_tables_of_the_readme_are_those_of_the_results():
    text = README.read_text()
    for line in [*results_table(), *suite_table()]:
        assert line in text
