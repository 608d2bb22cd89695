# Files of tests/.
noinst_PROGRAMS += tests/standin
tests_standin_SOURCES = tests/standin.c
EXTRA_DIST += tests/run tests/deviations.json tests/unit/check.h tests/e2e/README.md tests/e2e/sg.py tests/e2e/docker-cli.py tests/e2e/hostile.py
