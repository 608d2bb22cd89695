# Sources and tests of sockguard-filter/ctl.
bin_PROGRAMS += bin/sockguard-ctl
bin_sockguard_ctl_SOURCES = \
	sockguard-filter/ctl/main.c sockguard-filter/ctl/verb.h \
	sockguard-filter/ctl/common.c sockguard-filter/ctl/common.h \
	sockguard-filter/ctl/board.c sockguard-filter/ctl/companion.c sockguard-filter/ctl/companion.h \
	sockguard-filter/ctl/control.c sockguard-filter/ctl/dead.c sockguard-filter/ctl/health.c \
	sockguard-filter/ctl/job.c sockguard-filter/ctl/job.h sockguard-filter/ctl/listeners.c \
	sockguard-filter/ctl/log.c sockguard-filter/ctl/log.h sockguard-filter/ctl/page.c \
	sockguard-filter/ctl/pool.c sockguard-filter/ctl/pool.h sockguard-filter/ctl/publish.c \
	sockguard-filter/ctl/reload.c sockguard-filter/ctl/signed.c sockguard-filter/ctl/watch.c sockguard-filter/ctl/worker.c \
	sockguard-filter/ctl/verb_run.c sockguard-filter/ctl/verb_serve.c sockguard-filter/ctl/verb_status.c sockguard-filter/ctl/verb_top.c \
	sockguard-filter/ctl/view.c sockguard-filter/ctl/view.h \
	sockguard-filter/ctl/units.c sockguard-filter/ctl/units.h sockguard-filter/ctl/verb_units.c \
	sockguard-filter/ctl/verb_compile.c \
	sockguard-filter/ctl/verb_doctor.c sockguard-filter/ctl/verb_explain.c \
	sockguard-filter/ctl/verb_config.c \
	sockguard-filter/ctl/verb_match.c \
	sockguard-filter/ctl/verb_migrate.c \
	sockguard-filter/ctl/verb_schema.c \
	sockguard-filter/ctl/verb_validate.c \
	sockguard-filter/ctl/verb_version.c
bin_sockguard_ctl_CPPFLAGS = $(libconfig_a_CPPFLAGS) $(SYSTEMD_CFLAGS)
bin_sockguard_ctl_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS) $(SYSTEMD_LIBS)
libconfig_a_SOURCES += sockguard-filter/ctl/migrate.c sockguard-filter/ctl/migrate_regex.c sockguard-filter/ctl/migrate.h

check_PROGRAMS += tests/unit/test-migrate
tests_unit_test_migrate_SOURCES = tests/unit/test-migrate.c tests/unit/check.h
tests_unit_test_migrate_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
