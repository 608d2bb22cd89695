# Sources and tests of sockguard-filter/response.
libcore_a_SOURCES += \
	sockguard-filter/response/filter.c sockguard-filter/response/filter.h
