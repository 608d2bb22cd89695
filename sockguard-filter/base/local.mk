# Sources and tests of sockguard-filter/base.
libcore_a_SOURCES += \
	sockguard-filter/base/address.c sockguard-filter/base/address.h \
	sockguard-filter/base/arena.c sockguard-filter/base/arena.h \
	sockguard-filter/base/clock.h \
	sockguard-filter/base/error.c sockguard-filter/base/error.h \
	sockguard-filter/base/json.h \
	sockguard-filter/base/slice.c sockguard-filter/base/slice.h \
	sockguard-filter/base/strbuf.c sockguard-filter/base/strbuf.h \
	sockguard-filter/base/unicode.h
