/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/common.h"
#include "ctl/units.h"

#define UNIT_MAX (64u * 1024) /* bytes of a unit file */

enum {
        FLAG_DIR,
        FLAG_DIFF,
        FLAG_POOL,
        FLAG_IMAGE,
        FLAG_USER,
        FLAG_GROUP,
        FLAG_CONNECTIONS,
        FLAG_PER_SOURCE,
        FLAG_UNKNOWN
};

static const struct verb_flag flags[] = {
        [FLAG_DIR] = { .name = "dir",
                       .letter = 'd',
                       .value = "DIR",
                       .help = "where the units go (default /etc/systemd/system)" },
        [FLAG_DIFF] = { .name = "diff", .help = "only show what would change; status 1 if anything would" },
        [FLAG_POOL] = { .name = "pool",
                        .help = "filters that wait for connections (Accept=no) instead of one started for each" },
        [FLAG_IMAGE] = { .name = "image",
                         .value = "PATH",
                         .help = "policy image that the filters read (default /run/sockguard/policy)" },
        [FLAG_USER] = { .name = "user", .value = "USER", .help = "user of the filters (default sockguard-filter)" },
        [FLAG_GROUP] = { .name = "group",
                         .value = "GROUP",
                         .help = "their supplementary group, for the daemon's socket (default docker)" },
        [FLAG_CONNECTIONS] = { .name = "connections",
                               .value = "N",
                               .help = "connections at a time of a listener (default 1024)" },
        [FLAG_PER_SOURCE] = { .name = "per-source",
                              .value = "N",
                              .help = "of them from one address or user (default 512)" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

/* One file of the wanted state. */
struct unit {
        char name[160];
        struct strbuf text;
        bool keep; /* it is wanted, so not a left-over */
};

#define UNITS_MOST 80u /* two a listener, and their left-overs are looked for in the directory */

struct units {
        const char *dir;
        bool diff_only;
        struct unit at[UNITS_MOST];
        size_t n;
        unsigned changes;
};

/*
 * The file's text. 1; 0 there is none; -EISDIR and the like. A link (a masked unit is one to /dev/null) and a file that
 * is larger than any of ours count as a text that is not ours.
 */
static int read_file(int dir, const char *name, struct strbuf *ret) {
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        ssize_t n = 0;
        char *at;

        if (fd < 0 && errno == ELOOP)
                return strbuf_adds(ret, "a link"), 1;
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        do {
                at = strbuf_reserve(ret, 4096);
                n = at ? read(fd, at, 4096) : 0;
                if (n > 0)
                        ret->len += (size_t) n;
        } while (n > 0);
        if (n < 0)
                n = -errno;
        close(fd);
        if (!at)
                strbuf_reset(ret);
        return n < 0 ? (int) n : 1;
}

static int write_file(int dir, const char *name, struct slice text) {
        char temporary[192];
        int fd, r = 0;

        snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int) getpid());
        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;
        while (text.len > 0 && r == 0) {
                ssize_t n = write(fd, text.at, text.len);

                if (n < 0 && errno != EINTR)
                        r = -errno;
                else if (n > 0)
                        text = slice_from(text, (size_t) n);
        }
        if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && renameat(dir, temporary, dir, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir, temporary, 0);
        return r;
}

static bool is_ours(struct slice text) {
        return slice_starts(text, SLICE(UNITS_MARK));
}

/* Brings one file to `wanted` (empty: away). 0, or an exit status. */
static int apply(struct units *u, int dir, const char *name, struct slice wanted) {
        _cleanup_strbuf_ struct strbuf have, diff;
        char path[4400];
        int r;

        strbuf_init(&have, UNIT_MAX);
        strbuf_init(&diff, 4 * UNIT_MAX);
        snprintf(path, sizeof(path), "%s/%s", u->dir, name);
        r = read_file(dir, name, &have);
        if (r < 0) {
                verb_fail("read %s: %s", path, strerror(-r));
                return 1;
        }
        if (r == 1 && !is_ours(strbuf_view(&have))) {
                if (wanted.len == 0)
                        return 0;
                verb_fail("%s exists and was not written by `sockguard-ctl units`: move it away first", path);
                return 1;
        }
        if (slice_eq(strbuf_view(&have), wanted))
                return 0;

        u->changes++;
        text_diff(strbuf_view(&have), wanted, path, &diff);
        if (u->diff_only) {
                fwrite(diff.at, 1, diff.len, stdout);
                return 0;
        }
        r = wanted.len > 0 ? write_file(dir, name, wanted) : unlinkat(dir, name, 0) < 0 ? -errno : 0;
        if (r < 0) {
                verb_fail("%s %s: %s", wanted.len > 0 ? "write" : "remove", path, strerror(-r));
                return 1;
        }
        printf("%s %s\n", wanted.len == 0 ? "removed" : have.len > 0 ? "changed" : "wrote", path);
        return 0;
}

static bool is_wanted(const struct units *u, const char *name) {
        for (size_t i = 0; i < u->n; i++)
                if (strcmp(u->at[i].name, name) == 0)
                        return true;
        return false;
}

/* Units of listeners that are gone, or of the other way (pool or not), are ours to take away. */
static int remove_left_overs(struct units *u, int dir) {
        char found[UNITS_MOST][160];
        struct dirent *d;
        size_t n = 0;
        DIR *list = opendir(u->dir);
        int r = 0;

        if (!list)
                return 0; /* --diff before the directory exists */
        while ((d = readdir(list)) && n < UNITS_MOST) {
                struct slice name = slice_of(d->d_name);

                if (name.len < sizeof(found[0]) && slice_starts(name, SLICE("sockguard")) &&
                    (slice_ends(name, SLICE(".socket")) || slice_ends(name, SLICE(".service"))) &&
                    !is_wanted(u, d->d_name))
                        memcpy(found[n++], d->d_name, name.len + 1);
        }
        closedir(list);
        for (size_t i = 0; i < n && r == 0; i++)
                r = apply(u, dir, found[i], SLICE(""));
        return r;
}

static struct unit *add(struct units *u, const char *stem, const char *suffix) {
        struct unit *unit = &u->at[u->n++];

        snprintf(unit->name, sizeof(unit->name), "%s%s", stem, suffix);
        strbuf_init(&unit->text, UNIT_MAX);
        return unit;
}

static int describe(struct units *u, const struct policy *p, const struct unit_choice *choice) {
        const struct policy_listener *at = policy_list(p, p->compiled->listeners, struct policy_listener);
        struct error e;

        for (uint32_t i = 0; i < p->compiled->listeners.n && u->n + 2 <= UNITS_MOST; i++) {
                char stem[128];

                unit_stem(p, policy_str(p, at[i].name), stem);
                if (unit_socket(p, i, choice, &add(u, stem, ".socket")->text, &e) < 0 ||
                    unit_service(p, i, choice, &add(u, stem, choice->pool ? "-pool.service" : "@.service")->text, &e) <
                            0) {
                        verb_fail("%s", e.text);
                        return 1;
                }
        }
        return 0;
}

/* 1..most, or 0 when the text is no such number. */
static unsigned number(const char *text, unsigned otherwise, unsigned most) {
        uint64_t v;

        if (!text)
                return otherwise;
        return slice_parse_u64(slice_of(text), &v) == 0 && v <= most ? (unsigned) v : 0;
}

static int write_all(struct units *u) {
        int dir, r = 0;

        dir = open(u->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0) {
                verb_fail("open %s: %s", u->dir, strerror(errno));
                return 1;
        }
        for (size_t i = 0; i < u->n && r == 0; i++)
                r = apply(u, dir, u->at[i].name, strbuf_view(&u->at[i].text));
        if (r == 0)
                r = remove_left_overs(u, dir);
        close(dir);
        if (r != 0)
                return r;
        if (u->diff_only)
                return u->changes > 0;
        if (u->changes > 0)
                puts("Now: systemctl daemon-reload, and enable the .socket units.");
        return 0;
}

static int run(const struct verb_args *args) {
        static struct units u;
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text;
        struct unit_choice choice = {
                .image = args->value[FLAG_IMAGE] ? args->value[FLAG_IMAGE] : "/run/sockguard/policy",
                .user = args->value[FLAG_USER] ? args->value[FLAG_USER] : "sockguard-filter",
                .group = args->value[FLAG_GROUP] ? args->value[FLAG_GROUP] : "docker",
                .pool = args->value[FLAG_POOL] != NULL,
                .connections = number(args->value[FLAG_CONNECTIONS], 1024, 65536),
                .per_source = number(args->value[FLAG_PER_SOURCE], 512, 65536),
        };
        struct policy policy;
        struct slice image;
        struct error e;
        int r;

        strbuf_init(&text, 1u << 20);
        source.unusable_keys_ok = true;
        source.must_exist = true;
        source.docker_host = true;
        if (choice.connections == 0 || choice.per_source == 0)
                return verb_fail("--connections and --per-source take a number from 1 to 65536");
        if (args->argc > 0)
                return verb_fail("unexpected argument \"%s\"", args->argv[0]);
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (r == 0)
                r = config_compile(c, 0, &image);
        if (r < 0) {
                if (c)
                        ctl_describe(config_problems(c), &text);
                verb_fail("%.*s", SLICE_ARG(text.len ? strbuf_view(&text) : slice_of(strerror(-r))));
                return 1;
        }
        if (policy_image_view(image.at, image.len, &policy, &e) < 0) {
                verb_fail("%s", e.text);
                return 1;
        }
        u = (struct units){ .dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/etc/systemd/system",
                            .diff_only = args->value[FLAG_DIFF] != NULL };
        r = describe(&u, &policy, &choice);
        if (r == 0)
                r = write_all(&u);
        for (size_t i = 0; i < u.n; i++)
                strbuf_free(&u.at[i].text);
        return r;
}

const struct verb verb_units = {
        .name = "units", .summary = "write the systemd units of the configured listeners", VERB_FLAGS(flags), .run = run
};
