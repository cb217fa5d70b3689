"""Records of a comparison that nobody ran: shapes, notes and settings as ``runs.perform`` makes them."""

import numpy as np

SETUP_COST = "jumpgym/SetupCost-v0"
LOANS = "jumpgym/LoanBrackets-v0"
LEAD_TIME = {"lead_time": 2}
TIMES = np.geomspace(1, 8, 7)

LINE = {
    "entries": [0],
    "names": ["stock"],
    "axes": [[-1.0, 0.0, 1.0, 2.0]],
    "quantities": ["order"],
    "regimes": [["no order", "order"]],
    "periods": [5, 8],
    "horizon": 10,
}
MAP = LINE | {"names": ["cash", "due in 0"], "axes": [[1.0, 10.0, 100.0], [0.0, 1.0]], "quantities": ["loan"]}
MAP["regimes"] = [["no loan", "bracket 1"]]


def record(env, method, seed=0, gap=1.0, parameters=None, seconds=None, steps=None, note="", status="ok"):
    """A record; a method with neither budget is a reference."""
    learned = seconds is not None or steps is not None
    applies = status != "not_applicable"
    chart = MAP if env == LOANS else LINE
    spent = seconds or 3.0
    points = int(np.prod([len(axis) for axis in chart["axes"]]))
    rng = np.random.default_rng(points)
    drawn = {
        "regime": [[rng.integers(0, 2, points).tolist()] for _ in chart["periods"]],
        "quantity": [] if env == LOANS else [[rng.random(points).tolist()] for _ in chart["periods"]],
    }
    curve = [
        {
            "cpu_seconds": spent * time / 8,
            "transitions": int(1000 * time),
            "gap_percent": gap * 8 / time,
            "gap_se_percent": 0.01,
        }
        for time in TIMES
    ]
    return {
        "settings": {
            "env": env,
            "parameters": parameters or {},
            "method": method,
            "seed": seed,
            "budget_seconds": seconds,
            "budget_timesteps": steps,
            "episodes": 256,
        },
        "code": "0.1.0+abc",
        "row": {
            "mean_cost": 200.0 + 2 * gap if applies else float("nan"),
            "standard_error": 0.5,
            "difference": 2 * gap,
            "difference_se": 0.02,
            "gap_percent": gap if applies else float("nan"),
            "gap_se_percent": 0.01,
            "transitions": 8000 if learned else 0,
            "cpu_seconds": spent if learned else 0.0,
            "wall_seconds": spent if learned else 0.0,
            "status": status,
            "note": note,
        },
        "curve": curve if learned and applies else [],
        "drawn": drawn if applies and method != "hindsight" else None,
        "chart": chart,
        "reference": {"kind": "optimum", "cost": 200.1234567, "exactness": "exact", "note": ""},
        "versions": {"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "gymnasium": "1.4.0"},
        "hardware": "2 cores",
        "command": "jumpgym compare",
    }


def references(env, parameters=None):
    """Those of a problem."""
    return [
        record(env, "optimum", gap=0.0, parameters=parameters),
        record(env, "classical", gap=1.5, parameters=parameters, note="SSPolicy(s=1, S=3)"),
        record(env, "hindsight", gap=-20.0, parameters=parameters, note="32 episodes"),
    ]


def comparison():
    """Three problems, two budgets, methods that do not apply and that diverge."""
    records = [*references(SETUP_COST), *references(LOANS), *references(SETUP_COST, LEAD_TIME)]
    for seed in range(3):
        for env, parameters in ((SETUP_COST, None), (LOANS, None), (SETUP_COST, LEAD_TIME)):
            rest = {"seed": seed, "parameters": parameters, "seconds": 20.0}
            scale = 1 + 0.3 * seed + (env == LOANS)
            records.append(record(env, "mixed", gap=0.1 * scale, **rest))
            records.append(record(env, "ppo-gate", gap=0.4 * scale, **rest))
        note, status = ("nan", "diverged") if seed == 1 else ("", "ok")
        gap = float("nan") if seed == 1 else 3.0
        records.append(record(SETUP_COST, "gumbel-plain", seed, gap, None, 20.0, note=note, status=status))
        refused = {"note": "LoanBrackets: no quantity", "status": "not_applicable"}
        records.append(record(LOANS, "smoothed", seed, seconds=20.0, **refused))
        records.append(record(SETUP_COST, "smoothed", seed, 0.7, seconds=20.0))
        records.append(record(SETUP_COST, "mixed", seed, 0.05, steps=1_000_000))
    return records
