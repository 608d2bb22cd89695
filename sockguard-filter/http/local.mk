# Sources and tests of sockguard-filter/http.
libcore_a_SOURCES += \
	sockguard-filter/http/chunk.c sockguard-filter/http/chunk.h \
	sockguard-filter/http/exchange.h \
	sockguard-filter/http/fields.def \
	sockguard-filter/http/head.c sockguard-filter/http/head.h \
	sockguard-filter/http/query.c \
	sockguard-filter/http/reason.c sockguard-filter/http/reason.def sockguard-filter/http/reason.h \
	sockguard-filter/http/target.c sockguard-filter/http/target.h

check_PROGRAMS += tests/unit/test-chunk
tests_unit_test_chunk_SOURCES = tests/unit/test-chunk.c
tests_unit_test_chunk_LDADD = libcore.a

check_PROGRAMS += tests/unit/test-target
tests_unit_test_target_SOURCES = tests/unit/test-target.c tests/unit/check.h
tests_unit_test_target_LDADD = libcore.a

check_PROGRAMS += tests/unit/test-head
tests_unit_test_head_SOURCES = tests/unit/test-head.c tests/unit/check.h
tests_unit_test_head_LDADD = libcore.a

check_PROGRAMS += tests/unit/test-glob
tests_unit_test_glob_SOURCES = tests/unit/test-glob.c tests/unit/check.h
tests_unit_test_glob_LDADD = libcore.a
