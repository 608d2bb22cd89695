# The bundled presets: ready-made policies, installed for people to copy or name.
presetsdir = $(datadir)/sockguard/presets
dist_presets_DATA = \
	policy/autoheal.yaml \
	policy/cis-docker-benchmark.yaml \
	policy/diun.yaml \
	policy/drydock-with-build.yaml \
	policy/drydock-with-compose.yaml \
	policy/drydock-with-mediated-build.yaml \
	policy/drydock-with-selfupdate.yaml \
	policy/drydock.yaml \
	policy/github-actions-runner.yaml \
	policy/gitlab-runner.yaml \
	policy/homarr.yaml \
	policy/homepage.yaml \
	policy/multi-listener.yaml \
	policy/podman-readonly.yaml \
	policy/portainer.yaml \
	policy/portwing-with-build.yaml \
	policy/portwing-with-compose.yaml \
	policy/portwing-with-exec.yaml \
	policy/portwing-with-mediated-build.yaml \
	policy/portwing.yaml \
	policy/readonly.yaml \
	policy/sockguard.yaml \
	policy/traefik.yaml \
	policy/watchtower.yaml

check_PROGRAMS += tests/unit/test-presets
tests_unit_test_presets_SOURCES = tests/unit/test-presets.c tests/unit/check.h
tests_unit_test_presets_LDADD = libconfig.a libcore.a $(YAML_LIBS) $(CJSON_LIBS) $(SECCOMP_LIBS) $(GNUTLS_LIBS)
