# Sources and tests of sockguard-filter/policy.
libcore_a_SOURCES += \
	sockguard-filter/policy/glob.c sockguard-filter/policy/glob.h \
	sockguard-filter/policy/image.h \
	sockguard-filter/policy/options.def sockguard-filter/policy/options.h \
	sockguard-filter/policy/rules.h
libconfig_a_SOURCES += sockguard-filter/policy/options.c
