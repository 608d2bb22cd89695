# Sources and tests of sockguard-filter/inspect.
libcore_a_SOURCES += \
	sockguard-filter/inspect/common.c sockguard-filter/inspect/common.h \
	sockguard-filter/inspect/dispatch.c \
	sockguard-filter/inspect/guard.c \
	sockguard-filter/inspect/inspect.h \
	sockguard-filter/inspect/mutation.c \
	sockguard-filter/inspect/pending.c \
	sockguard-filter/inspect/reference.c
