# Every target works without make too: see scripts/bootstrap.py.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) scripts/bootstrap.py

.PHONY: run test check browser docs bench faults lock clean

run:
	@$(BOOTSTRAP) run

test:
	@$(BOOTSTRAP) test

check:
	@$(BOOTSTRAP) check

browser:
	@$(BOOTSTRAP) browser

# The handbooks as pages, in build/docs.
docs:
	@$(BOOTSTRAP) docs

# make bench ARGS=--quick tries it on a tenth of the data; ARGS=--soak loads for 15 minutes more.
bench:
	@$(BOOTSTRAP) bench $(ARGS)

# make faults ARGS='--only web-killed' tries one row.
faults:
	@$(BOOTSTRAP) faults $(ARGS)

# Rewrites both locks after a change of requirements.in or requirements-dev.in. What is locked stays
# as it is where it can; `make lock UPGRADE=--upgrade` takes the newest of everything.
#
# uv makes the locks because it resolves for all platforms at once; pip installs from them. uv does
# not read pip's configuration: where pip uses an index of its own, its address is handed over in
# the environment, and neither the header nor the annotations that would repeat it are written.
LOCKER = .venv-lock
COMPILE = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX-$$($(LOCKER)/bin/pip config get global.index-url 2>/dev/null)}" \
	$(LOCKER)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(UPGRADE)

lock:
	@test -x $(LOCKER)/bin/uv || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/pip install --quiet uv==0.13.9; }
	@$(COMPILE) requirements.in --output-file requirements.lock
	@$(COMPILE) requirements.in requirements-dev.in --constraints requirements.lock --output-file requirements-dev.lock

# The data in var/ stay.
clean:
	rm -rf .venv .venv.lock $(LOCKER) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
