# Sources and tests of sockguard-filter/inspect.
libcore_a_SOURCES += \
	sockguard-filter/inspect/beneath.c sockguard-filter/inspect/beneath.h \
	sockguard-filter/inspect/common.c sockguard-filter/inspect/common.h \
	sockguard-filter/inspect/dispatch.c \
	sockguard-filter/inspect/container.c sockguard-filter/inspect/container.h \
	sockguard-filter/inspect/container_hardening.c sockguard-filter/inspect/container_mounts.c \
	sockguard-filter/inspect/exec.c \
	sockguard-filter/inspect/guard.c \
	sockguard-filter/inspect/inspect.h \
	sockguard-filter/inspect/mutation.c \
	sockguard-filter/inspect/reference.c \
	sockguard-filter/inspect/update.c

CHECK_INSPECT = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
check_PROGRAMS += tests/unit/test-body-types tests/unit/test-container tests/unit/test-create-steps tests/unit/test-guard tests/unit/test-mutation
tests_unit_test_create_steps_SOURCES = tests/unit/test-create-steps.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_create_steps_LDADD = $(CHECK_INSPECT)
tests_unit_test_body_types_SOURCES = tests/unit/test-body-types.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_body_types_LDADD = $(CHECK_INSPECT)
tests_unit_test_guard_SOURCES = tests/unit/test-guard.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_guard_LDADD = $(CHECK_INSPECT)
tests_unit_test_container_SOURCES = tests/unit/test-container.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_container_LDADD = $(CHECK_INSPECT)
tests_unit_test_mutation_SOURCES = tests/unit/test-mutation.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_mutation_LDADD = $(CHECK_INSPECT)

noinst_PROGRAMS += tests/bench/bench-inspect
tests_bench_bench_inspect_SOURCES = tests/bench/bench-inspect.c tests/unit/inspect.h
tests_bench_bench_inspect_CPPFLAGS = $(AM_CPPFLAGS) $(CJSON_CFLAGS) -I$(top_srcdir)/tests
tests_bench_bench_inspect_LDADD = $(CHECK_INSPECT)

EXTRA_DIST += tests/e2e/hostile-bodies.py tests/e2e/preset-portainer.py tests/e2e/update-race.py tests/e2e/body-memory.py

# Everything beside containers.
libcore_a_SOURCES += \
	sockguard-filter/inspect/archive.c \
	sockguard-filter/inspect/build.c sockguard-filter/inspect/build.h sockguard-filter/inspect/build_sources.c \
	sockguard-filter/inspect/buildkit.c \
	sockguard-filter/inspect/dockerfile.c sockguard-filter/inspect/dockerfile.h \
	sockguard-filter/inspect/heredoc.c sockguard-filter/inspect/heredoc.h \
	sockguard-filter/inspect/facts.c sockguard-filter/inspect/facts.h \
	sockguard-filter/inspect/image.c \
	sockguard-filter/inspect/judge.c sockguard-filter/inspect/judge.h \
	sockguard-filter/inspect/libpod.c sockguard-filter/inspect/libpod.h \
	sockguard-filter/inspect/libpod_parts.c sockguard-filter/inspect/libpod_pod.c \
	sockguard-filter/inspect/network.c \
	sockguard-filter/inspect/node.c \
	sockguard-filter/inspect/plugin.c \
	sockguard-filter/inspect/registry.c sockguard-filter/inspect/registry.h \
	sockguard-filter/inspect/secret.c \
	sockguard-filter/inspect/service.c \
	sockguard-filter/inspect/swarm.c \
	sockguard-filter/inspect/volume.c

check_PROGRAMS += tests/unit/test-registry tests/unit/test-dockerfile tests/unit/test-families tests/unit/test-uploads
tests_unit_test_registry_SOURCES = tests/unit/test-registry.c tests/unit/bodies.h tests/unit/check.h
tests_unit_test_registry_LDADD = libcore.a
tests_unit_test_dockerfile_SOURCES = tests/unit/test-dockerfile.c tests/unit/check.h
tests_unit_test_dockerfile_LDADD = libcore.a
tests_unit_test_families_SOURCES = tests/unit/test-families.c tests/unit/bodies.h tests/unit/check.h
tests_unit_test_families_LDADD = libcore.a
tests_unit_test_uploads_SOURCES = tests/unit/test-uploads.c tests/unit/bodies.h tests/unit/check.h tests/unit/tarball.h $(UNPACK_SOURCES)
tests_unit_test_uploads_LDADD = libcore.a $(ZLIB_LIBS)
check_PROGRAMS += tests/unit/test-build-sources
tests_unit_test_build_sources_SOURCES = tests/unit/test-build-sources.c tests/unit/inspect.h tests/unit/check.h
tests_unit_test_build_sources_LDADD = $(CHECK_INSPECT)
