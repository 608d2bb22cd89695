# Sources and tests of sockguard-filter/identity.
libcore_a_SOURCES += \
	sockguard-filter/identity/admission.c \
	sockguard-filter/identity/certificate.c sockguard-filter/identity/certificate.h \
	sockguard-filter/identity/labels.c \
	sockguard-filter/identity/list_filter.c sockguard-filter/identity/list_filter.h \
	sockguard-filter/identity/listener.c \
	sockguard-filter/identity/ownership.c sockguard-filter/identity/ownership.h \
	sockguard-filter/identity/ownership_path.c sockguard-filter/identity/ownership_stamp.c \
	sockguard-filter/identity/peer.c sockguard-filter/identity/peer.h \
	sockguard-filter/identity/profile.c \
	sockguard-filter/identity/record.c \
	sockguard-filter/identity/references.c sockguard-filter/identity/references.h \
	sockguard-filter/identity/resource.c sockguard-filter/identity/resource.h \
	sockguard-filter/identity/visibility.c

check_PROGRAMS += tests/unit/test-address tests/unit/test-peer
tests_unit_test_address_SOURCES = tests/unit/test-address.c
tests_unit_test_address_LDADD = libcore.a
tests_unit_test_peer_SOURCES = tests/unit/test-peer.c
tests_unit_test_peer_LDADD = libcore.a
check_PROGRAMS += tests/unit/test-tenants
tests_unit_test_tenants_SOURCES = tests/unit/test-tenants.c tests/unit/check.h tests/unit/tenants.h
tests_unit_test_tenants_LDADD = libcore.a
check_PROGRAMS += tests/unit/test-identity
tests_unit_test_identity_SOURCES = tests/unit/test-identity.c
tests_unit_test_identity_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
