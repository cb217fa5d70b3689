"""``jumpgym published``: published costs beside those that are computed."""

import pandas as pd
import pytest

from jumpgym.baselines.cli.main import main
from jumpgym.baselines.studies import published


def test_a_source_is_computed_and_written(tmp_path, capsys):
    assert main(["published", "--only", "bijvank", "vanvuchelen", "--output", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "published.csv")
    assert table.agrees.all()
    assert table.published.tolist() == [11.46, 11.62, 11.56, 11.50, 71.558]
    assert table.cost.tolist() == pytest.approx([11.46, 11.62, 11.5552, 11.4974, 71.558], abs=5.1e-3)
    text = (tmp_path / "published.md").read_text()
    assert "| Bijvank et al. (2015) | fixed cost 5 | (s, nQ) = (17, 7) | 11.56 | 11.5552 | yes |" in text
    assert "(s, nQ) = (17, 7) | 11.56 | 11.5552 | yes" in capsys.readouterr().out


def test_a_cost_that_differs_fails(tmp_path, monkeypatch):
    wrong = published.Figure("Somebody (2020)", "an instance", "optimum", 1.25, 2, lambda: 1.2552)
    assert not wrong.agrees(1.2552)
    assert wrong.agrees(1.2549)
    monkeypatch.setattr(published, "figures", lambda: iter([wrong]))
    assert main(["published", "--output", str(tmp_path)]) == 1
    assert "| 1.25 | 1.2552 | NO |" in (tmp_path / "published.md").read_text()


def test_an_unknown_source_is_refused(tmp_path, capsys):
    assert main(["published", "--only", "wagner", "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "--only: 'wagner' must be the beginning of one of: Zheng and Federgruen (1991); Zipkin" in error


def test_all_figures_have_the_decimals_that_they_were_printed_with():
    every = list(published.figures())
    assert len(every) == 2 * 14 + 16 + 4 + 1
    assert all(round(figure.cost, figure.decimals) == figure.cost for figure in every)
