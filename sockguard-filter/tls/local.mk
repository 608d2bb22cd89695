# Sources and tests of sockguard-filter/tls, and the endpoints that it dials.
libcore_a_SOURCES += \
	sockguard-filter/filter/endpoint.c sockguard-filter/filter/endpoint.h \
	sockguard-filter/tls/dialler.c sockguard-filter/tls/dialler.h
