"""The pictures of a comparison: which there are, and their files."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pandas as pd

from .figures import draw_curves, draw_profiles
from .policies import draw_policies
from .statistics import performance_profile
from .styles import styles_of
from .tables import Tables, applicable, in_order, learned, of_problem, title

PROFILES, OVERVIEW = "profiles.png", "policies-overview.png"
"""Files of the pictures of performance profiles, and of a few policies on one problem."""

OVERVIEW_METHODS = ("classical", "mixed", "ppo-gate")
"""Policies that the overview draws beside the reference, where all of them are there."""

LONGEST_NAME = 100
"""Characters of a problem in the name of a file; file systems take 255 bytes of the whole."""


def pictures(tables: Tables) -> dict[str, bytes]:
    """PNG files by name."""
    drawn = {}
    styles = styles_of(in_order(learned(tables.comparison).method))
    for _, environment in tables.environments.iterrows():
        key = environment.env, environment.parameters
        rows, curves = applicable(of_problem(tables.comparison, *key)), of_problem(tables.curves, *key)
        if len(curves):
            classical = rows[rows.method == "classical"].gap_percent.dropna()
            level = classical.iloc[0] if len(classical) else None
            drawn[picture("curves", *key)] = draw_curves(title(*key), curves, styles, level)
        if has_policies(environment, tables):
            policies = of_problem(tables.policies, *key)
            drawn[picture("policies", *key)] = draw_policies(environment, policies, rows)
    profiles = performance_profile(tables.comparison)
    if len(tables.environments) > 1 and len(profiles):
        drawn[PROFILES] = draw_profiles(profiles, styles)
        shown = overview(tables)
        if shown is not None:
            key = shown.env, shown.parameters
            policies = of_problem(tables.policies, *key)
            policies = policies[policies.method.isin([shown.reference, *OVERVIEW_METHODS])]
            drawn[OVERVIEW] = draw_policies(shown, policies, of_problem(tables.comparison, *key))
    return drawn


def picture(kind: str, env: str, parameters: str) -> str:
    """File of the picture of a problem; ``kind`` is ``"curves"`` or ``"policies"``."""
    full = title(env, parameters)
    name = re.sub("[^A-Za-z0-9_.=-]+", "_", full).strip("_")
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"
    return f"{kind}-{name}.png"


def has_policies(environment: pd.Series[Any], tables: Tables) -> bool:
    """Whether there are decisions of the reference and of a learned method, to be drawn beside each other."""
    policies = of_problem(tables.policies, environment.env, environment.parameters).drop_duplicates("method")
    return environment.reference in set(policies.method) and len(learned(policies)) > 0


def overview(tables: Tables) -> pd.Series[Any] | None:
    """The first environment with decisions of all ``OVERVIEW_METHODS`` that are drawn as lines, or None."""
    for _, environment in tables.environments.iterrows():
        methods = set(of_problem(tables.policies, environment.env, environment.parameters).method.unique())
        if not environment.y_name and {environment.reference, *OVERVIEW_METHODS} <= methods:
            return environment
    return None
