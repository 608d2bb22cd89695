# Sources and tests of sockguard-filter/filter.
libcore_a_SOURCES += \
	sockguard-filter/filter/answer.c sockguard-filter/filter/answer.h \
	sockguard-filter/filter/body.c sockguard-filter/filter/body.h \
	sockguard-filter/filter/companion.c sockguard-filter/filter/companion.h \
	sockguard-filter/filter/exchange.c \
	sockguard-filter/filter/local.c \
	sockguard-filter/filter/pipeline.c sockguard-filter/filter/pipeline.h \
	sockguard-filter/filter/stages.c \
	sockguard-filter/filter/wire.c sockguard-filter/filter/wire.h
