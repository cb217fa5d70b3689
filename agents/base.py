"""The base class of all agents: learn, predict, save and load."""

from __future__ import annotations

import inspect
import io
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from math import gcd
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.adapters.predict import checked_observation, format_action
from jumpgym.adapters.views import TupleView

from . import arrays
from .arrays import Array
from .gradients.estimators import cost_unit
from .gradients.rollout import Limits, Rollout, draw
from .networks.policies import HybridPolicy
from .settings import AgentSettings
from .training import checkpoint
from .training.allowance import allowance, is_loading
from .training.budget import NOTHING, Budget, Spent
from .training.callbacks import Callbacks
from .training.clock import CpuClock
from .training.copies import Copies
from .training.device import one_thread, single_precision, usable_device
from .training.engines import ENGINES, chosen_engine, first_key, usable_engine
from .training.logger import Logger, ProgressBar, run_folder
from .training.race import MEMBERS, Race
from .training.schedules import cosine
from .training.training_state import restore_tensors, signature, training_tensors

if TYPE_CHECKING:
    from .compiled.engine import Engine

Advance: TypeAlias = Callable[[int, Budget, float], None]
"""Runs at most so many iterations of a training with a budget, up to some progress."""


class Agent(ABC):
    """An agent that learns a problem by simulating it.

    One iteration of training simulates ``batch_size`` episodes on fresh noise, differentiates a loss of these
    episodes, and takes a step of Adam. A subclass names its ``Settings``. Its constructor calls the
    constructor of this class, makes the networks, and passes them to ``build``. It also defines ``simulate``
    and ``loss``, or its own ``iterate``. Everything that a checkpoint must keep is a parameter or a buffer of
    the networks.

    On the CPU, agents use one thread whatever ``torch.get_num_threads()`` says; see ``device.one_thread``.

    Args:
        env: environment id, environment or problem.
        device: torch device of the networks and the simulation; "auto" for a GPU if there is one.
        engine: what runs the iterations of training. "torch" runs them eagerly; "jax" compiles them, which
            takes seconds before the first iteration and makes each of them several times faster; "auto"
            takes "jax" where JAX is installed, the device is the CPU and ``uncompiled`` does not object.
            Both engines train the same networks by the same code; their noise differs.
        **settings: fields of the agent's settings class, for which see ``Settings``.

    Attributes:
        problem: the problem to learn.
        compile_seconds: CPU seconds spent on compilation so far; they do not count as training.
        settings: the settings, a frozen dataclass.
        networks: the networks by name.
        num_timesteps: number of transitions simulated so far; these are the environment's time steps.
        iterations: number of iterations so far.
        progress: share of the training that is done, in [0, 1]; with ``restarts``, of that of one member.
        cost_scale: magnitude of the cost of a period in the latest iterations, which serves as the unit of
            cost in training; see ``estimators.cost_unit``.
        clock: CPU time of the training so far.
        race: with ``restarts``, the members that train by turns in this agent; see ``Race``.
        others: what has been spent on members other than the one that is in this agent.
        logger: latest values of the reported quantities, by key: ``train/loss``; ``train/gradient_norm``,
            before clipping; ``train/entropy``, mean over decisions and gates; ``train/temperature``, of
            relaxed gates; ``rollout/cost``, mean cost of an episode.

    Raises:
        NotApplicable: if the agent is not made for the problem.
        ValueError, TypeError: if a parameter is wrong; the message names it, its value and what is allowed.
    """

    SCALE_UPDATE: ClassVar[float] = 0.1
    Settings: ClassVar[type[AgentSettings]] = AgentSettings
    settings: AgentSettings
    policy: HybridPolicy
    networks: nn.ModuleDict
    optimizer: torch.optim.Adam
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls) -> None:
        """Make ``help()`` show the settings as arguments of the class, which is made in single precision."""
        super().__init_subclass__()
        if "__init__" in vars(cls):
            cls.__init__ = single_precision()(cls.__init__)  # type: ignore[method-assign]
        _, *common, _ = inspect.signature(Agent.__init__).parameters.values()
        cls.__signature__ = inspect.Signature([*common, *inspect.signature(cls.Settings).parameters.values()])

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        allowed = [field.name for field in fields(self.Settings)]
        for name, value in settings.items():
            if name not in allowed:
                raise TypeError(
                    f"{type(self).__name__}: unknown parameter {name}={value!r}; allowed are env, device, "
                    f"engine, {', '.join(allowed)}"
                )
        self.problem: HindsightProblem = as_problem(env)
        self.settings = self.Settings.for_problem(self.problem, **settings)
        self.device = usable_device(device)
        self._asked = checks.choice("engine", engine, ENGINES)
        self._compiled: Engine | None = None
        self.compile_seconds = 0.0
        self.key = first_key(self.settings.seed)
        self._environment = _name_of(env)
        self.num_timesteps = 0
        self.iterations = 0
        self.progress = 0.0
        self.cost_scale = 1.0
        self.clock = CpuClock()
        self.clock.stop()
        self.race = Race(self.settings.restarts)
        self.others = NOTHING
        self.logger = Logger()
        self.generator = torch.Generator(self.device).manual_seed(self.settings.seed)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """A context in which new networks draw their weights from ``seed``, not from torch's global state."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.settings.seed)  # torch.manual_seed reseeds all devices
            yield

    def build(self, **networks: nn.Module | None) -> None:
        """Finish the construction: take the networks (except None) and measure the first ``cost_scale``."""
        self.networks = nn.ModuleDict({name: net for name, net in networks.items() if net is not None})
        self.networks.to(self.device)
        self.engine = chosen_engine(self, self._asked)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.settings.learning_rate)
        if is_loading():  # cost_scale comes from the checkpoint, and batch_size may be anything
            return
        with one_thread(self.device), torch.no_grad():
            self.cost_scale = cost_unit(self.simulate(*self.start()).costs)

    def __repr__(self) -> str:
        estimator = getattr(self.settings, "estimator", None)
        kind = "" if estimator is None else f"estimator={estimator!r}, "
        return f"{type(self).__name__}({self._environment}, {kind}{self.num_timesteps:,} time steps)"

    @abstractmethod
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate the policy as in training, with exploration or relaxed gates.

        Args:
            state: initial states of m episodes.
            noise: shape (m, T, *noise_shape).
        """

    @abstractmethod
    def loss(self, episodes: Rollout) -> Tensor:
        """Return the loss of an iteration, a scalar in units of cost, and record its parts in the logger."""

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return regimes (m, G) and quantities (m, n) for observations (m, n_obs).

        By default the regimes are those of the gates of ``policy``: the most probable ones if
        ``deterministic``, otherwise sampled ones.
        """
        return self.policy.choose(observation, self.generator, deterministic)

    @property
    def uncompiled(self) -> str | None:
        """Why iterations with these settings cannot be compiled by JAX; None if they can."""
        return None

    @property
    def periods(self) -> int:
        """Number of periods T that an iteration simulates: those of a whole episode."""
        assert self.problem.horizon is not None
        return self.problem.horizon

    def start(self) -> tuple[Any, Tensor]:
        """Draw the initial states and the noise (batch_size, T, *noise_shape) of an iteration."""
        return draw(self.problem, self.settings.batch_size, self.periods, self.generator)

    def iterate(self) -> None:
        """Run one iteration of training."""
        begin = self.start()

        def objective() -> tuple[Array, Rollout]:
            episodes = self.simulate(*begin)
            return self.loss(episodes), episodes

        self.finish(self.descend(objective))

    def descend(self, objective: Callable[[], tuple[Array, Any]], trained: Sequence[str] = ("",)) -> Any:
        """Take a step of Adam down the gradient of a loss.

        Args:
            objective: computes the loss, a scalar in units of cost, and whatever else is to be returned.
            trained: prefixes of the names of the parameters on which the loss depends; the others keep their
                values and their moments. PyTorch finds them by itself, JAX does not.

        Returns:
            what the objective returned beside the loss.

        Raises:
            FloatingPointError: if the loss or its gradient is not finite; the weights are left unchanged.
        """
        loss, result = objective()
        self.optimizer.zero_grad()
        (loss / self.cost_scale).backward()
        norm = nn.utils.clip_grad_norm_(self.networks.parameters(), self.settings.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            self.refuse(float(loss.detach()), float(norm))
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(self.settings.learning_rate, self.progress)
        self.optimizer.step()
        self.logger.record("train/loss", float(loss.detach()))
        self.logger.record("train/gradient_norm", float(norm))
        return result

    def refuse(self, loss: float, norm: float) -> NoReturn:
        """Raise the error of a loss, or of the norm of its gradient, that is not finite."""
        raise FloatingPointError(
            f"{type(self).__name__}: after {self.num_timesteps} time steps the loss is {loss}, and the norm "
            f"of its gradient is {norm}; try a lower learning_rate or state_gradient_limit"
        )

    def repeat(self, step: Callable[[Array], Array], inputs: Array) -> None:
        """Call ``step`` with one input after the other, until it returns False.

        Args:
            step: calls ``descend``, and returns whether to go on.
            inputs: one or more, along the first axis.
        """
        for entry in inputs:
            if not step(entry):
                break

    def review(self) -> None:
        """Do what is to be done now and then in a training, between iterations; by default nothing."""
        return

    def training_uniforms(self, uniforms: Array) -> Array:
        """Return the uniforms of noise that training may see, of any; by default all of them."""
        return uniforms

    def finish(self, episodes: Rollout) -> None:
        """Count the time steps of an iteration, and update ``cost_scale`` with its costs."""
        periods, count = episodes.costs.shape[:2]
        self.num_timesteps += periods * count
        self.iterations += 1
        costs = arrays.detach(episodes.costs)
        self.cost_scale += self.SCALE_UPDATE * (cost_unit(costs) - self.cost_scale)
        self.logger.record("rollout/cost", arrays.number(costs.sum(-1).mean()) * periods)

    @single_precision()
    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Any = None,
        log_interval: int = 10,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
        cpu_seconds: float | None = None,
        callback_interval: int = 1,
    ) -> Self:
        """Train until a number of time steps, a CPU time, or the first of both is reached.

        Args:
            total_timesteps: number of transitions to simulate, as in SB3.
            callback: a function of the agent that returns False to stop the training; an SB3 callback, whose
                ``on_step`` is called as often, so that its frequencies count these calls; a function of SB3's
                ``locals`` and ``globals``, for which see ``Callbacks``; or a list of these.
            log_interval: number of iterations between two writes to TensorBoard, and two reports if
                ``verbose``.
            tb_log_name: subfolder of ``tensorboard_log`` for this training; a number is added, as in SB3.
                None to write into ``tensorboard_log`` itself.
            reset_num_timesteps: if False, continue the last training and its schedules; ``total_timesteps``
                and ``cpu_seconds`` are then added to what has been spent.
            progress_bar: whether to show a progress bar.
            cpu_seconds: CPU time of this process to spend; a callback can exclude its own time by
                ``agent.clock.pause()``. Compilation does not count.
            callback_interval: number of iterations between two calls of the callbacks. The engine "jax" is
                faster when it runs several iterations at once; without callbacks it does so anyway.

        Returns:
            the agent itself.

        Raises:
            ValueError: if neither limit is given.
            FloatingPointError: if the loss or its gradient is no longer finite; the weights are those before
                the failed step.
        """
        if total_timesteps is None and cpu_seconds is None:
            raise ValueError("learn: give total_timesteps, cpu_seconds, or both")
        total, seconds = total_timesteps, cpu_seconds
        if total is not None:
            total = checks.integer("total_timesteps", total, low=1)
        if seconds is not None:
            seconds = checks.number("cpu_seconds", seconds, low=1e-6)
        log_interval = checks.integer("log_interval", log_interval, low=1)
        callback_interval = checks.integer("callback_interval", callback_interval, low=1)
        if reset_num_timesteps:
            self.num_timesteps = self.iterations = 0
            self.clock, self.others = CpuClock(), NOTHING
            if self.race.started:
                self.race.end()
        else:
            self.clock = CpuClock(self.clock.elapsed)
            total = None if total is None else total + self.num_timesteps
            seconds = None if seconds is None else seconds + self.clock.elapsed
        budget = Budget(total, seconds)
        callbacks = Callbacks(self, callback)
        log = self.settings.tensorboard_log
        folder = None if log is None else run_folder(log, tb_log_name, new=reset_num_timesteps)
        self.logger = Logger(folder, self.settings.verbose)
        bar = ProgressBar(progress_bar, type(self).__name__)
        self.progress = self.progress_at(budget)
        try:
            callbacks.start(
                {
                    "total_timesteps": sys.maxsize if total is None else total,
                    "callback": callback,
                    "log_interval": log_interval,
                    "tb_log_name": tb_log_name,
                    "reset_num_timesteps": reset_num_timesteps,
                    "progress_bar": progress_bar,
                }
            )
            with one_thread(self.device):
                self.review()
                every = gcd(log_interval, callback_interval) if callback is not None else log_interval
                going = self.progress < 1
                for end in self.race.legs(self) if going else ():
                    advance = self._start_engine(bar)
                    self.progress = self.progress_at(budget)
                    while going and self.progress < end:
                        advance(every - self.iterations % every, budget, end)
                        self.progress = self.progress_at(budget)
                        self.review()
                        last = end == 1 and self.progress == 1
                        if last or self.iterations % callback_interval == 0:
                            going = callbacks.on_step() and not last
                        if not going or self.iterations % log_interval == 0:
                            self.logger.dump(self.num_timesteps)
                            cost = f"{self.logger.values['rollout/cost']:.4g}"
                            bar.update(min(1.0, budget.share(self.spent)), cost=cost)
                    if not going:
                        break
        finally:
            self.clock.stop()
            callbacks.close()
            bar.close()
            self.logger.close()
        return self

    @single_precision()
    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Return the action for an observation (n_obs,) or a batch of observations (m, n_obs), as in SB3.

        The action is what the environment would carry out: quantities lie in the interval of their regime,
        and within what the observed state admits. See ``format_action`` for its form.

        Args:
            observation: as the environment returns it.
            state, episode_start: as in SB3. The state is returned unchanged, since agents have no memory.
            deterministic: whether to take the most probable regimes instead of sampling them.

        Raises:
            ValueError: if the observation has the wrong shape, is not finite, or its period is not in
                [0, horizon].
        """
        array = checked_observation(self.problem, observation)
        batch = array.reshape(-1, array.shape[-1])
        with torch.no_grad(), one_thread(self.device):
            inputs = torch.as_tensor(batch, dtype=torch.float32, device=self.device)
            regime, quantity = self.decide(inputs, deterministic)
        decision = self.problem.carry_out_at(batch, regime.cpu().numpy(), quantity.cpu().numpy())
        return format_action(decision.regime, decision.quantity, array.ndim == 2, episode_start), state

    def save(self, path: checkpoint.Target) -> None:
        """Write a checkpoint from which the training can continue: weights and JSON, without pickle.

        Args:
            path: file to write; ``.zip`` and missing folders are added. Or an open binary file.
        """
        stored = {
            "agent": type(self).__name__,
            "settings": asdict(self.settings),
            "problem": signature(self.problem),
            "device": self.device.type,
            "num_timesteps": self.num_timesteps,
            "iterations": self.iterations,
            "cost_scale": self.cost_scale,
            "progress": self.progress,
            "cpu_seconds": self.clock.elapsed,
            "engine": self._asked,
            "others": list(self.others),
            "race": self.race.stored(),
        }
        more, tensors = self.stored_extra()
        stored |= more
        tensors |= training_tensors(self.networks, self.optimizer, self.generator)
        contents = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        checkpoint.write(path, stored, {**contents, "key": self.key, **self.race.arrays()})

    @classmethod
    def load(
        cls,
        path: checkpoint.Target,
        env: Any,
        device: str | torch.device = "cpu",
        engine: str | None = None,
    ) -> Self:
        """Return the agent of a checkpoint.

        Args:
            path: file that ``save`` wrote, or an open binary file that holds it.
            env: environment id, environment or problem, with the same observations, action layout and horizon
                as the one that the agent learnt. Its costs, demand and intervals may differ: the policy is
                the one that was learnt, with its quantities projected on the intervals of ``env``.
            device: torch device of the networks and the simulation.
            engine: as for the constructor. None: the engine that the agent was made with, if it can be used
                here, otherwise "auto".

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged, holds another agent, or does not fit ``env``.
        """
        stored, contents = checkpoint.read(path)
        problem, device = as_problem(env), usable_device(device)
        if stored.get("agent") != cls.__name__:
            raise ValueError(
                f"{path} holds {stored.get('agent')!r}, not {cls.__name__!r}: load it with that class"
            )
        try:
            if stored["problem"] != signature(problem):
                raise ValueError(f"it was trained on {stored['problem']}, but env has {signature(problem)}")
            if engine is None:
                engine = usable_engine(stored.get("engine", "auto"))
            with allowance(sum(array.size for array in contents.values())):
                agent = cls(env, device=device, engine=engine, **stored["settings"])
            if "race" in stored:  # checkpoints of version 0.1.0 have none
                agent.race.restore(stored["race"], contents)
                agent.others = Spent(*stored["others"])
            key = contents.pop("key", None)
            tensors = {
                name: torch.from_numpy(array)
                for name, array in contents.items()
                if not name.startswith(MEMBERS)
            }
            agent._restore(stored, tensors, key)
        except KeyError as error:
            raise ValueError(f"{path} is damaged: it has no {error}") from error
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not fit: {error}") from error
        return agent

    @property
    def action_space(self) -> spaces.Tuple[Any]:
        """The space of the environment's pairs (regime, quantity), as SB3's models have it."""
        return TupleView(self.problem).space

    def get_env(self) -> Copies:
        """Return the copies of the problem that an iteration simulates; SB3's callbacks ask for them."""
        return Copies(self.problem, self.periods * self.settings.batch_size)

    def dump_logs(self) -> None:
        """Write the latest values to TensorBoard, and print them if ``verbose``; SB3's callbacks ask."""
        self.logger.dump(self.num_timesteps)

    def __reduce__(self) -> Any:
        # As a checkpoint, since parts of an agent do not pickle: generators, closures, compiled functions.
        buffer = io.BytesIO()
        self.save(buffer)
        arguments = type(self), buffer.getvalue(), self.problem, self.device
        return _unpickled, arguments, {"_environment": self._environment, "logger": self.logger}

    def get_vec_normalize_env(self) -> None:
        """Return None, since observations are normalised only inside the networks; SB3's callbacks ask."""
        return None

    def _restore(self, stored: dict[str, Any], tensors: dict[str, Tensor], key: Any) -> None:
        self.num_timesteps = checks.integer("num_timesteps", stored["num_timesteps"], low=0)
        self.iterations = checks.integer("iterations", stored["iterations"], low=0)
        self.cost_scale = checks.number("cost_scale", stored["cost_scale"], low=0)
        self.progress = checks.number("progress", stored["progress"], low=0, high=1)
        self.clock = CpuClock(checks.number("cpu_seconds", stored["cpu_seconds"], low=0))
        self.clock.stop()
        restore_tensors(tensors, self.networks, self.optimizer, stepped=self.iterations > 0)
        if stored["device"] == self.device.type:
            self.generator.set_state(tensors["generator"])
        else:  # the state of a generator has no meaning on another type of device
            self.generator.manual_seed(self.settings.seed + self.num_timesteps)
        if key is not None:  # checkpoints of version 0.1.0 have none
            if key.dtype != np.uint32 or key.shape != self.key.shape:
                raise ValueError(f"key of dtype {key.dtype} and shape {key.shape} must be two of uint32")
            self.key = key

    def stored_extra(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what else a checkpoint keeps, as JSON and as tensors by name; by default nothing."""
        return {}, {}

    @property
    def limits(self) -> Limits | None:
        """The bound on the gradient in each entry of the state, for a loss in units of cost."""
        limit = self.settings.state_gradient_limit
        if limit is None:
            return None
        return [None if scale is None else limit / scale for scale in self.problem.state_scale]

    def _start_engine(self, bar: ProgressBar) -> Advance:
        """Return the function that runs iterations, compiled if the engine is "jax"."""
        if self.engine == "torch":
            return self._iterate_eagerly
        from .compiled.engine import Engine, Untraceable

        with self.clock.pause():
            bar.update(self.progress, status="compiling")
            try:
                if self._compiled is None:
                    self._compiled = Engine(self)
                self._compiled.load()
            except Untraceable as error:
                if self._asked == "jax":
                    raise
                warnings.warn(f"{error}; training goes on with engine='torch'", stacklevel=3)
                self.engine = "torch"
                return self._iterate_eagerly
        return self._compiled.advance

    def _iterate_eagerly(self, most: int, budget: Budget, end: float) -> None:
        """Run one iteration by PyTorch."""
        self.iterate()

    @property
    def spent(self) -> Spent:
        """What the training has spent so far, on all members."""
        return Spent(self.num_timesteps, self.clock.elapsed)

    def progress_at(self, budget: Budget, more: Spent = NOTHING) -> float:
        """Return the progress when more has been spent than by now."""
        spent = Spent(self.num_timesteps + more.timesteps, self.clock.elapsed + more.seconds)
        share = 1 - budget.share(self.others) if self.race.over else self.race.last_share
        return min(1.0, budget.share(spent.less(self.others)) / share)


def _unpickled(cls: type[Agent], data: bytes, problem: HindsightProblem, device: torch.device) -> Agent:
    """Return the agent that ``Agent.__reduce__`` took apart."""
    return cls.load(io.BytesIO(data), problem, device)


def _name_of(env: Any) -> str:
    """Return a short name of an environment, such as SetupCost, or the class of the problem."""
    spec = getattr(env, "spec", None)
    name: str = env if isinstance(env, str) else getattr(spec, "id", type(as_problem(env)).__name__)
    return name.split("/")[-1].rsplit("-v", 1)[0]
