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
	sockguard-filter/inspect/pending.c \
	sockguard-filter/inspect/reference.c \
	sockguard-filter/inspect/update.c

CHECK_INSPECT = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)

check_PROGRAMS += tests/unit/test-container tests/unit/test-mutation
tests_unit_test_container_SOURCES = tests/unit/test-container.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_container_LDADD = $(CHECK_INSPECT)
tests_unit_test_mutation_SOURCES = tests/unit/test-mutation.c tests/unit/check.h tests/unit/inspect.h
tests_unit_test_mutation_LDADD = $(CHECK_INSPECT)
