# Fuzz targets. With --enable-fuzzers (CC=clang) they are libFuzzer programs:  tests/fuzz/fuzz-head tests/fuzz/seeds/head
# Without, `make check` runs each over its seeds and what is near them, through tests/fuzz/driver.c.
if FUZZERS
fuzz_driver =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += $(fuzz_targets)
else
fuzz_driver = tests/fuzz/driver.c
fuzz_ldflags = $(AM_LDFLAGS)
check_PROGRAMS += $(fuzz_targets)
endif
AM_TESTS_ENVIRONMENT = FUZZ_SEEDS='$(abs_top_srcdir)/tests/fuzz/seeds'; export FUZZ_SEEDS; TOP_SRCDIR='$(abs_top_srcdir)'; export TOP_SRCDIR;
EXTRA_DIST += tests/fuzz/driver.c tests/fuzz/fuzz.h tests/fuzz/seeds

fuzz_targets = \
	tests/fuzz/fuzz-archive \
	tests/fuzz/fuzz-bundle \
	tests/fuzz/fuzz-chunk \
	tests/fuzz/fuzz-config \
	tests/fuzz/fuzz-dockerfile \
	tests/fuzz/fuzz-glob \
	tests/fuzz/fuzz-head \
	tests/fuzz/fuzz-image \
	tests/fuzz/fuzz-inspect \
	tests/fuzz/fuzz-json \
	tests/fuzz/fuzz-peer \
	tests/fuzz/fuzz-query \
	tests/fuzz/fuzz-redact \
	tests/fuzz/fuzz-reference \
	tests/fuzz/fuzz-target \
	tests/fuzz/fuzz-tenants

tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz-bundle.c $(fuzz_driver)
tests_fuzz_fuzz_bundle_LDADD = libconfig.a libcore.a $(GNUTLS_LIBS)
tests_fuzz_fuzz_bundle_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_chunk_SOURCES = tests/fuzz/fuzz-chunk.c $(fuzz_driver)
tests_fuzz_fuzz_chunk_LDADD = libcore.a
tests_fuzz_fuzz_chunk_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_glob_SOURCES = tests/fuzz/fuzz-glob.c $(fuzz_driver)
tests_fuzz_fuzz_glob_LDADD = libcore.a
tests_fuzz_fuzz_glob_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_head_SOURCES = tests/fuzz/fuzz-head.c $(fuzz_driver)
tests_fuzz_fuzz_head_LDADD = libcore.a
tests_fuzz_fuzz_head_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_query_SOURCES = tests/fuzz/fuzz-query.c $(fuzz_driver)
tests_fuzz_fuzz_query_LDADD = libcore.a
tests_fuzz_fuzz_query_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_target_SOURCES = tests/fuzz/fuzz-target.c $(fuzz_driver)
tests_fuzz_fuzz_target_LDADD = libcore.a
tests_fuzz_fuzz_target_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_redact_SOURCES = tests/fuzz/fuzz-redact.c $(fuzz_driver)
tests_fuzz_fuzz_redact_LDADD = libcore.a
tests_fuzz_fuzz_redact_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_tenants_SOURCES = tests/fuzz/fuzz-tenants.c $(fuzz_driver)
tests_fuzz_fuzz_tenants_LDADD = libcore.a
tests_fuzz_fuzz_tenants_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz-json.c $(fuzz_driver)
tests_fuzz_fuzz_json_LDADD = libcore.a
tests_fuzz_fuzz_json_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_inspect_SOURCES = tests/fuzz/fuzz-inspect.c tests/unit/inspect.h $(fuzz_driver)
tests_fuzz_fuzz_inspect_LDADD = $(CHECK_INSPECT)
tests_fuzz_fuzz_inspect_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c $(fuzz_driver)
tests_fuzz_fuzz_config_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz-image.c $(fuzz_driver)
tests_fuzz_fuzz_image_LDADD = libcore.a
tests_fuzz_fuzz_image_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_peer_SOURCES = tests/fuzz/fuzz-peer.c $(fuzz_driver)
tests_fuzz_fuzz_peer_LDADD = libcore.a
tests_fuzz_fuzz_peer_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_archive_SOURCES = tests/fuzz/fuzz-archive.c $(UNPACK_SOURCES) $(fuzz_driver)
tests_fuzz_fuzz_archive_LDADD = libcore.a $(ZLIB_LIBS)
tests_fuzz_fuzz_archive_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_dockerfile_SOURCES = tests/fuzz/fuzz-dockerfile.c $(fuzz_driver)
tests_fuzz_fuzz_dockerfile_LDADD = libcore.a
tests_fuzz_fuzz_dockerfile_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_fuzz_reference_SOURCES = tests/fuzz/fuzz-reference.c $(fuzz_driver)
tests_fuzz_fuzz_reference_LDADD = libcore.a
tests_fuzz_fuzz_reference_LDFLAGS = $(fuzz_ldflags)
