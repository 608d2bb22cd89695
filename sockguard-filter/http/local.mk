# Sources and tests of sockguard-filter/http.
libcore_a_SOURCES += \
	sockguard-filter/http/exchange.h \
	sockguard-filter/http/fields.def \
	sockguard-filter/http/head.h \
	sockguard-filter/http/reason.c sockguard-filter/http/reason.def sockguard-filter/http/reason.h \
	sockguard-filter/http/target.h
