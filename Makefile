# make compare: train and compare everything, quickly     make test: all tests     make lint     make bench
# make peers: side by side with or-gym, stockpyl and RLlib, in an environment of their own
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
# The networks are small: more threads would only get in each other's way.
export OMP_NUM_THREADS := 1

.PHONY: install compare test lint bench peers wheel clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

compare: $(STAMP)
	$(BIN)/jumpgym compare --preset quick

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/pip install --quiet --no-deps --target build/installed .
	MYPYPATH=build/installed $(BIN)/mypy --package jumpgym

# The neighbours, in an environment of their own: RLlib pins an older Gymnasium. or-gym without its dependencies: it asks
# for a gym that does not install any more.
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
	$(BIN)/python tests/benchmarks/bench_sweep.py

# The wheel, in a clean environment without torch: each environment in a process of its own.
wheel: $(STAMP)
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist
	python3 -m venv --clear build/clean
	build/clean/bin/pip install --quiet --constraint constraints.txt dist/*.whl
	! build/clean/bin/python -c "import torch" 2>/dev/null
	cd build && for id in $$(clean/bin/python -c "import jumpgym; print(*jumpgym.ENVIRONMENTS)"); do \
		clean/bin/python -c "import gymnasium; env = gymnasium.make('jumpgym:$$id'); env.reset(seed=0); \
		print('$$id', env.step(env.action_space.sample()))" || exit 1; done

clean:
	rm -rf $(VENV) $(PEERS) build dist
