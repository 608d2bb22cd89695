/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "inspect/registry.h"

#include "bodies.h"
#include "check.h"

static void references_name_the_registry_docker_would_ask(void) {
        static const struct {
                const char *text, *registry, *repository;
                bool official;
        } rows[] = {
                { "busybox", "docker.io", "busybox", true },
                { "busybox:1", "docker.io", "busybox", true },
                { "library/x", "docker.io", "library/x", true },
                { "docker.io/library/x", "docker.io", "library/x", true },
                { "DOCKER.IO/x", "docker.io", "x", true },
                { "index.docker.io/x", "docker.io", "x", true },
                { "evil.io", "docker.io", "evil.io", true },
                { "ghcr.io@sha256:aa", "docker.io", "ghcr.io", true },
                { "foo/bar", "docker.io", "foo/bar", false },
                { "docker.io/a/b", "docker.io", "a/b", false },
                { "library/a/b", "docker.io", "library/a/b", false },
                { "registry-1.docker.io/library/x", "registry-1.docker.io", "library/x", false },
                { "localhost/x", "localhost", "x", false },
                { "LocalHost/x", "localhost", "x", false },
                { "x:5000/y", "x:5000", "y", false },
                { "reg.io:5000/y:tag@sha256:00", "reg.io:5000", "y", false },
                { " ghcr.io/a/b ", "ghcr.io", "a/b", false },
                /* A component with an upper-case letter is a host for Docker. */
                { "EVIL/x", "evil", "x", false },
                { "Library/x", "library", "x", false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct image_reference ref;
                struct arena a;

                arena_init(&a, 65536, NULL);
                CHECK_INT(reference_parse(slice_of(rows[i].text), &a, &ref), 0);
                CHECK_STR(ref.registry, rows[i].registry);
                CHECK_STR(ref.repository, rows[i].repository);
                CHECK_INT(ref.official, rows[i].official);
                arena_free(&a);
        }
}

static void what_is_no_reference_is_not_guessed_at(void) {
        static const char *const bad[] = {
                "/x",         "x/",         "a//b",  "ghcr.io/", "https://evil.io/x",
                "@sha256:aa", ":tag",       "a b",   "a\tb",     "a\nb",
                "a?b",        "a#b",        "a%b",   "a\\b",     "docker.io/",
                "x\x7f",      "\xc2\xa0/x", "x\xff",
        };
        struct image_reference ref;
        struct arena a;

        arena_init(&a, 65536, NULL);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (reference_parse(slice_of(bad[i]), &a, &ref) != -EINVAL) {
                        fprintf(stderr, "\"%s\" was taken for a reference\n", bad[i]);
                        CHECK(false);
                }
        CHECK_INT(reference_parse(SLICE("  "), &a, &ref), -ENOENT);
        CHECK_INT(reference_parse(SLICE("a\0b"), &a, &ref), -EINVAL);
        arena_free(&a);
}

static struct fake f;

static enum inspect_outcome pull(const char *query, const char *field) {
        const char *fields[] = { field, NULL };
        char line[512];

        snprintf(line, sizeof(line), "POST /v1.41/images/create?%s", query);
        return bodies_judge(&f, line, field ? fields : NULL, SLICE(""), SLICE(""), NULL).outcome;
}

static void pulls_come_from_allowed_registries_only(void) {
        struct opt_image_pull *o = &bodies_options(&f)->image_pull;

        fake_init(&f);
        o->allow_official = true;
        CHECK_INT(pull("fromImage=busybox&tag=latest", NULL), INSPECT_PASS);
        CHECK_INT(pull("fromImage=evil.io/x", NULL), INSPECT_DENY);
        CHECK_INT(pull("fromImage=", NULL), INSPECT_PASS);
        CHECK_INT(pull("fromImage=busybox&fromImage=evil.io/x", NULL), INSPECT_DENY);
        CHECK_INT(pull("fromImage=a//b", NULL), INSPECT_DENY);
        CHECK_INT(pull("fromImage=EVIL/x", NULL), INSPECT_DENY);
        CHECK_INT(pull("fromSrc=-", NULL), INSPECT_DENY);
        o->allow_imports = true;
        CHECK_INT(pull("fromSrc=-&repo=mine", NULL), INSPECT_PASS);
        CHECK_INT(pull("fromSrc=-&repo=evil.io/x", NULL), INSPECT_DENY);
        o->allowed_registries = fake_strs(&f, "docker.io|ghcr.io");
        CHECK_INT(pull("fromImage=foo/bar", NULL), INSPECT_PASS);
        CHECK_INT(pull("fromImage=EVIL/x", NULL), INSPECT_DENY);
        CHECK_INT(pull("fromImage=ghcr.io/a/b", NULL), INSPECT_PASS);
        o->allow_all_registries = true;
        CHECK_INT(pull("fromImage=evil.io/x", NULL), INSPECT_PASS);
        fake_done(&f);
}

static void credentials_go_to_allowed_registries_only(void) {
        struct opt_image_pull *o = &bodies_options(&f)->image_pull;

        fake_init(&f);
        o->allow_official = true;
        /* {"serveraddress":"https://evil.io/v1/"} */
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: eyJzZXJ2ZXJhZGRyZXNzIjoiaHR0cHM6Ly9ldmlsLmlvL3YxLyJ9"),
                  INSPECT_PASS);
        o->allowed_registries = fake_strs(&f, "ghcr.io");
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: eyJzZXJ2ZXJhZGRyZXNzIjoiaHR0cHM6Ly9ldmlsLmlvL3YxLyJ9"),
                  INSPECT_DENY);
        /* {"SERVERADDREſS":"ghcr.io"} with a long s; null; a list; no base64; trailing bytes */
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: eyJTRVJWRVJBRERSRcW/UyI6ImdoY3IuaW8ifQ=="), INSPECT_PASS);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: eyJTRVJWRVJBRERSRcW_UyI6ImdoY3IuaW8ifQ"), INSPECT_PASS);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: bnVsbA=="), INSPECT_PASS);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: W10="), INSPECT_DENY);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: !!!"), INSPECT_DENY);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth: e30geA=="), INSPECT_DENY);
        CHECK_INT(pull("fromImage=x", "X-Registry-Auth:  "), INSPECT_PASS);
        fake_done(&f);
}

CHECK_MAIN(CHECK_TEST(references_name_the_registry_docker_would_ask),
           CHECK_TEST(what_is_no_reference_is_not_guessed_at), CHECK_TEST(pulls_come_from_allowed_registries_only),
           CHECK_TEST(credentials_go_to_allowed_registries_only))
