# Sources and tests of sockguard-filter/limits.
libcore_a_SOURCES += sockguard-filter/limits/stage.c
