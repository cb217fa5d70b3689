"""Recorded demand split in time: methods train on the earlier part and are judged on the later one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jumpgym import as_problem, checks
from jumpgym.adapters.recordings import recorded_noise
from jumpgym.adapters.registry import make_env
from jumpgym.traces import Records

from ..windows import windows_of

DEFAULT = "0.7"
"""Share of the periods on which methods train."""

IN_SAMPLE = "in-sample"
"""Methods are judged on the windows that they train on, which flatters those that learn them by heart."""


def split_for(env: str, parameters: Mapping[str, Any], split: str) -> str | None:
    """``split``, if an environment with these parameters replays records; None if noise is drawn.

    Args:
        env: id of the environment.
        parameters: its parameters.
        split: share of the periods in the earlier part, such as "0.7"; first date of the later part, such as
            "2024-01-01"; or ``IN_SAMPLE``.

    Raises:
        ValueError: if the records cannot be split so, or a part is shorter than an episode.
    """
    if recorded_noise(as_problem(make_env(env, parameters))) is None:
        return None
    parts(env, parameters, split)
    return split


def parts(env: str, parameters: Mapping[str, Any], split: str) -> tuple[Any, Any]:
    """The environments with the earlier and with the later records; with ``IN_SAMPLE`` the same one twice.

    Args:
        env, parameters, split: see ``split_for``.
    """
    whole = make_env(env, parameters)
    recorded = recorded_noise(as_problem(whole))
    if split == IN_SAMPLE or recorded is None:
        return whole, whole
    name, noise = recorded
    horizon = as_problem(whole).horizon
    first_periods = noise.first_periods
    if horizon is not None and len(first_periods) > 1 and first_periods[1] > first_periods[0] + 1:
        episodes = noise.series.reshape(-1, horizon, *noise.series.shape[1:])
        first = len(_split(Records(np.zeros((len(episodes), 1)), ("episode",)), split)[0])
        earlier, later = episodes[:first], episodes[first:]
    else:
        earlier, later = _split(_records(noise), split)
    environments = []
    for which, part in (("earlier", earlier), ("later", later)):
        try:
            environments.append(make_env(env, {**parameters, name: part}))
        except ValueError as error:
            raise ValueError(f"the {which} part of the records, split at {split}: {error}") from error
    return environments[0], environments[1]


def _records(noise: Any) -> Records:
    """The records that noise replays; items of an array have no names."""
    if noise.records is not None:
        records: Records = noise.records
        return records
    values = noise.series.reshape(len(noise.series), -1)
    return Records(values, tuple(f"item {k + 1}" for k in range(values.shape[1])))


def _split(records: Records, split: str) -> tuple[Records, Records]:
    """The earlier and the later part of records; see ``split_for``."""
    try:
        share = float(split)
    except ValueError:
        if records.dates is None:
            raise ValueError(
                f"--split-date={split!r}, but these records have no dates; give --train-share"
            ) from None
        return records.split(date=split)
    return records.split(share=checks.number("--train-share", share, low=0, high=1))


def description(env: str, parameters: Mapping[str, Any], split: str) -> str:
    """What methods train on and what they are judged on, in words."""
    earlier, later = (as_problem(part) for part in parts(env, parameters, split))
    assert later.horizon is not None
    windows = windows_of(later, later.horizon)
    if split == IN_SAMPLE:
        return f"in sample: policies are judged on the {windows} that they are trained and fitted on"
    trained, judged = (_periods(problem) for problem in (earlier, later))
    return f"policies are trained and fitted on {trained} and judged on {windows} of {judged}"


def _periods(problem: Any) -> str:
    recorded = recorded_noise(problem)
    assert recorded is not None
    count, records = len(recorded[1].series), recorded[1].records
    if records is None or records.dates is None:
        return f"{count:,} periods"
    return f"{count:,} periods ({records.period_name(0)} to {records.period_name(-1)})"
