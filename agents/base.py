"""The base class of all agents: learn, predict, save and load."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from jumpgym import as_problem, checks
from jumpgym.adapters.predict import checked_observation, format_action

from .gradients.estimators import cost_unit
from .networks.policies import HybridPolicy
from .settings import AgentSettings
from .training import checkpoint, loop, storage
from .training.allowance import is_loading
from .training.budget import NOTHING
from .training.callbacks import SB3Model
from .training.clock import CpuClock
from .training.device import one_thread, single_precision, usable_device
from .training.engines import ENGINES, checked_key, chosen_engine, first_key
from .training.logger import Logger
from .training.race import Race
from .training.training_state import restore_tensors

if TYPE_CHECKING:
    from .compiled.engine import Engine


class Agent(SB3Model):
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
        race: with ``restarts``, the members that take turns to train in this agent; see ``Race``.
        others: what has been spent on members other than the one that is in this agent.
        logger: latest values of the reported quantities, by key: ``train/loss``; ``train/gradient_norm``,
            before clipping; ``train/entropy``, mean over decisions and gates; ``train/temperature``, of
            relaxed gates; ``rollout/cost``, mean cost of an episode.

    Raises:
        NotApplicable: if the agent is not made for the problem.
        ValueError, TypeError: if a parameter is wrong; the message names it, its value and what is allowed.
    """

    Settings: ClassVar[type[AgentSettings]] = AgentSettings
    policy: HybridPolicy
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
        self.problem = as_problem(env)
        self.settings = self.Settings.for_problem(self.problem, **settings)
        self.device = usable_device(device)
        self.requested_engine = checks.choice("engine", engine, ENGINES)
        self.compiled: Engine | None = None
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
        self.engine = chosen_engine(self, self.requested_engine)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.settings.learning_rate)
        if is_loading():  # cost_scale comes from the checkpoint, and batch_size may be anything
            return
        with one_thread(self.device), torch.no_grad():
            self.cost_scale = cost_unit(self.simulate(*self.start()).costs)

    def __repr__(self) -> str:
        estimator = getattr(self.settings, "estimator", None)
        settings = "" if estimator is None else f"estimator={estimator!r}, "
        return f"{type(self).__name__}({self._environment}, {settings}{self.num_timesteps:,} time steps)"

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return regimes (m, G) and quantities (m, n) for observations (m, n_obs).

        By default the regimes are those of the gates of ``policy``: the most probable ones if
        ``deterministic``, otherwise sampled ones.
        """
        return self.policy.choose(observation, self.generator, deterministic)

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
        loop.learn(
            self,
            total_timesteps=total_timesteps,
            callback=callback,
            log_interval=log_interval,
            tb_log_name=tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
            cpu_seconds=cpu_seconds,
            callback_interval=callback_interval,
        )
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
        storage.save_agent(self, path)

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
        agent: Self = storage.load_agent(cls, path, env, device, engine)
        return agent

    def __reduce__(self) -> Any:
        # As a checkpoint, since parts of an agent do not pickle: generators, closures, compiled functions.
        buffer = io.BytesIO()
        self.save(buffer)
        arguments = type(self), buffer.getvalue(), self.problem, self.device
        return storage.unpickled, arguments, {"_environment": self._environment, "logger": self.logger}

    def restore(self, stored: dict[str, Any], tensors: dict[str, Tensor], key: Any) -> None:
        """Take over what a checkpoint holds.

        Args:
            stored: its JSON.
            tensors: its tensors by name.
            key: its key of JAX's random numbers; None in checkpoints of version 0.1.0.

        Raises:
            KeyError: if something is missing.
            TypeError, ValueError, RuntimeError: if something does not fit the agent.
        """
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
        if key is not None:
            self.key = checked_key(key)

    def stored_extra(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what else a checkpoint keeps, as JSON and as tensors by name; by default nothing."""
        return {}, {}


def _name_of(env: Any) -> str:
    """Return a short name of an environment, such as SetupCost, or the class of the problem."""
    spec = getattr(env, "spec", None)
    name: str = env if isinstance(env, str) else getattr(spec, "id", type(as_problem(env)).__name__)
    return name.split("/")[-1].rsplit("-v", 1)[0]
