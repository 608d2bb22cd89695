# Sources and tests of sockguard-filter/tls, and the endpoints that it dials.
libcore_a_SOURCES += \
	sockguard-filter/filter/endpoint.c sockguard-filter/filter/endpoint.h \
	sockguard-filter/tls/dialler.c sockguard-filter/tls/dialler.h \
	sockguard-filter/tls/handover.c sockguard-filter/tls/handover.h

pkglibexec_PROGRAMS += bin/sockguard-tls
bin_sockguard_tls_SOURCES = \
	sockguard-filter/tls/chain.c sockguard-filter/tls/chain.h \
	sockguard-filter/tls/client.c sockguard-filter/tls/client.h \
	sockguard-filter/tls/hints.c sockguard-filter/tls/hints.h \
	sockguard-filter/tls/keeper.c sockguard-filter/tls/keeper.h \
	sockguard-filter/tls/leaf.c sockguard-filter/tls/leaf.h \
	sockguard-filter/tls/main.c \
	sockguard-filter/tls/relay.c sockguard-filter/tls/relay.h \
	sockguard-filter/tls/report.c sockguard-filter/tls/report.h \
	sockguard-filter/tls/sandbox.c sockguard-filter/tls/sandbox.h \
	sockguard-filter/tls/server.c sockguard-filter/tls/server.h \
	sockguard-filter/tls/terminator.c sockguard-filter/tls/terminator.h \
	sockguard-filter/tls/pages.c sockguard-filter/tls/pages.h
bin_sockguard_tls_CPPFLAGS = $(AM_CPPFLAGS) $(GNUTLS_CFLAGS)
bin_sockguard_tls_LDADD = libcore.a $(GNUTLS_LIBS)
EXTRA_DIST += tests/e2e/caller-labels.py tests/e2e/peers.py tests/e2e/tls.py tests/e2e/tls-systemd.py
EXTRA_DIST += tests/e2e/failover.py
EXTRA_DIST += tests/e2e/units.py

EXTRA_PROGRAMS += tests/bench/bench-tls
tests_bench_bench_tls_SOURCES = tests/bench/bench-tls.c
tests_bench_bench_tls_CPPFLAGS = $(AM_CPPFLAGS) $(GNUTLS_CFLAGS)
tests_bench_bench_tls_LDADD = $(GNUTLS_LIBS)
EXTRA_DIST += tests/bench/tls.py
dist_man_MANS += man/sockguard-tls.8

check_PROGRAMS += tests/unit/test-leaf
tests_unit_test_leaf_SOURCES = tests/unit/test-leaf.c sockguard-filter/tls/hints.c sockguard-filter/tls/hints.h \
	sockguard-filter/tls/leaf.c sockguard-filter/tls/leaf.h
tests_unit_test_leaf_CPPFLAGS = $(AM_CPPFLAGS) $(GNUTLS_CFLAGS)
tests_unit_test_leaf_LDADD = libcore.a $(GNUTLS_LIBS)
