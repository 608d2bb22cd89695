# Sources and tests of sockguard-filter/inspect.
libcore_a_SOURCES += \
	sockguard-filter/inspect/dispatch.c \
	sockguard-filter/inspect/guard.c \
	sockguard-filter/inspect/inspect.h
