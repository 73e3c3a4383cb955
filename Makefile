# Every target sets up what it needs, so that each works on a fresh clone (Python 3.11, make).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REPORT := $(VENV)/installed.json
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --report $(REPORT)
# What pip has installed is what constraints.sha256 knows under its name: before anything of it is used.
CHECK := $(BIN)/python -I .ci/supply.py check $(REPORT)

.PHONY: run test test-min soak lint bench docs wheel-test wheel-tools web web-test web-tools web-packages \
	page-packages fetch-road clean

run: $(VENV)/.run
	$(BIN)/reverie train

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# The core of the tests with the oldest versions that pyproject.toml allows, in an environment of its own.
test-min: $(VENV)-min/.dev
	PYTHONPATH=src $(VENV)-min/bin/python -m pytest -n 2 --dist loadgroup tests/run tests/cli tests/envs tests/training

# Faults of every kind for SOAK_MINUTES (120 if not given); docs/reliability.md has the figures of the last one.
soak: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reliability.soak

$(VENV)-min/.dev: pyproject.toml constraints-min.txt
	$(PYTHON) -m venv $(VENV)-min
	$(VENV)-min/bin/pip install --quiet --disable-pip-version-check -c constraints-min.txt -e '.[cluster]' \
		pytest pytest-xdist hypothesis
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: $(VENV)/.bench
	$(BIN)/reverie bench env
	$(BIN)/reverie bench rollout
	$(BIN)/reverie bench scaling
	$(BIN)/reverie bench vision
	$(BIN)/reverie bench memory
	$(BIN)/reverie bench dream

# docs/ as a site that needs no network to be read: site/index.html.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The wheel as users get it, made from the source archive, away from the checkout: all that the package needs is in both.
BACKEND := build/backend

wheel-test: $(VENV)/.dev $(BACKEND)/.there
	rm -rf build/wheel build/sdist
	PYTHONPATH=$(CURDIR)/$(BACKEND) $(BIN)/python -m hatchling build -t sdist -d build/sdist >build/sdist.log
	PYTHONPATH=$(CURDIR)/$(BACKEND) $(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-w build/wheel build/sdist/*.tar.gz
	$(BIN)/python .ci/wheel.py build/wheel/*.whl

# What builds a wheel, which a machine may lack.
wheel-tools: $(BACKEND)/.there

$(BACKEND)/.there: pyproject.toml | $(VENV)/bin/python
	rm -rf $(BACKEND)
	$(BIN)/pip install --quiet --disable-pip-version-check --target $(BACKEND) 'hatchling>=1.28'
	touch $@

# The page's engine, and CarRacing for it from Box2D's own sources: clang, and what it needs for WebAssembly.
WEB_PACKAGES := clang lld wasi-libc libc++-dev-wasm32 libclang-rt-dev-wasm32 make
ROAD := src/reverie/web/native/road
INSTALL := [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

web: $(VENV)/.dev web-packages
	$(BIN)/python -m reverie.web.native.make_engine
	$(MAKE) --no-print-directory -C $(ROAD) PYTHON=$(abspath $(BIN)/python)

web-packages:
	@dpkg -s $(WEB_PACKAGES) >/dev/null 2>&1 || { $(INSTALL) $(WEB_PACKAGES); } || \
		{ echo "make web needs Debian's packages, which only root can install: $(WEB_PACKAGES)"; exit 1; }

# The page in real Chromium, by the keyboard and by touch, and in Firefox where that is installed; its pictures stay in
# build/page. `again` is a run of another name, `other` one whose world no page can run.
PAGE := $(abspath build/page)
PAGE_TESTS := tests/web/page
MODULES := $(PAGE_TESTS)/node_modules/.package-lock.json

web-test: $(VENV)/.dev page-packages $(MODULES)
	@test -f src/reverie/web/native/build/road.wasm || $(MAKE) --no-print-directory web
	rm -rf $(PAGE) && mkdir -p $(PAGE)
	for run in again other; do cp -r src/reverie/shipped/pretrained $(PAGE)/$$run; done
	sed -i 's/^\[env\]$$/&\nkwargs = { lap_complete_percent = 0.95 }/' $(PAGE)/other/recipe.toml
	$(BIN)/reverie export web pretrained --out $(PAGE)/dream.html
	$(BIN)/reverie export web pretrained $(PAGE)/again --out $(PAGE)/site
	$(BIN)/reverie report pretrained --output $(PAGE)/report.html
	$(BIN)/reverie report pretrained dreamt --output $(PAGE)/several.html
	PAGE=$(PAGE)/dream.html REPORT=$(PAGE)/report.html SEVERAL=$(PAGE)/several.html \
		SITE=$(PAGE)/site OTHER=$(PAGE)/other SHOTS=$(PAGE) \
		PYTHON=$(abspath $(BIN)/python) node --test --test-reporter=spec --test-concurrency=1 $(PAGE_TESTS)/*.test.mjs

page-packages:
	@for package in chromium:chromium nodejs:node npm:npm; do command -v $${package#*:} >/dev/null || { \
		$(INSTALL) $${package%:*}; } || \
		{ echo "make web-test needs Debian's package $${package%:*}, which only root can install"; exit 1; }; done

$(MODULES): $(PAGE_TESTS)/package.json | page-packages
	npm install --prefix $(PAGE_TESTS) --no-audit --no-fund --silent
	touch $@

# What both need and a machine may lack: packages of Debian's and of npm's, and Box2D's sources.
web-tools: web-packages page-packages $(MODULES) fetch-road

fetch-road: $(VENV)/.dev
	$(MAKE) --no-print-directory -C $(ROAD) fetch PYTHON=$(abspath $(BIN)/python)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	$(CHECK)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[dev,cluster,docs,doom,export,web]'
	$(CHECK)
	touch $(VENV)/.run $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[bench]'
	$(CHECK)
	touch $(VENV)/.run $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[docs]'
	$(CHECK)
	touch $(VENV)/.run $@

clean:
	rm -rf $(VENV) $(VENV)-min build site .pytest_cache .ruff_cache src/reverie/web/native/build $(PAGE_TESTS)/node_modules
