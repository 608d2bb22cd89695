# Sources and tests of sockguard-filter/limits.
libcore_a_SOURCES += \
	sockguard-filter/limits/bucket.c sockguard-filter/limits/bucket.h \
	sockguard-filter/limits/lease.c sockguard-filter/limits/lease.h \
	sockguard-filter/limits/metrics.c sockguard-filter/limits/metrics.h \
	sockguard-filter/limits/stage.c \
	sockguard-filter/limits/state.c sockguard-filter/limits/state.h \
	sockguard-filter/limits/throttle.h

check_PROGRAMS += tests/unit/test-bucket tests/unit/test-state tests/unit/test-lease tests/unit/test-metrics
tests_unit_test_bucket_SOURCES = tests/unit/test-bucket.c tests/unit/check.h
tests_unit_test_bucket_LDADD = libcore.a
tests_unit_test_state_SOURCES = tests/unit/test-state.c tests/unit/check.h
tests_unit_test_state_LDADD = libcore.a
tests_unit_test_lease_SOURCES = tests/unit/test-lease.c tests/unit/check.h
tests_unit_test_lease_LDADD = libcore.a
tests_unit_test_metrics_SOURCES = tests/unit/test-metrics.c tests/unit/check.h
tests_unit_test_metrics_LDADD = libcore.a

noinst_PROGRAMS += tests/bench/bench-state
tests_bench_bench_state_SOURCES = tests/bench/state.c
tests_bench_bench_state_LDADD = libcore.a
EXTRA_DIST += tests/bench/companion.py
