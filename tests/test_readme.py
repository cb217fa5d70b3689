"""The figures of the pages are those of the committed results."""

import functools
import re
from pathlib import Path

import gymnasium as gym
import pandas as pd
import pytest

import jumpgym
from jumpgym.baselines.report.markdown import markdown
from jumpgym.baselines.report.statistics import performance_profile, ranks, summary
from jumpgym.baselines.report.tables import Tables, read_tables, title
from jumpgym.baselines.runs.provenance import code_version

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@functools.cache
def standard() -> Tables:
    """The tables of the standard comparison: few methods for a longer time."""
    return read_tables(ROOT / "results" / "standard")


@functools.cache
def all_methods() -> Tables:
    """The tables of all methods for a short time."""
    return read_tables(ROOT / "results" / "all")


COMPARISONS = "standard", "all", "hard"
"""The folders of the comparisons that are made anew for a release."""

COMPARED = "mixed", "ppo-compiled", "ppo-gate"
"""The methods of the first page, ours first."""


@functools.cache
def headline_table() -> list[str]:
    """Gaps of each environment, and those of the references, as lines of Markdown."""
    gaps = summary(standard().comparison).set_index(["env", "method"])
    lines = []
    for row in pd.read_csv(ROOT / "results" / "references" / "references.csv").itertuples():
        learned = [gaps.loc[(row.env, method)] for method in COMPARED]
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
    """All methods, best mean rank first."""
    rows = all_methods().comparison
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
    if gap is None:
        return "n/a"
    return "D" if gap == float("inf") else f"{gap:.2f}" if gap < 100 else f"{gap:,.0f}"


def test_the_tables_of_the_pages_are_those_of_the_results():
    for page, table in (
        (README, headline_table()),
        (ROOT / "results" / "README.md", methods_table()),
    ):
        text = page.read_text()
        for line in table:
            assert line in text, f"{page.relative_to(ROOT)} lacks the line {line}"


def listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "none of them"


def test_the_first_page_says_who_is_ahead_as_its_table_does():
    medians = {
        re.search(r"`(\w+)`", line)[1]: [float(cell.split()[0]) for cell in line.split("|")[2:6]]
        for line in headline_table()
    }
    text = " ".join(README.read_text().split())
    for i in (1, 2):
        ahead = [name for name, gaps in medians.items() if gaps[i] < gaps[0]]
        assert f"`{COMPARED[i]}` is ahead of `mixed` on {listed(ahead)}" in text
    classical = [name for name, (*learned, rule) in medians.items() if rule < min(learned)]
    assert f"The best classical policy is ahead of all three on {listed(classical)}." in text


def test_the_first_page_names_every_environment_with_its_spaces():
    text = README.read_text()
    for env_id in jumpgym.ENVIRONMENTS:
        env = gym.make(env_id)
        gate, quantity = env.action_space
        entries = env.observation_space.shape[0]
        row = next(
            line
            for line in text.splitlines()
            if line.endswith(f"| {entries} |") and title(env_id, "") in line
        )
        assert f"| `{gate}`, `Box({quantity.shape[0]})` |" in row


def codes_of(name: str) -> set[str]:
    """The versions of the code that made the runs of a comparison."""
    return set(pd.read_csv(ROOT / "results" / name / "comparison.csv").code)


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_page_names_the_code_that_made_a_comparison(name):
    text = (ROOT / "results" / "README.md").read_text()
    assert all(f"`{code}`" in text for code in codes_of(name))


def test_the_evidence_of_a_release_is_of_its_code():
    _, unreleased, _ = re.split(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), maxsplit=2, flags=re.M)
    if unreleased.strip():
        pytest.skip("CHANGELOG.md has unreleased changes, so this is no release")
    assert {code for name in COMPARISONS for code in codes_of(name)} == {code_version()}


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_summary_of_a_comparison_is_that_of_its_tables(name):
    folder = ROOT / "results" / name
    assert markdown(read_tables(folder)) == (folder / "comparison.md").read_text()
