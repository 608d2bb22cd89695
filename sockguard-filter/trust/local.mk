# Sources and tests of sockguard-filter/trust.
libconfig_a_SOURCES += \
	sockguard-filter/trust/bundle.c sockguard-filter/trust/bundle.h \
	sockguard-filter/trust/key.c sockguard-filter/trust/key.h
