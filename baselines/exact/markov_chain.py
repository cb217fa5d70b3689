"""The Markov chain of a stationary policy: long-run share of each state, and long-run cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

DENSE_STATES = 1500
"""Up to so many states a dense factorisation is faster than a sparse one."""

MOST_STEPS, SETTLED = 500, 1e-14
"""Steps within which most chains settle, and the change of the distribution at which they have settled."""


class PolicyChain(NamedTuple):
    """Markov chain of a policy on n states.

    Attributes:
        matrix: transition probabilities, sparse, shape (n, n).
        cost: expected cost of a period in each state, shape (n,).
        start: probability of each state at the start, shape (n,).
        start_cost: additional cost at the start.
        cut: probability that the next state lies off the lattice, shape (n,).
    """

    matrix: Any
    cost: NDArray[np.float64]
    start: NDArray[np.float64]
    start_cost: float
    cut: NDArray[np.float64]


def transition_matrix(columns: NDArray[np.int64], probabilities: NDArray[np.float64]) -> csr_array:
    """Matrix (n, n) of a chain that moves from state i to ``columns[i, j]`` with ``probabilities[j]``."""
    size = len(columns)
    ends = len(probabilities) * np.arange(size + 1)
    matrix = csr_array((np.tile(probabilities, size), columns.ravel(), ends), shape=(size, size))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()  # explicit zeros would count as connections between states
    return matrix


def long_run_cost(chain: PolicyChain, discount: float) -> tuple[float, float]:
    """Average cost per period (discount 1) or expected discounted cost, and how often the chain is cut off.

    Returns:
        The cost, and the discounted share of periods in which the next state lies off the lattice.
    """
    share = occupancy(chain, discount)
    cost, cut = float(share @ chain.cost), float(share @ chain.cut)
    return (cost, cut) if discount == 1 else (chain.start_cost + cost / (1 - discount), cut)


def occupancy(chain: PolicyChain, discount: float) -> NDArray[np.float64]:
    """Share of the periods spent in each state, shape (n,), with period t weighted by ``discount**t``.

    At discount 1 it is the long-run share. If the chain can end in several closed classes, their shares are
    weighted by the probability of ending in each.
    """
    share = np.zeros(len(chain.cost))
    states = _reachable(chain)
    matrix, start = chain.matrix[states][:, states], chain.start[states]
    if discount < 1:
        share[states] = (1 - discount) * _solve(eye_array(len(states)) - discount * matrix.T, start)
        return share
    count, component = connected_components(matrix, connection="strong")
    leaving = matrix.tocoo()
    is_open = np.unique(component[leaving.row[component[leaving.row] != component[leaving.col]]])
    closed = np.setdiff1d(np.arange(count), is_open)
    ends_in = _absorption(matrix, start, component, closed)
    for closed_class, weight in zip(closed, ends_in, strict=True):
        inside = np.flatnonzero(component == closed_class)
        share[states[inside]] = weight * _stationary(matrix[inside][:, inside])
    return share


def _reachable(chain: PolicyChain) -> NDArray[np.int64]:
    """States that can be reached from the start, in ascending order."""
    reached, before = chain.start > 0, 0
    while (count := int(reached.sum())) > before:
        before = count
        reached |= chain.matrix.T @ reached.astype(float) > 0
    return np.flatnonzero(reached)


def _absorption(
    matrix: Any, start: NDArray[np.float64], component: NDArray[Any], closed: NDArray[Any]
) -> NDArray[np.float64]:
    """Probability of ending in each closed class."""
    if len(closed) == 1:
        return np.ones(1)
    passing = np.flatnonzero(~np.isin(component, closed))
    enters = start.copy()
    if len(passing):
        visits = _solve(eye_array(len(passing)) - matrix[passing][:, passing].T, start[passing])
        enters += matrix[passing].T @ visits
    return np.array([enters[component == closed_class].sum() for closed_class in closed])


def _stationary(matrix: Any) -> NDArray[np.float64]:
    """The stationary distribution of an irreducible chain."""
    size = matrix.shape[0]
    share, forward = np.full(size, 1 / size), matrix.T.tocsr()
    for _ in range(MOST_STEPS):
        share, before = forward @ share, share
        if np.abs(share - before).sum() < SETTLED:
            return share / share.sum()
    # The chain mixes slowly or is periodic.
    balance = (eye_array(size) - matrix.T).tolil()
    balance[0] = np.ones(size)  # in place of one balance equation, which follows from the others
    return _solve(balance.tocsc(), np.eye(1, size)[0])


def _solve(matrix: Any, right: NDArray[np.float64]) -> NDArray[np.float64]:
    if matrix.shape[0] <= DENSE_STATES:
        return np.linalg.solve(matrix.toarray(), right)
    return spsolve(matrix.tocsc(), right)
