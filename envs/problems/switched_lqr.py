"""SwitchedLQR: the mode of a linear system is chosen with its control."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from array_api_compat import array_namespace
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..layout import ActionLayout
from ..noise.single import ContinuousNoise
from ..problem import HindsightProblem

DEFAULT_A = ((1.1, 0.2), (-0.2, 1.1))
DEFAULT_B = (((1.0,), (0.0,)), ((0.0,), (0.5,)))


class SwitchedLQRState(NamedTuple):
    """State of a switched linear system; every entry has the leading batch axes.

    Attributes:
        x: state of the system, shape (..., n).
        period: elapsed periods, shape (...,).
    """

    x: Any
    period: Any


class SwitchedLQR(HindsightProblem):
    """The problem of ``jumpgym/SwitchedLQR-v0``; see ``SwitchedLQREnv`` for the parameters.

    Attributes:
        A, B, Q, R: matrices by mode, shapes (m, n, n), (m, n, p), (m, n, n), (m, p, p).
        mode_costs: cost of a period in each mode, shape (m,).
        terminal_cost: matrix of the quadratic cost of the last state, shape (n, n).
        noise_covariance: shape (n, n).
        initial_low, initial_high: corners of the box of initial states, shape (n,).
        max_control: bound of each control, shape (p,).
    """

    horizon: int
    noise_name = "disturbance"
    cost_kinds = ("state", "control", "mode", "terminal")

    def __init__(
        self,
        *,
        A: Any = (DEFAULT_A, DEFAULT_A),
        B: Any = DEFAULT_B,
        Q: Any = 1.0,
        R: Any = 0.2,
        mode_costs: Any = 0.0,
        terminal_cost: Any = 0.0,
        noise_covariance: Any = 0.05,
        initial_state: Any = ((-2.0, -2.0), (2.0, 2.0)),
        max_control: Any = 10.0,
        horizon: int = 20,
        discount: float = 1.0,
    ) -> None:
        self.A, self.B = _array("A", A), _array("B", B)
        if self.A.ndim != 3 or self.A.shape[1] != self.A.shape[2] or 0 in self.A.shape:
            raise ValueError(f"A of shape {self.A.shape} must have shape (modes, n, n)")
        modes, n = self.A.shape[:2]
        if self.B.ndim != 3 or self.B.shape[:2] != (modes, n) or 0 in self.B.shape:
            raise ValueError(
                f"B of shape {self.B.shape} must have shape ({modes}, {n}, p), with modes and n as in A"
            )
        p = self.B.shape[2]
        self.Q = _quadratic("Q", Q, modes, n)
        self.R = _quadratic("R", R, modes, p)
        if np.linalg.eigvalsh(self.R).min() <= 0:
            raise ValueError(f"R={self.R.tolist()} must be positive definite in every mode")
        self.mode_costs = _filled("mode_costs", mode_costs, (modes,))
        (self.terminal_cost,) = _quadratic("terminal_cost", terminal_cost, 1, n)
        (self.noise_covariance,) = _quadratic("noise_covariance", noise_covariance, 1, n)
        self.initial_low, self.initial_high = _filled("initial_state", initial_state, (2, n))
        if np.any(self.initial_low > self.initial_high):
            raise ValueError(
                f"initial_state={initial_state!r} must be a state or a pair of states, low <= high"
            )
        self.max_control = _filled("max_control", max_control, (p,))
        if np.any(self.max_control <= 0):
            raise ValueError(f"max_control={max_control!r} must be greater than 0")
        self.horizon = checks.integer("horizon", horizon, low=1, high=checks.MAX_HORIZON)
        self.discount = checks.discount(discount)

        self._normal = ContinuousNoise(scipy.stats.norm(), self.horizon)
        factor = _root(self.noise_covariance)
        self._largest_noise = self._normal.max * np.abs(factor).sum(axis=0)
        reach = self._reach()
        self.observation_low = np.array([*-reach, 0.0])
        self.observation_high = np.array([*reach, float(self.horizon)])
        self.observation_names = (*(f"x{i + 1}" for i in range(n)), "period")
        self.quantity_names = tuple(f"u{j + 1}" for j in range(p))
        self.regime_names = (tuple(f"mode {k + 1}" for k in range(modes)),)
        self.noise_shape = self.start_shape = (n,)
        bounds = np.repeat(self.max_control, modes)
        self.layout = ActionLayout((modes,), (0,) * p, -bounds, bounds)
        scale = self._state_magnitude()
        self.observation_scale = np.append(scale, float(self.horizon))
        self.state_scale = (scale, None)
        self.quantity_scale = self._control_magnitude(scale)
        super().__init__(
            {
                # One matrix product serves all modes: columns run over modes, then entries.
                "free": self.A.transpose(2, 0, 1).reshape(n, modes * n),
                "driven": self.B.transpose(2, 0, 1).reshape(p * modes, n),
                "state_root": np.concatenate([_root(each).T for each in self.Q], axis=1),
                "control_root": _by_mode(np.stack([_root(each).T for each in self.R])),
                "terminal_root": _root(self.terminal_cost).T,
                "mode_costs": self.mode_costs,
                "noise_root": factor,
                "largest_noise": self._largest_noise,
                "start": self.initial_low,
                "width": self.initial_high - self.initial_low,
                "quantity_scale": self.quantity_scale,
            }
        )

    def initial_state(self, uniforms: Any) -> SwitchedLQRState:
        """State before the first period from uniforms (..., n)."""
        c = self.constants(uniforms)
        return SwitchedLQRState(c.start + c.width * uniforms, 0.0 * uniforms[..., 0])

    def noise(self, uniforms: Any) -> Any:
        """Disturbances (..., horizon, n) from uniforms of that shape; cut at 7.3 standard deviations."""
        return self._normal.sample(uniforms) @ self.constants(uniforms).noise_root

    def step(
        self, state: SwitchedLQRState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[SwitchedLQRState, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` is the disturbance (..., n)."""
        following, of_state, of_control, terminal = self._period(state, gate, quantity, noise)
        return following, self._cost(gate, of_state, of_control, terminal)

    def itemised_step(
        self, state: SwitchedLQRState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[SwitchedLQRState, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; kinds are state, control, mode and terminal state."""
        following, of_state, of_control, terminal = self._period(state, gate, quantity, noise)
        by_kind = {
            "state": (gate * of_state).sum(-1),
            "control": (gate * of_control).sum(-1),
            "mode": gate @ self.constants(quantity).mode_costs,
            "terminal": terminal,
        }
        return following, self._cost(gate, of_state, of_control, terminal), by_kind

    def _cost(self, gate: Any, of_state: Any, of_control: Any, terminal: Any) -> Any:
        mode_costs = self.constants(gate).mode_costs
        return ((gate * (of_state + of_control + mode_costs)).sum(-1) + terminal)[..., None]

    def _period(
        self, state: SwitchedLQRState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[SwitchedLQRState, Any, Any, Any]:
        """The next state, cost of state and of control by mode (..., m), and terminal cost (...,)."""
        c = self.constants(quantity)
        xp, (modes, n), p = c.xp, self.A.shape[:2], len(self.max_control)
        x, period = state
        batch = quantity.shape[:-1]
        by_mode = xp.reshape(x @ c.free, (*batch, modes, n))
        weighted = xp.reshape(quantity, (*batch, p, modes)) * gate[..., None, :]
        after = (gate[..., None] * by_mode).sum(-2)
        after = after + xp.reshape(weighted, (*batch, p * modes)) @ c.driven + noise
        state_cost = xp.reshape((x @ c.state_root) ** 2, (*batch, modes, n)).sum(-1)
        control_cost = xp.reshape((quantity @ c.control_root) ** 2, (*batch, modes, p)).sum(-1)
        last = xp.astype(period + 1 >= self.horizon, quantity.dtype)
        terminal = last * ((after @ c.terminal_root) ** 2).sum(-1)
        return SwitchedLQRState(after, period + 1), state_cost, control_cost, terminal

    def infer_noise(
        self, state: SwitchedLQRState, gate: Any, quantity: Any, following: SwitchedLQRState
    ) -> Any:
        """Disturbances (..., n), the next state minus ``A x + B u``; see ``HindsightProblem``."""
        c = self.constants(quantity)
        undisturbed = self.step(state, gate, quantity, 0.0 * state.x)[0].x
        disturbance = following.x - undisturbed
        return c.xp.maximum(c.xp.minimum(disturbance, c.largest_noise), -c.largest_noise)

    def observe(self, state: SwitchedLQRState) -> Any:
        """Observation (..., n + 1): state of the system, elapsed periods."""
        return array_namespace(state.period).concat([state.x, state.period[..., None]], axis=-1)

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Controls ``quantity_scale * output``, shape (..., columns); see ``HindsightProblem``."""
        return self.constants(output).quantity_scale * output

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Disturbances of shape (..., horizon, n) to be replayed; within the bounds of the observation."""
        disturbances = self.noise_array(noise)
        if np.any(np.abs(disturbances) > self._largest_noise * (1 + 1e-9)):
            raise ValueError(
                f"noise: the disturbances must lie within +-{self._largest_noise.tolist()}, the bounds that "
                "the bounds of the observation follow from"
            )
        return disturbances

    def _reach(self) -> NDArray[np.float64]:
        """A bound of each entry of the state in any episode, shape (n,)."""
        reach = most = np.maximum(np.abs(self.initial_low), np.abs(self.initial_high))
        for _ in range(self.horizon):
            reach = (np.abs(self.A) @ reach + np.abs(self.B) @ self.max_control).max(
                axis=0
            ) + self._largest_noise
            most = np.maximum(most, reach)
            if most.max() > checks.LARGEST:
                raise ValueError(
                    f"A, B, max_control, horizon={self.horizon}: the state may exceed {checks.LARGEST:g} "
                    "within the horizon; shorten it, or scale A down"
                )
        return np.asarray(most)

    def _state_magnitude(self) -> NDArray[np.float64]:
        """Order of magnitude of the entries of the state, shape (n,): at the start and after some noise."""
        start = (self.initial_low**2 + self.initial_low * self.initial_high + self.initial_high**2) / 3
        scale = np.sqrt(start + 4 * np.diag(self.noise_covariance))
        return np.where(scale > 0, scale, scale.max() if scale.max() > 0 else 1.0)

    def _control_magnitude(self, scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Order of magnitude of controls, shape (columns,): those that would cancel a state of that scale."""
        cancelling = np.sqrt((np.linalg.pinv(self.B) @ self.A) ** 2 @ scale**2)
        bounded: NDArray[np.float64] = np.minimum(np.where(cancelling > 0, cancelling, 1.0), self.max_control)
        return bounded.T.reshape(-1)


def _array(name: str, value: Any) -> NDArray[np.float64]:
    array = checks.real_array(name, value)
    if not np.all(np.abs(array) <= checks.LARGEST):  # NaN compares false
        raise ValueError(f"{name}={value!r} must be finite, at most {checks.LARGEST:g} in absolute value")
    return array


def _filled(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """``value`` in the shape, of which leading axes may be left out, or all of them."""
    array = _array(name, value)
    if array.shape != () and array.shape != shape[len(shape) - array.ndim :]:
        raise ValueError(f"{name} of shape {array.shape} must be a number or have shape {shape}")
    return np.array(np.broadcast_to(array, shape))


def _quadratic(name: str, value: Any, count: int, size: int) -> NDArray[np.float64]:
    """Symmetric positive semidefinite matrices (count, size, size); a number is one times the identity."""
    array = _array(name, value)
    array = array * np.eye(size) if array.ndim == 0 else array
    if array.shape not in ((size, size), (count, size, size)):
        expected = f"({size}, {size})" + (f" or ({count}, {size}, {size})" if count > 1 else "")
        raise ValueError(f"{name} of shape {array.shape} must be a number or have shape {expected}")
    array = np.array(np.broadcast_to(array, (count, size, size)))
    slack = 1e-9 * max(1.0, float(np.abs(array).max()))
    if np.abs(array - array.swapaxes(1, 2)).max() > slack or np.linalg.eigvalsh(array).min() < -slack:
        raise ValueError(f"{name}={value!r} must be symmetric and positive semidefinite")
    return (array + array.swapaxes(1, 2)) / 2


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix ``F`` with ``F.T @ F = matrix``, of a symmetric positive semidefinite one (n, n)."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def _by_mode(roots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Roots (m, p, p) as one matrix from columns of quantities, (p * m,), to entries by mode, (m * p,)."""
    modes, p = roots.shape[:2]
    matrix = np.zeros((p, modes, modes, p))
    for mode in range(modes):
        matrix[:, mode, mode, :] = roots[mode]
    return matrix.reshape(p * modes, modes * p)


class SwitchedLQREnv(HybridEnv):
    """
    ## Description
    A linear system with several modes. In each period the controller chooses the mode, and in it the control;
    each mode has its own dynamics and its own quadratic cost. By default two actuators share one drive, so
    that only one of two coupled, slightly unstable states can be pushed in a period. Inside a mode everything
    is smooth, and the optimal control linear; from mode to mode the transition jumps.

    In a period: the mode and the control are chosen; the cost of the state and the control is charged; the
    state moves on, with a disturbance.

    With the defaults the optimal expected cost is 8.16. The best policy that ignores the jump, the linear
    quadratic regulator of the best single mode, costs 29.37: 260 % more. The best sequence of modes that is
    fixed beforehand costs 9.88, 21 % more.

    ## Action Space
    `Tuple(Discrete(m), Box(-max_control, max_control, (p,), float32))`: the mode, and the control, which is
    projected on its bounds. A mode out of range, a NaN or a wrong shape is a `ValueError`.
    `info["quantity"]` is the control that was applied, `info["regime"]` the mode, `info["noise"]` the
    disturbance.

    ## Observation Space
    `Box(float32, (n + 1,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 ... n - 1 | state of the system | minus the most that can be reached | the most that can be reached |
    | n | elapsed periods | 0 | horizon |

    ## Rewards
    Minus the cost of the period in state `x` with mode `k` and control `u`:
    `x' Q[k] x + u' R[k] u + mode_costs[k]`, in the last period plus `y' terminal_cost y` for the state `y`
    after it. The next state is `A[k] x + B[k] u + w`, with a normal disturbance `w`, cut at 7.3 standard
    deviations. Rewards are not discounted; `discount` is the factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: state, control, mode and terminal.

    ## Starting State
    `initial_state`, drawn uniformly from a box if it is a pair of states.

    ## Episode End
    Terminated after `horizon` periods. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `A` | (((1.1, 0.2), (-0.2, 1.1)), ((1.1, 0.2), (-0.2, 1.1))) | dynamics of the state in each mode, shape (m, n, n) |
    | `B` | (((1.0,), (0.0,)), ((0.0,), (0.5,))) | effect of the control in each mode, shape (m, n, p) |
    | `Q` | 1.0 | cost of the state, positive semidefinite, shape (n, n) or (m, n, n); a number times the identity |
    | `R` | 0.2 | cost of the control, positive definite, shape (p, p) or (m, p, p); a number times the identity |
    | `mode_costs` | 0.0 | cost of a period in each mode, shape (m,); a number for all |
    | `terminal_cost` | 0.0 | cost of the last state, positive semidefinite, shape (n, n); a number times the identity |
    | `noise_covariance` | 0.05 | covariance of the disturbance, shape (n, n); a number times the identity |
    | `initial_state` | ((-2.0, -2.0), (2.0, 2.0)) | a state (n,), or a pair of states, the corners of a box |
    | `max_control` | 10.0 | largest absolute value of each control, shape (p,); a number for all |
    | `horizon` | 20 | number of periods; an infinite horizon is not supported |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |

    >>> import gymnasium as gym, jumpgym
    >>> env = gym.make("jumpgym/SwitchedLQR-v0", initial_state=(1.0, 0.0), noise_covariance=0.0)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((0, [-1.0]))
    >>> observation.round(3), round(reward, 3)
    (array([ 0.1, -0.2,  1. ], dtype=float32), -1.2)

    ## References
    - Switched linear systems with quadratic cost are the second family of problems of arXiv:2605.14297.
    - W. Zhang, J. Hu and A. Abate (2012), Infinite-horizon switched LQR problems in discrete time: a
      suboptimal algorithm with performance analysis, IEEE Transactions on Automatic Control 57(7).

    ## Version History
    - v0: first version.
    """  # noqa: E501 (a table row is one line)

    make_problem = staticmethod(SwitchedLQR)


class SwitchedLQRVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/SwitchedLQR-v0``."""

    make_problem = staticmethod(SwitchedLQR)
