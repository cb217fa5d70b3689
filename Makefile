# make compare: train and compare everything, quickly     make test: all tests     make lint     make bench
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The networks are small: more threads would only get in each other's way.
export OMP_NUM_THREADS := 1

.PHONY: install compare test lint bench wheel clean

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

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/bench_envs.py
	$(BIN)/python tests/benchmarks/bench_sb3.py

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
	rm -rf $(VENV) build dist
