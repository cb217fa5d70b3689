# make install   .venv, with everything for development
# make compare   train on all environments and compare, about 6 minutes on 2 cores; writes results/quick
# make test      all tests
# make lint      ruff, and mypy on the installed package
# make bench     speed and memory of environments, SB3, engines and sweeps
# make wheel     the source distribution and the wheel made of it, tried in a clean environment without PyTorch, and without JAX
# make peers     side by side with or-gym, stockpyl and RLlib, in an environment of their own
# make clean     remove what the others made, except results
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
# One thread: the networks are so small that more threads only slow each other down.
export OMP_NUM_THREADS := 1
# Without bytecode, which --no-compile leaves to the first use, each new process would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install compare test lint bench peers dist wheel clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
	touch $@

compare: $(STAMP)
	$(BIN)/jumpgym compare --preset quick

# All tests of a file run in one process, and share what its fixtures made.
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The types are those of the wheel, as a user has it.
lint: $(STAMP) dist
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/installed
	$(BIN)/pip install --quiet --no-deps --target build/installed dist/*.whl
	MYPYPATH=build/installed $(BIN)/mypy --package jumpgym

# The other packages have an environment of their own, because RLlib pins an older Gymnasium. or-gym is installed without
# its dependencies, because it asks for a version of gym that does not install any more.
$(PEERS_STAMP): pyproject.toml constraints-peers.txt
	test -x $(PEERS)/bin/python || python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --constraint constraints-peers.txt --editable ".[baselines,peers]"
	$(PEERS)/bin/pip install --quiet --no-deps --constraint constraints-peers.txt or-gym
	touch $@

peers: $(PEERS_STAMP)
	PYTHONPATH=tests/benchmarks $(PEERS)/bin/python -m peers

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/bench_envs.py
	$(BIN)/python tests/benchmarks/bench_sb3.py
	$(BIN)/python tests/benchmarks/bench_engines.py
	$(BIN)/python tests/benchmarks/bench_sweep.py

# The wheel is made from the source distribution, so that both are tried. Always anew, since make does not know what goes in.
dist: $(STAMP)
	rm -rf build/lib dist
	$(BIN)/python -m build --outdir dist

# Install the wheel in a clean environment, try each environment without PyTorch, and an agent without JAX.
wheel: $(STAMP) dist
	python3 -m venv --clear build/clean
	build/clean/bin/pip install --quiet --no-compile --constraint constraints.txt dist/*.whl
	! build/clean/bin/python -c "import torch" 2>/dev/null
	cd build && for id in $$(clean/bin/python -c "import jumpgym; print(*jumpgym.ENVIRONMENTS)"); do \
		clean/bin/python -c "import gymnasium; env = gymnasium.make('jumpgym:$$id'); env.reset(seed=0); \
		print('$$id', env.step(env.action_space.sample()))" || exit 1; done
	build/clean/bin/pip install --quiet --no-compile --constraint constraints.txt "$$(echo dist/*.whl)[agents]"
	! build/clean/bin/python -c "import jax" 2>/dev/null
	cd build && clean/bin/python ../tests/without_jax.py

clean:
	rm -rf $(VENV) $(PEERS) build dist
