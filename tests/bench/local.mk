
# The filter against the bare socket and HAProxy: tests/bench/relay.py BUILD
noinst_PROGRAMS += tests/bench/relay tests/bench/bare
tests_bench_relay_SOURCES = tests/bench/relay.c
tests_bench_relay_LDADD = libcore.a
tests_bench_bare_SOURCES = tests/bench/bare.c
EXTRA_DIST += tests/bench/builds.py tests/bench/relay.py

# What the filter's own work on one request costs, without a socket: make tests/bench/bench-decide
EXTRA_PROGRAMS += tests/bench/bench-decide
tests_bench_bench_decide_SOURCES = tests/bench/bench-decide.c
tests_bench_bench_decide_LDADD = libcore.a
