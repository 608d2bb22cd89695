# Sources and tests of sockguard-filter/response.
libcore_a_SOURCES += \
	sockguard-filter/response/filter.c sockguard-filter/response/filter.h \
	sockguard-filter/response/redact.c sockguard-filter/response/redact.h \
	sockguard-filter/response/redact_rows.c \
	sockguard-filter/response/visible.c sockguard-filter/response/visible.h
check_PROGRAMS += tests/unit/test-redact
tests_unit_test_redact_SOURCES = tests/unit/test-redact.c tests/unit/check.h tests/unit/tenants.h
tests_unit_test_redact_LDADD = libcore.a
