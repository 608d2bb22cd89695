# Sources and tests of sockguard-filter/base.
libcore_a_SOURCES += \
	sockguard-filter/base/address.c sockguard-filter/base/address.h \
	sockguard-filter/base/resolve.c sockguard-filter/base/resolve.h \
	sockguard-filter/base/arena.c sockguard-filter/base/arena.h \
	sockguard-filter/base/base64.c sockguard-filter/base/base64.h \
	sockguard-filter/base/clock.h \
	sockguard-filter/base/error.c sockguard-filter/base/error.h \
	sockguard-filter/base/json.c sockguard-filter/base/json.h \
	sockguard-filter/base/json_decode.c sockguard-filter/base/json_read.c sockguard-filter/base/json_text.h \
	sockguard-filter/base/json_scan.c sockguard-filter/base/json_scan.h \
	sockguard-filter/base/path_pattern.c sockguard-filter/base/path_pattern.h \
	sockguard-filter/base/date.c sockguard-filter/base/date.h \
	sockguard-filter/base/slice.c sockguard-filter/base/slice.h \
	sockguard-filter/base/strbuf.c sockguard-filter/base/strbuf.h \
	sockguard-filter/base/unicode.c sockguard-filter/base/unicode_case.c sockguard-filter/base/unicode.h

check_PROGRAMS += tests/unit/test-json tests/unit/test-unicode
tests_unit_test_json_SOURCES = tests/unit/test-json.c tests/unit/check.h
tests_unit_test_json_LDADD = libcore.a
tests_unit_test_unicode_SOURCES = tests/unit/test-unicode.c tests/unit/check.h
tests_unit_test_unicode_LDADD = libcore.a

check_PROGRAMS += tests/unit/test-resolve
tests_unit_test_resolve_SOURCES = tests/unit/test-resolve.c
tests_unit_test_resolve_LDADD = libcore.a
