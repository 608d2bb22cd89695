# Sources and tests of sockguard-filter/unpack.
UNPACK_SOURCES = \
	sockguard-filter/unpack/facts.h \
	sockguard-filter/unpack/report.c \
	sockguard-filter/unpack/stream.c sockguard-filter/unpack/stream.h \
	sockguard-filter/unpack/tar.c sockguard-filter/unpack/tar.h \
	sockguard-filter/unpack/walk.c sockguard-filter/unpack/walk.h

pkglibexec_PROGRAMS += bin/sockguard-unpack
bin_sockguard_unpack_SOURCES = sockguard-filter/unpack/main.c $(UNPACK_SOURCES)
bin_sockguard_unpack_LDADD = libcore.a $(UNPACK_ZLIB)
bin_sockguard_unpack_LDFLAGS = $(AM_LDFLAGS) $(UNPACK_LDFLAGS)

# The other side: what starts it, in the filter.
libcore_a_SOURCES += sockguard-filter/unpack/run.c sockguard-filter/unpack/run.h
