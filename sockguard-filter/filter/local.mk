# Sources and tests of sockguard-filter/filter.
libcore_a_SOURCES += \
	sockguard-filter/filter/answer.c sockguard-filter/filter/answer.h \
	sockguard-filter/filter/body.c sockguard-filter/filter/body.h \
	sockguard-filter/filter/companion.c sockguard-filter/filter/companion.h \
	sockguard-filter/filter/connection.c sockguard-filter/filter/connection.h \
	sockguard-filter/filter/deadlines.c sockguard-filter/filter/deadlines.h \
	sockguard-filter/filter/dryrun.c sockguard-filter/filter/dryrun.h \
	sockguard-filter/filter/exchange.c \
	sockguard-filter/filter/flow.c sockguard-filter/filter/flow.h \
	sockguard-filter/filter/landlock.c sockguard-filter/filter/landlock.h \
	sockguard-filter/filter/local.c \
	sockguard-filter/filter/lookup.c \
	sockguard-filter/filter/ops.c \
	sockguard-filter/filter/pool.c sockguard-filter/filter/pool.h \
	sockguard-filter/filter/privilege.c sockguard-filter/filter/privilege.h \
	sockguard-filter/filter/relay_head.c sockguard-filter/filter/tunnel.c \
	sockguard-filter/filter/pipeline.c sockguard-filter/filter/pipeline.h \
	sockguard-filter/filter/relay.c sockguard-filter/filter/relay.h \
	sockguard-filter/filter/source.c sockguard-filter/filter/source.h \
	sockguard-filter/filter/stages.c \
	sockguard-filter/filter/upstream.c sockguard-filter/filter/upstream.h \
	sockguard-filter/filter/warm.c sockguard-filter/filter/warm.h \
	sockguard-filter/filter/wire.c sockguard-filter/filter/wire.h

# The programs are in bin/ of the build directory: sockguard-filter/ is where the objects are.
bin_PROGRAMS += bin/sockguard-filter
bin_sockguard_filter_SOURCES = sockguard-filter/filter/main.c
bin_sockguard_filter_LDADD = libcore.a

check_PROGRAMS += tests/unit/test-confine tests/unit/test-date tests/unit/test-deadlines tests/unit/test-flow tests/unit/test-pool
tests_unit_test_confine_SOURCES = tests/unit/test-confine.c tests/unit/check.h
tests_unit_test_confine_LDADD = libcore.a $(CJSON_LIBS)
tests_unit_test_date_SOURCES = tests/unit/test-date.c tests/unit/check.h
tests_unit_test_date_LDADD = libcore.a
tests_unit_test_deadlines_SOURCES = tests/unit/test-deadlines.c tests/unit/check.h
tests_unit_test_deadlines_LDADD = libcore.a $(CJSON_LIBS)
tests_unit_test_flow_SOURCES = tests/unit/test-flow.c tests/unit/check.h
tests_unit_test_flow_LDADD = libcore.a $(CJSON_LIBS)
tests_unit_test_pool_SOURCES = tests/unit/test-pool.c tests/unit/check.h
tests_unit_test_pool_LDADD = libcore.a $(CJSON_LIBS)
EXTRA_DIST += tests/e2e/vanish.py
