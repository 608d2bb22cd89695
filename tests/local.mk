# Files of tests/.
noinst_PROGRAMS += tests/standin
tests_standin_SOURCES = tests/standin.c
EXTRA_DIST += \
	tests/bench/lists.py \
	tests/bench/systemd.py \
	tests/coverage.py \
	tests/deviations.json \
	tests/differential/oracle.go \
	tests/e2e/README.md \
	tests/e2e/attacks-containers.py \
	tests/e2e/attacks-swarm.py \
	tests/e2e/attacks-uploads.py \
	tests/e2e/audited.py \
	tests/e2e/companion-faults.py \
	tests/e2e/companion-records.py \
	tests/e2e/companion-reload.py \
	tests/e2e/companion-watch.py \
	tests/e2e/companion.py \
	tests/e2e/container.py \
	tests/e2e/docker-cli.py \
	tests/e2e/explain.py \
	tests/e2e/hostile.py \
	tests/e2e/json-oracle.py \
	tests/e2e/machine.py \
	tests/e2e/operators-view.py \
	tests/e2e/podman.py \
	tests/e2e/sg.py \
	tests/e2e/signed.py \
	tests/e2e/systemd.py \
	tests/e2e/tenancy.py \
	tests/e2e/tenants.py \
	tests/e2e/xinetd.py \
	tests/exceptions.json \
	tests/replay.py \
	tests/run \
	tests/unit/check.h
noinst_PROGRAMS += tests/bench/list-filter
tests_bench_list_filter_SOURCES = tests/bench/list-filter.c tests/unit/tenants.h
tests_bench_list_filter_CPPFLAGS = $(AM_CPPFLAGS) $(CJSON_CFLAGS)
tests_bench_list_filter_LDADD = libcore.a $(CJSON_LIBS)

# The C half of the comparison with Docker's decoder (tests/e2e/json-oracle.py).
noinst_PROGRAMS += tests/differential/ours
tests_differential_ours_SOURCES = tests/differential/ours.c
tests_differential_ours_LDADD = libcore.a
EXTRA_DIST += tests/e2e/tenants-systemd.py

# The C half of the comparison with BuildKit's parser (tests/e2e/builder-oracle.py).
noinst_PROGRAMS += tests/differential/builder-ours
tests_differential_builder_ours_SOURCES = tests/differential/builder.c
tests_differential_builder_ours_LDADD = libcore.a
EXTRA_DIST += \
	tests/differential/builder/go.mod \
	tests/differential/builder/go.sum \
	tests/differential/builder/main.go \
	tests/e2e/bombs.py \
	tests/e2e/builder-oracle.py \
	tests/e2e/flows.py
EXTRA_DIST += tests/e2e/reads.py
EXTRA_DIST += tests/e2e/tenants-podman.py
EXTRA_DIST += tests/e2e/tenants-failover.py
