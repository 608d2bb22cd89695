/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bodies.h"
#include "check.h"
#include "inspect/facts.h"
#include "tarball.h"
#include "unpack/walk.h"

/* Uploads, from their bytes through the facts to the verdict. */

static struct fake f;
static struct tarball t;
static struct walk w;

static void start(void) {
        t.n = 0;
}

static struct slice finish(void) {
        tarball_end(&t);
        return tarball_view(&t);
}

/* What sockguard-unpack would say, as the text the filter gets. */
static struct slice unpack(struct slice body, const char *const *argv) {
        static char text[FACTS_MAX];
        static struct walk_request q;
        int fd = memfd_create("facts", 0);
        ssize_t n;

        q = (struct walk_request){ .content_limit = FACTS_CONTENT_MAX };
        for (; *argv && **argv == '-'; argv++) {
                uint64_t v = 0;

                if (strcmp(*argv, "--") == 0) {
                        argv++;
                        break;
                }
                if (strcmp(*argv, "-r") == 0) {
                        q.raw = true;
                        continue;
                }
                slice_parse_u64(slice_of(argv[1]), &v);
                if (strcmp(*argv, "-g") == 0) {
                        q.gzip = true;
                        q.output_limit = v;
                } else
                        q.content_limit = (uint32_t) v;
                argv++;
        }
        for (; *argv; argv++)
                q.watch[q.n_watch++] = slice_of(*argv);
        memset(&w, 0, sizeof(w));
        walk_run(&w, &q, body);
        walk_report(&w, fd);
        n = pread(fd, text, sizeof(text), 0);
        close(fd);
        return slice_make(text, (size_t) n);
}

static enum inspect_outcome upload(const char *line, const char *const *fields, struct slice body) {
        const char *argv[32] = { NULL };
        struct http_query query;
        struct inspect_input in;
        const struct inspector *row;

        fake_request(&f, line);
        http_query_parse(f.x.target.query, &f.arena, &query);
        row = inspect_find(f.x.head.method, f.x.target.normalized);
        in = (struct inspect_input){ .policy = &f.policy,
                                     .options = bodies_options(&f),
                                     .path = f.x.target.normalized,
                                     .query = &query,
                                     .head = &f.x.head,
                                     .arena = &f.arena };
        if (!row->unpack_arguments(&in, argv, 32))
                return bodies_judge(&f, line, fields, SLICE(""), SLICE(""), NULL).outcome;
        return bodies_judge(&f, line, fields, SLICE(""), unpack(body, argv), NULL).outcome;
}

#define BUILD "POST /v1.41/build?t=x"

static enum inspect_outcome build(void) {
        return upload(BUILD, NULL, finish());
}

static void a_build_is_judged_by_its_dockerfile(void) {
        static const char *const text[] = { "Content-Type: text/plain", NULL };
        static char padded[512];

        fake_init(&f);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\nCOPY a b\n");
        tarball_file(&t, "a", "x");
        CHECK_INT(build(), INSPECT_PASS);
        CHECK_INT(upload(BUILD, NULL, tarball_gzip(tarball_view(&t))), INSPECT_PASS);
        start();
        tarball_file(&t, "./Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_DENY);
        CHECK_INT(upload(BUILD, NULL, tarball_gzip(tarball_view(&t))), INSPECT_DENY);
        CHECK_INT(upload("POST /build?dockerfile=sub%2Fx", NULL, tarball_view(&t)), INSPECT_DENY);
        start();
        tarball_file(&t, "sub/x", "FROM x\n");
        CHECK_INT(upload("POST /build?dockerfile=./sub//x", NULL, finish()), INSPECT_PASS);
        CHECK_INT(upload("POST /build?dockerfile=a&dockerfile=sub/x", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("POST /build?dockerfile=../sub/x", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("POST /build?dockerfile=a%00b", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("POST /build?networkmode=HOST", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("POST /build?remote=http://x/", NULL, tarball_view(&t)), INSPECT_DENY);
        memset(padded, '\n', sizeof(padded));
        memcpy(padded, "FROM x\nCOPY a b\n", 16);
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, 512)), INSPECT_PASS);
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, 511)),
                  INSPECT_FAILED); /* an archive cut off within its first block? */
        memcpy(padded,
               "\xef\xbb\xbf"
               "FROM x\nRUN a b\n",
               18);
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, 512)), INSPECT_DENY);
        memset(padded, 'x', sizeof(padded));
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, 512)), INSPECT_DENY);
        CHECK_INT(upload(BUILD, text, slice_make(padded, 512)), INSPECT_PASS);
        CHECK_INT(upload(BUILD, NULL, SLICE("FROM x\nRUN a b\n")), INSPECT_DENY);
        CHECK_INT(upload(BUILD, NULL, SLICE("hello")), INSPECT_DENY);
        CHECK_INT(upload(BUILD, NULL, SLICE("FROM x\n\0RUN y")), INSPECT_DENY);
        fake_done(&f);
}

static void podman_finds_its_dockerfile_by_other_names(void) {
        static const struct {
                const char *line, *first, *first_text, *second, *second_text;
                enum inspect_outcome want;
        } rows[] = {
                { "POST /libpod/build", "Dockerfile", "FROM x\n", "b", "", INSPECT_PASS },
                { "POST /libpod/build", "Containerfile", "FROM x\n", "Dockerfile", "FROM x\nRUN y\n", INSPECT_PASS },
                { "POST /libpod/build", "Dockerfile", "FROM x\n", "Containerfile", "FROM x\nRUN y\n", INSPECT_DENY },
                { "POST /libpod/build?dockerfile=", "Dockerfile", "FROM x\n", "./Containerfile", "FROM x\nRUN y\n",
                  INSPECT_DENY },
                { "POST /libpod/build?dockerfile=Dockerfile", "Dockerfile", "FROM x\n", "Containerfile",
                  "FROM x\nRUN y\n", INSPECT_PASS },
                { "POST /libpod/build?dockerfile=http://e/x", "http:/e/x", "FROM x\n", "b", "", INSPECT_DENY },
                { "POST /libpod/build?dockerfile=%5B%22http://e/x%22%5D", "http:/e/x", "FROM x\n", "b", "",
                  INSPECT_DENY },
                { "POST /build?dockerfile=http://e/x", "http:/e/x", "FROM x\n", "b", "", INSPECT_DENY },
                { "POST /libpod/build?dockerfile=a.in", "a.in", "FROM x\n#include \"b\"\n", "b", "RUN y\n",
                  INSPECT_DENY },
                { "POST /libpod/build?dockerfile=a.in", "a.in", "FROM x\n# define R RUN\nR y\n", "b", "",
                  INSPECT_DENY },
                { "POST /libpod/build?dockerfile=a.in", "a.in", "FROM x\nR/**/UN y\n", "b", "", INSPECT_DENY },
                { "POST /build?dockerfile=a.in", "a.in", "FROM x\nR/**/UN y\n", "b", "", INSPECT_DENY },
                { "POST /libpod/build?dockerfile=a.in", "a.in", "# A comment\nFROM x\n", "b", "", INSPECT_PASS },
                { "POST /libpod/build?outputs=type=local,dest=/etc", "Dockerfile", "FROM x\n", "b", "", INSPECT_DENY },
                { "POST /build?outputs=type=local,dest=/etc", "Dockerfile", "FROM x\n", "b", "", INSPECT_PASS },
                /* Docker's path may lead to Podman, too. */
                { "POST /build?dockerfile=%5B%22b%22%5D", "[\"b\"]", "FROM x\n", "b", "FROM x\nRUN y\n", INSPECT_DENY },
                { "POST /build?dockerfile=%5Bb%5D", "[b]", "FROM x\n", "b", "FROM x\nRUN y\n", INSPECT_PASS },
                { "POST /build?volume=/etc:/h", "Dockerfile", "FROM x\n", "b", "", INSPECT_DENY },
                { "POST /build?nsoptions=[{%22Name%22:%22pid%22,%22Host%22:true}]", "Dockerfile", "FROM x\n", "b", "",
                  INSPECT_DENY },
        };

        fake_init(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                start();
                tarball_file(&t, rows[i].first, rows[i].first_text);
                tarball_file(&t, rows[i].second, rows[i].second_text);
                if (upload(rows[i].line, NULL, finish()) != rows[i].want) {
                        fprintf(stderr, "row %zu: %s\n", i, rows[i].line);
                        CHECK(false);
                }
        }
        fake_done(&f);
}

static void a_build_argument_names_no_frontend(void) {
        fake_init(&f);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        finish();
        CHECK_INT(upload("POST /build?buildargs={%22BUILDKIT_SYNTAX%22:%22evil/x%22}", NULL, tarball_view(&t)),
                  INSPECT_DENY);
        CHECK_INT(upload("POST /build?buildargs={%22BUILDKIT%5Cu005fSYNTAX%22:null,%22BUILDKIT_SYNTAX%22:%22evil/x%22}",
                         NULL, tarball_view(&t)),
                  INSPECT_DENY);
        CHECK_INT(upload("POST /build?buildargs={}&buildargs={%22BUILDKIT_SYNTAX%22:%22%22}", NULL, tarball_view(&t)),
                  INSPECT_DENY);
        CHECK_INT(upload("POST /build?buildargs={%22BUILDKIT_SYNTAX%22:null,%22A%22:%22BUILDKIT_SYNTAX%22}", NULL,
                         tarball_view(&t)),
                  INSPECT_PASS);
        bodies_options(&f)->build.allow_run_instructions = true;
        CHECK_INT(upload("POST /build?buildargs={%22BUILDKIT_SYNTAX%22:%22evil/x%22}", NULL, tarball_view(&t)),
                  INSPECT_PASS);
        bodies_options(&f)->build.deny_remote_add = true;
        CHECK_INT(upload("POST /build?buildargs={%22BUILDKIT_SYNTAX%22:%22evil/x%22}", NULL, tarball_view(&t)),
                  INSPECT_DENY);
        fake_done(&f);
}

static void a_dockerfile_that_can_be_replaced_is_none(void) {
        fake_init(&f);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "x/../Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "b", "FROM x\nRUN y\n");
        tarball_link(&t, '2', "Dockerfile", "b");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "b", "FROM x\nRUN y\n");
        tarball_link(&t, '1', "Dockerfile", "b");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_link(&t, '2', "l", ".");
        tarball_file(&t, "l/Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "//Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "/../Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "sub", "other");
        tarball_file(&t, "other/D", "FROM x\nRUN y\n");
        CHECK_INT(upload("POST /build?dockerfile=sub/D", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "sub/D", "FROM x\n");
        tarball_link(&t, '2', "sub", "other");
        CHECK_INT(upload("POST /build?dockerfile=sub/D", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_header(&t, '7', "Dockerfile", "", 0644, 0);
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile ", "FROM x\n");
        CHECK_INT(build(), INSPECT_DENY);
        start();
        tarball_pax(&t, "GNU.sparse.map", "0,7");
        tarball_file(&t, "Dockerfile", "FROM x\n");
        CHECK(build() != INSPECT_PASS);
        fake_done(&f);
}

static void a_body_is_read_by_its_first_bytes_not_by_its_type(void) {
        static const char *const text[] = { "Content-Type: TEXT/plainx", NULL };
        static char padded[2048];
        struct slice z;

        fake_init(&f);
        memset(padded, 'x', sizeof(padded));
        memcpy(padded, "BZh9", 4);
        CHECK_INT(upload(BUILD, text, slice_make(padded, sizeof(padded))), INSPECT_DENY);
        memcpy(padded,
               "\xfd"
               "7zXZ\0",
               6);
        CHECK_INT(upload(BUILD, text, slice_make(padded, sizeof(padded))), INSPECT_DENY);
        memcpy(padded, "\x28\xb5\x2f\xfd", 4);
        CHECK_INT(upload(BUILD, text, slice_make(padded, sizeof(padded))), INSPECT_DENY);
        memcpy(padded, "\x55\x2a\x4d\x18", 4);
        CHECK_INT(upload(BUILD, text, slice_make(padded, sizeof(padded))), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        tarball_file(&t, "Dockerfile", "FROM x\n");
        CHECK_INT(upload(BUILD, text, finish()), INSPECT_DENY);
        z = tarball_gzip(tarball_view(&t));
        CHECK_INT(upload(BUILD, text, z), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        z = tarball_gzip(finish());
        memcpy(padded, z.at, z.len);
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, z.len - 1)), INSPECT_FAILED);
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, z.len + 1)), INSPECT_FAILED);
        padded[z.len - 8] ^= 1;
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, z.len)), INSPECT_FAILED);
        padded[3] = (char) 0x80; /* reserved flag */
        CHECK_INT(upload(BUILD, NULL, slice_make(padded, z.len)), INSPECT_DENY);
        CHECK_INT(upload(BUILD, NULL, SLICE("\x1f\x8b\x08")), INSPECT_FAILED);
        fake_done(&f);
}

static void builds_that_may_run_are_not_looked_into(void) {
        struct opt_build *o = &bodies_options(&f)->build;

        fake_init(&f);
        o->allow_run_instructions = true;
        start();
        tarball_file(&t, "Dockerfile", "FROM x\nRUN y\n");
        CHECK_INT(build(), INSPECT_PASS);
        CHECK_INT(upload("POST /build?networkmode=host", NULL, SLICE("")), INSPECT_DENY);
        o->deny_remote_add = true;
        CHECK_INT(build(), INSPECT_PASS);
        start();
        tarball_file(&t, "Dockerfile", "FROM x\nADD https://evil.io/x /\n");
        CHECK_INT(build(), INSPECT_DENY);
        o->restrict_images = true;
        bodies_options(&f)->image_pull.allow_official = true;
        start();
        tarball_file(&t, "Dockerfile", "FROM busybox AS a\nFROM A\nCOPY --from=0 x y\nCOPY --from=a x y\nRUN y\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_PASS);
        start();
        tarball_file(&t, "Dockerfile", "FROM busybox\nCOPY --from=evil.io/x x y\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM --platform=x evil.io/x\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM busybox\nRUN --mount=type=bind,from=evil.io/x y\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        /* What stands in a document is neither a stage nor hides the line behind it. */
        bodies_options(&f)->image_pull.allow_official = false;
        bodies_options(&f)->image_pull.allowed_registries = fake_strs(&f, "good.io");
        start();
        tarball_file(&t, "Dockerfile", "FROM good.io/x\nCOPY <<E /x\nFROM good.io/y AS evil\nE\nFROM evil\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM good.io/x\nCOPY <<'E\\' /x\nE\\\nFROM evil.io/x\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM good.io/x AS a\nCOPY <<E /x\nfrom sys import argv\nE\nFROM a\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_PASS);
        start();
        tarball_file(&t, "Dockerfile", "FROM good.io/x\nCOPY <<${A:-E} /x\nE\n");
        CHECK_INT(upload("POST /build", NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "Dockerfile", "FROM good.io/x\n");
        CHECK_INT(upload("POST /build?t=evil.io/x", NULL, finish()), INSPECT_DENY);
        CHECK_INT(upload("POST /build?cachefrom=%5B%22evil.io/x%22%5D", NULL, finish()), INSPECT_DENY);
        fake_done(&f);
}

#define LOAD "POST /images/load?quiet=1"

static enum inspect_outcome load(void) {
        return upload(LOAD, NULL, finish());
}

static void a_loaded_archive_may_only_bring_allowed_names(void) {
        struct opt_image_load *o = &bodies_options(&f)->image_load;

        fake_init(&f);
        CHECK_INT(upload(LOAD, NULL, SLICE("")), INSPECT_DENY);
        o->allow_official = true;
        start();
        tarball_file(&t, "manifest.json", "[{\"RepoTags\":[\"busybox:1\"]}]");
        CHECK_INT(load(), INSPECT_PASS);
        CHECK_INT(upload(LOAD, NULL, tarball_gzip(tarball_view(&t))), INSPECT_PASS);
        start();
        tarball_file(&t, "manifest.json", "[{\"repotag\xc5\xbf\":[\"evil.io/x\"]}]");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", "[{\"RepoTags\":[\"a//b\"]}]");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", "[{\"RepoTags\":null}]");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", "{}");
        CHECK_INT(load(), INSPECT_FAILED);
        start();
        tarball_file(&t, "x", "y");
        CHECK_INT(load(), INSPECT_DENY);
        CHECK_INT(upload(LOAD, NULL, SLICE("BZh9abcdefghijkl")), INSPECT_FAILED);
        CHECK_INT(upload(LOAD, NULL, SLICE("hello")), INSPECT_FAILED);
        fake_done(&f);
}

static void a_manifest_that_can_be_replaced_is_none(void) {
        static const char good[] = "[{\"RepoTags\":[\"busybox:1\"]}]", bad[] = "[{\"RepoTags\":[\"evil.io/x:1\"]}]";
        struct opt_image_load *o = &bodies_options(&f)->image_load;

        fake_init(&f);
        o->allow_official = true;
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "./manifest.json", bad);
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "m", bad);
        tarball_link(&t, '2', "manifest.json", "m");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "m", bad);
        tarball_link(&t, '1', "manifest.json", "m");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_link(&t, '2', "l", ".");
        tarball_file(&t, "l/manifest.json", bad);
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json ", good);
        tarball_file(&t, "repositories", "{\"evil.io/x\":{\"1\":\"id\"}}");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "repositories", "{\"evil.io/x\":{\"1\":\"id\"}}");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "index.json",
                     "{\"manifests\":[{\"annotations\":{\"io.containerd.image.name\":\"evil.io/x:1\"}}]}");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "manifest.json", good);
        tarball_file(&t, "index.json",
                     "{\"manifests\":[{\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/"
                     "busybox:1\",\"org.opencontainers.image.ref.name\":\"1\"}}]}");
        CHECK_INT(load(), INSPECT_PASS);
        o->allow_untagged = true;
        start();
        tarball_file(&t, "repositories", "{\"evil.io/x\":{\"1\":\"id\"}}");
        CHECK_INT(load(), INSPECT_DENY);
        start();
        tarball_file(&t, "x", "y");
        CHECK_INT(load(), INSPECT_PASS);
        fake_done(&f);
}

#define COPY "PUT /containers/c/archive?path=/app"

static enum inspect_outcome copy(void) {
        return upload(COPY, NULL, finish());
}

static void copies_hold_no_links_out_no_devices_no_setuid(void) {
        struct opt_container_archive *o = &bodies_options(&f)->container_archive;

        fake_init(&f);
        start();
        tarball_file(&t, "a/b", "x");
        tarball_link(&t, '2', "a/l", "../c");
        tarball_link(&t, '2', "e", "");
        tarball_entry(&t, '5', "d/", SLICE(""));
        CHECK_INT(copy(), INSPECT_PASS);
        start();
        tarball_file(&t, "../x", "x");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_file(&t, "/x", "x");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_file(&t, "a\nb", "x");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_file(&t, "a ", "x");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_header(&t, '0', "x", "", 04755, 0);
        CHECK_INT(copy(), INSPECT_DENY);
        o->allow_setid = true;
        CHECK_INT(upload(COPY, NULL, tarball_view(&t)), INSPECT_PASS);
        o->allow_setid = false;
        start();
        tarball_pax(&t, "SCHILY.xattr.security.capability", "x");
        tarball_file(&t, "x", "y");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_header(&t, '4', "x", "", 0644, 0);
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "x", "/etc");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "a/x", "../..");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '1', "a/x", "../y");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "x", ".");
        tarball_link(&t, '2', "x/y", "..");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "t", "d/s/../..");
        tarball_entry(&t, '5', "d", SLICE(""));
        tarball_link(&t, '2', "d/s", ".");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_link(&t, '2', "s", ".");
        tarball_link(&t, '1', "h", "s/y");
        CHECK_INT(copy(), INSPECT_DENY);
        o->allow_escaping_links = true;
        CHECK_INT(upload(COPY, NULL, tarball_view(&t)), INSPECT_PASS);
        fake_done(&f);
}

static void a_copy_goes_where_it_may(void) {
        struct opt_container_archive *o = &bodies_options(&f)->container_archive;

        fake_init(&f);
        o->allowed_paths = fake_strs(&f, "/app");
        start();
        tarball_file(&t, "x", "y");
        CHECK_INT(copy(), INSPECT_PASS);
        CHECK_INT(upload("PUT /containers/c/archive?path=//app/x", NULL, tarball_view(&t)), INSPECT_PASS);
        CHECK_INT(upload("PUT /containers/a/b/archive?path=/etc", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /libpod/containers/c/archive?path=/etc", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive?path=/app/../etc", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive?path=/../app", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive?path=/application", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive?path=+/app", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive?path=/app&path=/etc", NULL, tarball_view(&t)), INSPECT_DENY);
        CHECK_INT(upload("PUT /containers/c/archive", NULL, tarball_view(&t)), INSPECT_PASS);
        fake_done(&f);
}

/* A gzip stream that is a tar, too: its extra field holds a header and two zero blocks. */
static void an_archive_that_is_two_things_is_refused(void) {
        unsigned char *h;

        fake_init(&f);
        start();
        h = tarball_header(&t, '0', "x", "", 0644, 0);
        memcpy(h,
               "\x1f\x8b\x08\x04"
               "aaaaaa",
               10);
        tarball_checksum(h);
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_file(&t, "x", "y");
        tarball_end(&t);
        tarball_file(&t, "z", "y");
        CHECK_INT(copy(), INSPECT_DENY);
        start();
        tarball_file(&t, "x", "y");
        tarball_end(&t);
        memset(t.at + t.n, 0, 4096);
        t.n += 4096;
        CHECK_INT(upload(COPY, NULL, tarball_view(&t)), INSPECT_PASS);
        fake_done(&f);
}

static void a_plugin_is_judged_by_its_one_config(void) {
        fake_init(&f);
#define CREATE "POST /plugins/create?name=x"
        start();
        tarball_file(&t, "config.json", "{\"Network\":{\"Type\":\"bridge\"}}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_PASS);
        start();
        tarball_file(&t, "config.json", "{\"Network\":{\"Type\":\"HOST\"}}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "config.json", "{\"Mounts\":[{\"Source\":\"/\"}]}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "config.json", "{\"Linux\":{\"AllowAllDevices\":true}}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "config.json", "{\"Linux\":{\"Capabilities\":[\"CAP_SYS_ADMIN\"]}}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "config.json", "{}");
        tarball_file(&t, "./config.json", "{\"PidHost\":true}");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "config.json", "{}");
        tarball_link(&t, '2', "config.json", "x");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        start();
        tarball_file(&t, "rootfs/x", "");
        CHECK_INT(upload(CREATE, NULL, finish()), INSPECT_DENY);
        CHECK_INT(upload(CREATE, NULL, SLICE("--B\r\n\r\n...")), INSPECT_FAILED);
        fake_done(&f);
}

/* ---- the reader itself: what is a header, and what is damage ---- */

static enum facts_status status(struct slice body) {
        static const struct walk_request q = { .content_limit = FACTS_CONTENT_MAX };

        memset(&w, 0, sizeof(w));
        walk_run(&w, &q, body);
        return w.status;
}

static void damage_and_foreign_bytes_are_told_apart(void) {
        static char zeros[2048];
        unsigned char *h;
        size_t n;

        CHECK_INT(status(SLICE("")), FACTS_S_END);
        CHECK_INT(status(slice_make(zeros, 511)), FACTS_S_IO);
        CHECK_INT(status(slice_make(zeros, 512)), FACTS_S_END);
        CHECK_INT(status(slice_make(zeros, 600)), FACTS_S_IO);
        CHECK_INT(status(slice_make(zeros, 1024)), FACTS_S_END);
        start();
        memset(t.at, 0, 512);
        t.n = 512;
        tarball_file(&t, "x", "");
        CHECK_INT(status(tarball_view(&t)), FACTS_S_NOT_TAR);
        start();
        tarball_file(&t, "x", "hello");
        CHECK_INT(status(tarball_view(&t)), FACTS_S_END);
        CHECK_INT(status(slice_make((char *) t.at, 512 + 5)), FACTS_S_END); /* padding may be missing */
        CHECK_INT(status(slice_make((char *) t.at, 512 + 4)), FACTS_S_IO);
        CHECK_INT(status(slice_make((char *) t.at, 100)), FACTS_S_IO);
        start();
        h = tarball_header(&t, '0', "x", "", 0644, 0);
        h[0] = 'y';
        CHECK_INT(status(tarball_view(&t)), FACTS_S_NOT_TAR);
        start();
        h = tarball_header(&t, '0', "x", "", 0644, 0);
        h[124] = 'z';
        tarball_checksum(h);
        CHECK_INT(status(tarball_view(&t)), FACTS_S_NOT_TAR);
        /* base-256 sizes: 5, and a negative one */
        start();
        h = tarball_header(&t, '0', "x", "", 0644, 0);
        memset(h + 124, 0, 12);
        h[124] = 0x80;
        h[135] = 5;
        tarball_checksum(h);
        n = t.n;
        tarball_data(&t, SLICE("hello"));
        CHECK_INT(status(tarball_view(&t)), FACTS_S_END);
        memset(t.at + 124, 0xff, 12);
        tarball_checksum(t.at);
        CHECK_INT(status(slice_make((char *) t.at, n)), FACTS_S_NOT_TAR);
        /* links have no data, whatever their size says */
        start();
        tarball_header(&t, '2', "l", "x", 0777, 5);
        tarball_data(&t, SLICE("hello"));
        CHECK_INT(status(tarball_view(&t)), FACTS_S_HDR);
        start();
        tarball_header(&t, '7', "l", "", 0777, 5);
        tarball_data(&t, SLICE("hello"));
        CHECK_INT(status(tarball_view(&t)), FACTS_S_END);
}

static void long_names_and_records_apply_to_the_next_entry(void) {
        struct tar_entry e;
        struct stream *s = &w.stream;
        struct tar *tar = &w.tar;

        memset(&w, 0, sizeof(w));
        start();
        tarball_pax(&t, "path", "from/pax");
        tarball_entry(&t, 'L', "././@LongLink", SLICE("from/gnu\0"));
        tarball_file(&t, "short", "a");
        tarball_file(&t, "plain", "b");
        tarball_pax(&t, "path", "");
        tarball_file(&t, "kept", "c");
        tarball_entry(&t, 'g', "global", SLICE("13 path=evil\n"));
        tarball_file(&t, "untouched", "d");
        tarball_pax(&t, "size", "3");
        tarball_header(&t, '0', "sized", "", 0644, 0);
        tarball_data(&t, SLICE("abc"));
        tarball_pax(&t, "path", "at the end");
        stream_plain(s, tarball_view(&t));
        tar_init(tar, s);
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_STR(e.name, "from/gnu");
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_STR(e.name, "plain");
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_STR(e.name, "kept");
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_STR(e.name, "evil");
        CHECK_INT(e.type, 'g');
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_STR(e.name, "untouched");
        CHECK_INT(tar_next(tar, &e), 1);
        CHECK_INT(e.size, 3);
        CHECK_INT(tar_next(tar, &e), 0);
}

static void bad_records_are_no_headers(void) {
        static const char *const bad[] = { "x",    "5 a=\n6",  "9 path=\0x\n", "10 path=ab",
                                           "4 a=", "7 =abc\n", "0 a=b\n",      "13 mtime=abcd\n" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                start();
                tarball_entry(&t, 'x', "pax", slice_of(bad[i]));
                tarball_file(&t, "x", "");
                CHECK_INT(status(tarball_view(&t)), FACTS_S_NOT_TAR);
        }
}

static void bombs_are_bounded(void) {
        static char zeros[1024 * 1024 * 3];
        static const char *const argv[] = { "-g", "1048576", NULL };
        struct facts facts;

        CHECK_INT(facts_parse(unpack(tarball_gzip(slice_make(zeros, sizeof(zeros))), argv), 0, &facts), 0);
        CHECK_INT(facts.status, FACTS_S_OUTPUT);
        CHECK_INT(facts_parse(unpack(tarball_gzip(slice_make(zeros, 1048576)), argv), 0, &facts), 0);
        CHECK_INT(facts.status, FACTS_S_END);
        start();
        tarball_header(&t, 'x', "pax", "", 0644, TAR_SPECIAL_MAX + 1);
        CHECK_INT(status(tarball_view(&t)), FACTS_S_LONG);
}

static void facts_that_are_not_exact_are_refused(void) {
        static const char *const argv[] = { "-r", "--", "Dockerfile", NULL };
        static char text[4096];
        struct facts facts;
        struct slice s;

        start();
        tarball_file(&t, "Dockerfile", "FROM x\n");
        s = unpack(finish(), argv);
        CHECK_INT(facts_parse(s, 1, &facts), 0);
        CHECK_STR(facts.watch[0].content, "FROM x\n");
        CHECK_INT(facts_parse(s, 0, &facts), -EBADMSG);
        CHECK_INT(facts_parse(s, 2, &facts), -EBADMSG);
        for (size_t i = 0; i < s.len; i++)
                CHECK_INT(facts_parse(slice_upto(s, i), 1, &facts), -EBADMSG);
        memcpy(text, s.at, s.len);
        text[s.len] = '\n';
        CHECK_INT(facts_parse(slice_make(text, s.len + 1), 1, &facts), -EBADMSG);
}

CHECK_MAIN(CHECK_TEST(a_build_is_judged_by_its_dockerfile), CHECK_TEST(podman_finds_its_dockerfile_by_other_names),
           CHECK_TEST(a_build_argument_names_no_frontend), CHECK_TEST(a_dockerfile_that_can_be_replaced_is_none),
           CHECK_TEST(a_body_is_read_by_its_first_bytes_not_by_its_type),
           CHECK_TEST(builds_that_may_run_are_not_looked_into),
           CHECK_TEST(a_loaded_archive_may_only_bring_allowed_names),
           CHECK_TEST(a_manifest_that_can_be_replaced_is_none),
           CHECK_TEST(copies_hold_no_links_out_no_devices_no_setuid), CHECK_TEST(a_copy_goes_where_it_may),
           CHECK_TEST(an_archive_that_is_two_things_is_refused), CHECK_TEST(a_plugin_is_judged_by_its_one_config),
           CHECK_TEST(damage_and_foreign_bytes_are_told_apart),
           CHECK_TEST(long_names_and_records_apply_to_the_next_entry), CHECK_TEST(bad_records_are_no_headers),
           CHECK_TEST(bombs_are_bounded), CHECK_TEST(facts_that_are_not_exact_are_refused))
