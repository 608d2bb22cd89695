# Sources and tests of sockguard-filter/telemetry.
libcore_a_SOURCES += \
	sockguard-filter/telemetry/access.c sockguard-filter/telemetry/access.h \
	sockguard-filter/telemetry/log.c sockguard-filter/telemetry/log.h \
	sockguard-filter/telemetry/route.c sockguard-filter/telemetry/route.h \
	sockguard-filter/telemetry/trace.c sockguard-filter/telemetry/trace.h

check_PROGRAMS += tests/unit/test-records
tests_unit_test_records_SOURCES = tests/unit/test-records.c tests/unit/check.h
tests_unit_test_records_LDADD = libcore.a
