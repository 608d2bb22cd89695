# Sources and tests of sockguard-filter/policy.
libcore_a_SOURCES += \
	sockguard-filter/policy/glob.c sockguard-filter/policy/glob.h \
	sockguard-filter/policy/image.c sockguard-filter/policy/image.h \
	sockguard-filter/policy/layout.h \
	sockguard-filter/policy/options.def sockguard-filter/policy/options.h \
	sockguard-filter/policy/rules.c sockguard-filter/policy/rules.h
libconfig_a_SOURCES += \
	sockguard-filter/policy/address.c sockguard-filter/policy/address.h \
	sockguard-filter/policy/builder.c sockguard-filter/policy/builder.h \
	sockguard-filter/policy/check.c sockguard-filter/policy/check.h \
	sockguard-filter/policy/check_body.c \
	sockguard-filter/policy/check_clients.c \
	sockguard-filter/policy/check_listen.c \
	sockguard-filter/policy/check_mutations.c \
	sockguard-filter/policy/check_rules.c \
	sockguard-filter/policy/check_services.c \
	sockguard-filter/policy/check_tls.c \
	sockguard-filter/policy/compile.c \
	sockguard-filter/policy/compile_rules.c \
	sockguard-filter/policy/config.c sockguard-filter/policy/config.h \
	sockguard-filter/policy/constraint.c sockguard-filter/policy/constraint.h sockguard-filter/policy/constraints.def \
	sockguard-filter/policy/decode.c \
	sockguard-filter/policy/describe.h sockguard-filter/policy/manual.c sockguard-filter/policy/schema.c sockguard-filter/policy/shapes.def \
	sockguard-filter/policy/document.c sockguard-filter/policy/document.h \
	sockguard-filter/policy/dump.c \
	sockguard-filter/policy/effective.c \
	sockguard-filter/policy/environment.c \
	sockguard-filter/policy/exposures.c \
	sockguard-filter/policy/guard.c \
	sockguard-filter/policy/load.c sockguard-filter/policy/load.h \
	sockguard-filter/policy/options.c \
	sockguard-filter/policy/problem.c sockguard-filter/policy/problem.h \
	sockguard-filter/policy/regex.c sockguard-filter/policy/regex.h \
	sockguard-filter/policy/scalar.c sockguard-filter/policy/scalar.h \
	sockguard-filter/policy/seccomp.c sockguard-filter/policy/seccomp.h \
	sockguard-filter/policy/sections.c \
	sockguard-filter/policy/set.c sockguard-filter/policy/set.h \
	sockguard-filter/policy/warn.c

check_PROGRAMS += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
check_PROGRAMS += tests/unit/test-options
tests_unit_test_options_SOURCES = tests/unit/test-options.c
tests_unit_test_options_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
check_PROGRAMS += tests/unit/test-regex
tests_unit_test_regex_SOURCES = tests/unit/test-regex.c
tests_unit_test_regex_LDADD = libconfig.a libcore.a
check_PROGRAMS += tests/unit/test-rules
tests_unit_test_rules_SOURCES = tests/unit/test-rules.c
tests_unit_test_rules_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
check_PROGRAMS += tests/unit/test-exposures
tests_unit_test_exposures_SOURCES = tests/unit/test-exposures.c
tests_unit_test_exposures_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)

# The schema and the manual of the configuration, written from the options table while building.
noinst_PROGRAMS += sockguard-filter/policy/describe
sockguard_filter_policy_describe_SOURCES = sockguard-filter/policy/describe_main.c
sockguard_filter_policy_describe_LDADD = libconfig.a libcore.a $(GNUTLS_LIBS)

policy/sockguard.schema.json: sockguard-filter/policy/describe$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) policy && sockguard-filter/policy/describe$(EXEEXT) schema > $@.new && mv $@.new $@
man/sockguard.yaml.5: sockguard-filter/policy/describe$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && sockguard-filter/policy/describe$(EXEEXT) manual > $@.new && mv $@.new $@
schemadir = $(datadir)/sockguard
nodist_schema_DATA = policy/sockguard.schema.json
nodist_man5_MANS = man/sockguard.yaml.5
CLEANFILES += policy/sockguard.schema.json man/sockguard.yaml.5
TESTS += tests/schema/check.py
EXTRA_DIST += tests/schema/check.py tests/e2e/tables.py tests/e2e/verbs.py

# tests/bench/compile.sh runs it.
noinst_PROGRAMS += tests/bench/bench-compile
tests_bench_bench_compile_SOURCES = tests/bench/bench-compile.c
tests_bench_bench_compile_CPPFLAGS = $(AM_CPPFLAGS) $(YAML_CFLAGS)
tests_bench_bench_compile_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
EXTRA_DIST += tests/bench/compile.sh
