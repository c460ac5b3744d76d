# `make demo` and `make test` each set up what they need in .venv/, from a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
JOBS ?= 2

.PHONY: demo test test-all lint format wheel bench soak soak-kill clean

demo: $(READY)
	$(BIN)/python examples/demo.py demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

# With the tests marked slow: servers, clusters, browsers, long runs.
test-all: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# mypy and import-linter read the root as the package `cxr` through a link, whatever the clone is called.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.venv/typing $(BIN)/mypy -p cxr
	PYTHONPATH=.venv/typing $(BIN)/lint-imports --no-cache --no-logo

# Trains two small networks first, in benchmarks/work/; needs two idle cores, and takes about an hour.
bench: $(READY)
	$(BIN)/python -m pip install --quiet connected-components-3d
	cd benchmarks && ../$(BIN)/python pipeline.py
	cd benchmarks && ../$(BIN)/python first_row.py
	cd benchmarks && ../$(BIN)/python memory.py
	cd benchmarks && ../$(BIN)/python features.py

# Damages files of every format for about an hour; whatever it finds becomes a test.
soak: $(READY)
	$(BIN)/python -m pytest tests/data/decode/test_fuzz.py --hypothesis-profile=soak

# Kills runs at 2,000 random moments and resumes each; about half an hour. `KILLS=100` for fewer.
soak-kill: $(READY)
	CXR_KILLS=$(or $(KILLS),1000) $(BIN)/python -m pytest tests/infer/test_kill.py

# For machines without the clone; build/ is removed first, since it would add modules that no longer exist.
wheel: $(READY)
	rm -rf build dist/cxr-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@for wheel in dist/cxr-*.whl; do echo "pip install \"$$wheel[cpu]\""; done

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	mkdir -p .venv/typing && ln -sfn ../.. .venv/typing/cxr
	touch $@

clean:
	rm -rf .venv build dist *.egg-info demo
