"""The general surrogate loss against the exact gradient of a small graph, by enumeration.

Two stochastic nodes and three costs: noise e -> first; (e, theta) -> z -> second; (z, theta) -> w -> third;
all costs depend on theta directly too. The costs "second" and "third" are downstream of z, only "third" of w.
"""

import re
from itertools import product

import pytest
import scipy.stats
import torch
import two_items

from jumpgym.agents import MixedGradient
from jumpgym.agents.gradients.estimators import cost_to_go, credited, leave_one_out
from jumpgym.agents.gradients.estimators import surrogate_loss as rollout_loss
from jumpgym.agents.networks.gates import log_prob
from jumpgym.baselines.studies.notes.computation_graph import downstream_costs, surrogate_loss
from jumpgym.problems.setup_cost import setup_cost

SAMPLES, BATCH = 200_000, 2_000
CHANCE = 0.3
EDGES = {
    "theta": ["p", "q", "first", "second", "third"],
    "noise": ["p", "first"],
    "p": ["z"],
    "z": ["second", "q"],
    "q": ["w"],
    "w": ["third"],
}
NODES, COSTS = ("z", "w"), ("first", "second", "third")
DOWNSTREAM = {"z": {"second", "third"}, "w": {"third"}}


def parameters():
    return torch.tensor([0.4, -0.3, 0.8], dtype=torch.float64, requires_grad=True)


def chance_of(logit, outcome):
    """Log-probability of an outcome in {0, 1}."""
    return torch.nn.functional.logsigmoid(torch.where(outcome > 0, logit, -logit))


def graph(theta, noise, z, w):
    """Log-probabilities and costs, given what was sampled."""
    log_probs = {
        "z": chance_of(theta[0] + 0.5 * noise, z),
        "w": chance_of(theta[1] * (1 + 2 * z) + theta[2], w),
    }
    costs = {
        "first": 6 * noise + theta[0] ** 2,
        "second": theta[2] * (4 * z - 1) ** 2,
        "third": torch.exp(theta[1] * z) * (2 + 3 * w * (1 - 2 * z)),
    }
    return log_probs, costs


def sampled(generator):
    """theta, log-probabilities and costs of a batch of samples."""
    theta = parameters()
    uniforms = torch.rand((3, BATCH), generator=generator, dtype=torch.float64)
    noise = (uniforms[0] < CHANCE).double()
    z = (uniforms[1] < torch.sigmoid(theta[0] + 0.5 * noise)).double()
    w = (uniforms[2] < torch.sigmoid(theta[1] * (1 + 2 * z) + theta[2])).double()
    return theta, *graph(theta, noise, z, w)


def exact_gradient():
    theta = parameters()
    noise, z, w = torch.tensor(list(product((0.0, 1.0), repeat=3)), dtype=torch.float64).T
    log_probs, costs = graph(theta, noise, z, w)
    chance = torch.where(noise > 0, CHANCE, 1 - CHANCE) * sum(log_probs.values()).exp()
    assert float(chance.sum().detach()) == pytest.approx(1)
    return torch.autograd.grad((chance * sum(costs.values())).sum(), theta)[0]


def gradients(loss):
    """Gradients (batches, 3) of a loss of log-probabilities and costs."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(SAMPLES // BATCH):
        theta, log_probs, costs = sampled(generator)
        found.append(torch.autograd.grad(loss(log_probs, costs).mean(), theta)[0])
    return torch.stack(found)


def largest_z(loss):
    found = gradients(loss)
    error = found.std(0) / len(found) ** 0.5
    return float(((found.mean(0) - exact_gradient()).abs() / error.clamp(min=1e-12)).max())


def right(log_probs, costs):
    return surrogate_loss(log_probs, costs, downstream_costs(EDGES, NODES, COSTS))


def test_downstream_follows_the_paths_of_the_graph():
    assert downstream_costs(EDGES, NODES, COSTS) == DOWNSTREAM
    assert downstream_costs({"z": ["c"], "c": ["d"], "y": []}, ["z", "y"], ["c", "d"]) == {
        "z": {"c", "d"},  # a cost may influence a later one
        "y": set(),
    }


def test_it_is_unbiased():
    assert largest_z(right) < 4


def test_a_baseline_that_the_node_does_not_influence_is_harmless():
    theta = parameters()  # a parameter in the baseline gets no gradient from it
    baselines = {"z": 3 * theta[0], "w": torch.full((BATCH,), 2.0, dtype=torch.float64)}
    assert largest_z(lambda p, c: surrogate_loss(p, c, DOWNSTREAM, baselines)) < 4
    theta.grad = None
    log_probs, costs = sampled(torch.Generator().manual_seed(1))[1:]
    surrogate_loss(log_probs, costs, DOWNSTREAM, baselines).mean().backward()
    assert theta.grad is None


def not_detached(log_probs, costs):
    """Van Krieken (2020), Deep Learning, lecture 9, slide 40: the product rule adds a term."""
    credit = {node: sum(costs[cost] for cost in DOWNSTREAM[node]) for node in NODES}
    return sum(log_probs[node] * credit[node] for node in NODES) + sum(costs.values())


def score_only(log_probs, costs):
    """Slide 39: the costs taken to be fixed."""
    return surrogate_loss(log_probs, {name: cost.detach() for name, cost in costs.items()}, DOWNSTREAM)


def pathwise_only(log_probs, costs):
    """The probabilities taken to be fixed."""
    return sum(costs.values())


def downstream_cost_left_out(log_probs, costs):
    return surrogate_loss(log_probs, costs, {**DOWNSTREAM, "z": {"second"}})


@pytest.mark.parametrize("loss", [not_detached, score_only, pathwise_only, downstream_cost_left_out])
def test_wrong_variants_are_seen_to_be_wrong(loss):
    assert largest_z(loss) > 6


def test_crediting_upstream_costs_is_unbiased_but_noisier():
    def all_costs(log_probs, costs):
        return surrogate_loss(log_probs, costs, dict.fromkeys(NODES, COSTS))

    assert largest_z(all_costs) < 4
    ratio = gradients(all_costs).var(0) / gradients(right).var(0)
    assert (
        float(ratio[1:].min()) > 1.3
    )  # theta[1] and theta[2] move w, which neither "first" nor "second" follow


def tiny_problem():
    demand = scipy.stats.rv_discrete(values=([3, 9], [0.6, 0.4]))
    return setup_cost(fixed_cost=8, shortage_cost=4, demand=demand, horizon=4, max_order=40)


def gate_edges(layout, periods):
    """A gate enters the costs that it is credited with, and each of these the one of the next period."""
    gates, components = layout.credit.shape
    edges = {
        ("cost", t, c): [("cost", t + 1, c)] if t + 1 < periods else []
        for t, c in product(range(periods), range(components))
    }
    for t, g in product(range(periods), range(gates)):
        edges["gate", t, g] = [("cost", t, c) for c in range(components) if layout.credit[g, c]]
    return edges


@pytest.mark.parametrize("problem", [tiny_problem, two_items.TwoItems])
@pytest.mark.parametrize("baseline", ["none", "leave_one_out"])
def test_the_loss_of_a_rollout_is_a_special_case(problem, baseline):
    agent = MixedGradient(problem(), hidden=(3,), batch_size=8, state_gradient_limit=None)
    agent.networks.double()
    layout, periods = agent.problem.layout, agent.problem.horizon
    gates, components = layout.credit.shape
    state, noise = agent.start()
    episodes = agent.simulate(type(state)(*(entry.double() for entry in state)), noise.double())
    log_p = log_prob(episodes.logits, episodes.gates, layout.gate_groups)
    q = cost_to_go(episodes.costs)
    advantages = q if baseline == "none" else leave_one_out(q)
    expected = rollout_loss(episodes.costs, log_p, credited(advantages, layout))

    edges = gate_edges(layout, periods)
    log_probs = {("gate", t, g): log_p[t, :, g] for t in range(periods) for g in range(gates)}
    costs = {("cost", t, c): episodes.costs[t, :, c] for t in range(periods) for c in range(components)}
    others = credited((q.sum(1, keepdim=True) - q) / (q.shape[1] - 1), layout)
    baselines = {("gate", t, g): others[t, :, g] for t in range(periods) for g in range(gates)}
    loss = surrogate_loss(
        log_probs,
        costs,
        downstream_costs(edges, log_probs, costs),
        baselines if baseline == "leave_one_out" else None,
    )
    weights = list(agent.policy.parameters())
    for a, b in zip(
        torch.autograd.grad(loss.mean(), weights, retain_graph=True),
        torch.autograd.grad(expected, weights),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


LOG_P = torch.zeros(5, requires_grad=True)
COST = torch.zeros(5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, {"c": COST}, {}), "log_probs is empty"),
        (({"z": LOG_P}, {"c": COST}, {}), "log_probs: unknown node 'z'; the nodes are none"),
        (({"z": LOG_P}, {"c": COST}, {"z": ["d"]}), "downstream of 'z': unknown node 'd'; the nodes are 'c'"),
        (({"z": LOG_P}, {"c": COST}, {"z": [], "y": []}), "downstream: unknown node 'y'; the nodes are 'z'"),
        (
            ({"z": LOG_P}, {"c": COST}, {"z": []}, {"y": COST}),
            "baselines: unknown node 'y'; the nodes are 'z'",
        ),
        (({"z": LOG_P.detach()}, {"c": COST}, {"z": []}), "that of node 'z' has no gradient; compute it"),
        (
            ({"z": LOG_P, "y": LOG_P[:, None]}, {"c": COST}, {"z": [], "y": []}),
            "node 'y' has shape (5, 1), that of 'z' (5,); all must have one batch shape",
        ),
        (
            ({"z": LOG_P}, {"c": COST[:, None]}, {"z": []}),
            "costs: that of 'c' has shape (5, 1), which does not",
        ),
        (({"z": LOG_P}, {"c": COST[:3]}, {"z": []}), "does not broadcast to the batch shape (5,)"),
        (
            ({"z": LOG_P}, {"c": COST}, {"z": []}, {"z": COST[:2]}),
            "baselines: that of 'z' has shape (2,), which does not",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        surrogate_loss(*arguments)


@pytest.mark.parametrize(
    ("edges", "nodes", "costs", "message"),
    [
        ({"z": ["c"]}, ["y"], ["c"], "nodes: unknown node 'y'; the nodes are"),
        ({"z": ["c"]}, ["z"], ["d"], "costs: unknown node 'd'; the nodes are"),
        ({"z": ["s"], "s": ["c", "z"]}, ["z"], ["c"], "edges: the graph has a cycle, "),
        ({"z": ["z"]}, ["z"], [], "edges: the graph has a cycle, 'z' -> 'z'"),
    ],
)
def test_a_graph_that_is_none_is_refused(edges, nodes, costs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        downstream_costs(edges, nodes, costs)
