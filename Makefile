# Thin on purpose: what each command does is in src/press. `make help` lists them.
# Without make: python src/press/install.py, then .venv/bin/python -m press book (Windows: .venv\Scripts\python).

PYTHON ?= python3
PRESS := .venv/bin/python -m press
RUFF := .venv/bin/python -m ruff

export PYTHONDONTWRITEBYTECODE := 1
export RUFF_CACHE_DIR := _build/ruff

.DEFAULT_GOAL := help
.PHONY: help install book pdf test test-site update verify student teacher kits slides pair format lint reference bench \
	analyses lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-9s %s\n' "$$name" "$$what"; done

install: ## create .venv and install the locked packages, if they changed
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here: sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) src/press/install.py

book: install ## run what changed and build the site into _build/html (FRESH=1 reruns every chapter; DATA=DIR: on your data)
	@$(PRESS) book $(if $(FRESH),--fresh) $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)") $(ARGS)

pdf: install ## print the whole book to _build/pdf/book.pdf, with bookmarks (needs Chromium: sudo apt install chromium)
	@$(PRESS) pdf

test: install ## unit tests, notebooks against their stored outputs, pairs, book-level tests (ARGS="-k name")
	@$(PRESS) test $(ARGS)

test-site: install ## look at the built site in a real browser: accessibility, links, weight (needs Chromium; ARGS="-k axe")
	@$(PRESS) test-site $(ARGS)

update: install ## rewrite the stored outputs and book/results.json where they changed (FRESH=1)
	@$(PRESS) update $(if $(FRESH),--fresh)

verify: install ## rerun everything in fresh kernels, compare every number and figure (ARGS=--json, --record)
	@$(PRESS) verify $(ARGS)

student: install ## notebooks without solutions and notes, ready to run anywhere, into _build/student
	@$(PRESS) student $(ARGS)

teacher: install ## the same with solutions and notes for the teacher, into _build/teacher
	@$(PRESS) teacher $(ARGS)

kits: install ## a zip of each chapter that runs on its own, into _build/kits
	@$(PRESS) kits $(ARGS)

slides: install ## a deck of slides of each part, into _build/slides
	@$(PRESS) slides $(ARGS)

pair: install ## bring each chapter's text and notebook in step
	@$(PRESS) pair

format: install ## format the code, in notebooks too
	@$(RUFF) format . && $(RUFF) check --fix . && $(PRESS) pair

lint: install ## check the code's style, in notebooks too
	@$(RUFF) check . && $(RUFF) format --check .

reference: install ## make the reference fits of tests/reference anew (needs R with lme4: see CONTRIBUTING.md)
	@cd tests/reference && ../../.venv/bin/python make.py

bench: install ## measure reml and design beside their rivals, write benchmarks/RESULTS.md (ARGS=--quick: a smoke run)
	@.venv/bin/python benchmarks/run.py $(ARGS)

analyses: install ## recompute what takes minutes: power surface, robustness (ARGS=--quick: a smoke run); goes on where it was stopped
	@.venv/bin/python analyses/run.py $(ARGS)

lock: ## compile requirements.in into the hashed requirements.txt (needs uv: see requirements-dev.txt)
	uv pip compile --universal --fork-strategy fewest --generate-hashes --python-version 3.11 --no-header --upgrade \
		--output-file requirements.txt requirements.in

clean: ## remove _build
	rm -rf _build
