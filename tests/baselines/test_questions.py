"""What makes the difference: the counts, ratios and intervals of pairs of methods."""

import numpy as np
import pandas as pd
import pytest

from jumpgym.baselines.report.questions import NOISE, answers, questions_table
from jumpgym.baselines.runs.status import Status


def comparison(gaps_of):
    """Rows of a comparison from the gaps of the seeds, by method and environment."""
    rows = [
        {
            "env": env,
            "parameters": "",
            "method": method,
            "seed": seed,
            "status": Status.OK if np.isfinite(gap) else Status.DIVERGED,
            "gap_percent": gap,
        }
        for method, by_env in gaps_of.items()
        for env, seeds in by_env.items()
        for seed, gap in enumerate(seeds)
    ]
    return pd.DataFrame(rows)


def test_an_answer_is_that_of_the_median_gaps():
    rows = comparison(
        {
            "mixed": {"a": [0.5, 1.0, 9.0], "b": [2.0], "c": [-0.01], "d": [1.0]},
            "ppo-compiled": {"a": [4.0, 4.0, 4.0], "b": [1.0], "c": [0.02], "e": [1.0]},
        }
    )
    (answer,) = answers(rows)
    assert (answer.question.method, answer.question.other) == ("mixed", "ppo-compiled")
    # a: 4 times the gap, b: half of it; c: both are noise. d and e have one of the two methods only.
    assert (answer.problems, answer.ahead, answer.behind) == (3, 1, 1)
    assert answer.ratio == pytest.approx((4 * 0.5) ** (1 / 3))
    assert answer.low == pytest.approx(0.5)
    assert answer.high == pytest.approx(4)
    ((*_, ahead, behind, ratio),) = questions_table(rows)
    assert (ahead, behind, ratio) == ("1 of 3", "1", "1.3 (0.5 to 4)")


def test_runs_that_diverged_count_as_the_largest_gap():
    (answer,) = answers(comparison({"mixed": {"a": [NOISE / 2]}, "ppo-gate": {"a": [np.inf]}}))
    assert (answer.ahead, answer.ratio) == (1, pytest.approx(10_000 / NOISE))
    assert np.isnan(answer.low)


def test_a_method_alone_answers_nothing():
    assert answers(comparison({"mixed": {"a": [1.0]}, "hpo": {"a": [2.0]}})) == []
