# Sources and tests of sockguard-filter/ctl.
bin_PROGRAMS += sockguard-ctl
sockguard_ctl_SOURCES = \
	sockguard-filter/ctl/main.c sockguard-filter/ctl/verb.h \
	sockguard-filter/ctl/common.c sockguard-filter/ctl/common.h \
	sockguard-filter/ctl/verb_compile.c \
	sockguard-filter/ctl/verb_match.c \
	sockguard-filter/ctl/verb_validate.c \
	sockguard-filter/ctl/verb_version.c
sockguard_ctl_CPPFLAGS = $(libconfig_a_CPPFLAGS)
sockguard_ctl_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
