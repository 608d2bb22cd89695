/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/common.h"
#include "ctl/companion.h"
#include "ctl/view.h"
#include "filter/companion.h"
#include "filter/endpoint.h"

extern char **environ;

/*
 * sockguard-ctl doctor: looks at everything an installation needs and says what is wrong with it and what to do. Each
 * check is a row; it prints its findings itself. Nothing is changed.
 */

enum { FLAG_DIR, FLAG_UNKNOWN };

static const struct verb_flag flags[] = {
        [FLAG_DIR] = { .name = "runtime-dir", .value = "DIR", .help = "of the companion (default /run/sockguard)" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

struct doctor {
        const struct verb_args *args;
        const char *dir;
        struct config *config; /* NULL when it could not be loaded */
        struct policy image;   /* base NULL when there is none */
        unsigned warnings, errors;
};

static void say(const char *mark, const char *format, va_list ap) {
        printf("  %s ", mark);
        vprintf(format, ap);
        putchar('\n');
}

static void good(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void doubtful(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void bad(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define SAY(mark, format) \
        do { \
                va_list ap; \
                va_start(ap, format); \
                say(mark, format, ap); \
                va_end(ap); \
        } while (0)

static void good(struct doctor *d, const char *format, ...) {
        (void) d;
        SAY("✓", format);
}
static void doubtful(struct doctor *d, const char *format, ...) {
        d->warnings++;
        SAY("!", format);
}
static void bad(struct doctor *d, const char *format, ...) {
        d->errors++;
        SAY("✗", format);
}

/* ---- programs ---- */

static void check_program(struct doctor *d, const char *variable, const char *path, bool needed, const char *job) {
        const char *other = getenv(variable);
        struct stat st;

        if (other && other[0] == '/')
                path = other;
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0) {
                if (needed)
                        bad(d, "%s cannot be executed (%s): %s", path, strerror(errno ? errno : EACCES), job);
                else
                        doubtful(d, "%s is not there: %s", path, job);
        } else if (st.st_mode & (S_IWOTH | S_ISUID | S_ISGID))
                bad(d, "%s has mode %04o: nobody but its owner should write it, and it needs no setuid bit", path,
                    st.st_mode & 07777u);
        else
                good(d, "%s", path);
}

static void check_programs(struct doctor *d) {
        char tls[512], unpack[512];
        const char *libexec = getenv("SOCKGUARD_LIBEXEC");

        if (!libexec || libexec[0] != '/')
                libexec = SOCKGUARD_LIBEXECDIR;
        snprintf(tls, sizeof(tls), "%s/sockguard-tls", libexec);
        snprintf(unpack, sizeof(unpack), "%s/sockguard-unpack", libexec);
        check_program(d, "SOCKGUARD_FILTER", SOCKGUARD_BINDIR "/sockguard-filter", true, "nothing can be served");
        check_program(d, "SOCKGUARD_TLS", tls, false, "TLS listeners and TLS daemons will not work");
        check_program(d, "SOCKGUARD_UNPACK", unpack, false,
                      "builds, image loads and copies into containers will be denied");
}

/* ---- configuration ---- */

static void check_configuration(struct doctor *d) {
        struct config_source source = ctl_source(d->args, d->args->value[FLAG_UNKNOWN] != NULL);
        const struct problems *list;
        struct stat st;
        int r;

        source.docker_host = true;
        r = config_load(&source, &d->config);
        if (d->config && r == 0)
                r = config_check(d->config);
        if (!d->config)
                return bad(d, "%s: %s", source.path, strerror(-r));
        list = config_problems(d->config);
        for (size_t i = 0; i < list->n; i++) {
                _cleanup_strbuf_ struct strbuf line;

                strbuf_init(&line, 8192);
                problem_format(&list->at[i], &line);
                if (list->at[i].warning)
                        doubtful(d, "%.*s", SLICE_ARG(strbuf_view(&line)));
                else
                        bad(d, "%.*s", SLICE_ARG(strbuf_view(&line)));
        }
        if (stat(source.path, &st) == 0 && (st.st_mode & S_IWOTH))
                bad(d, "everybody may write %s: chmod o-w it", source.path);
        if (r < 0) {
                config_free(d->config);
                d->config = NULL;
        } else
                good(d, "%s is valid: %u rules, %u profiles", source.path, config_root(d->config)->rules.n,
                     config_root(d->config)->clients.profiles.n);
}

/* ---- runtime directory ---- */

static void check_file(struct doctor *d, const char *name, mode_t most) {
        char path[512];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", d->dir, name);
        if (lstat(path, &st) < 0)
                bad(d, "%s: %s", path, strerror(errno));
        else if (st.st_mode & 07777 & ~most)
                bad(d, "%s has mode %04o, should be %04o at most", path, st.st_mode & 07777u, most);
        else if (st.st_uid != geteuid() && geteuid() != 0 && st.st_gid != getegid())
                doubtful(d, "%s belongs to uid %u, gid %u", path, st.st_uid, st.st_gid);
        else
                good(d, "%s, mode %04o, uid %u, gid %u", path, st.st_mode & 07777u, st.st_uid, st.st_gid);
}

static void check_image(struct doctor *d) {
        char path[512];
        struct error e;
        uint8_t sum[32];
        int fd, r;

        snprintf(path, sizeof(path), "%s/policy", d->dir);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return bad(d, "%s: %s; without it every request is refused with 503", path, strerror(errno));
        r = policy_image_map(fd, &d->image, &e);
        close(fd);
        if (r < 0)
                return bad(d, "%s: %s", path, e.text);
        good(d, "policy image: generation %llu, %zu bytes, system call filter of %u instructions",
             (unsigned long long) d->image.header->generation, d->image.size, d->image.header->seccomp.n);
        if (d->image.header->seccomp.n == 0)
                doubtful(d, "the image has no system call filter: filters run without one");
        if (!d->config)
                return;
        config_sha256(d->config, sum);
        if (memcmp(sum, d->image.header->source_sha256, sizeof(sum)) != 0)
                doubtful(d, "the configuration on disk is not the one in force (or flags and environment of the "
                            "companion differ)");
}

static void check_state(struct doctor *d) {
        struct companion_answer a = { 0 };
        struct state s;
        struct error e;
        struct arena arena;
        int r;

        if (state_attach(d->dir, &s, &e) < 0)
                return bad(d, "%s", e.text);
        good(d, "shared state: layout %u, %zu bytes, generation %llu", STATE_LAYOUT, sizeof(struct state_map),
             (unsigned long long) state_generation(&s));
        if (d->image.base && d->image.header->generation != state_generation(&s))
                doubtful(d,
                         "the image is generation %llu and the state says %llu: a reload was interrupted; the "
                         "companion's next start settles it",
                         (unsigned long long) d->image.header->generation, (unsigned long long) state_generation(&s));
        if (state_get(&s.map->h.lease_overflow))
                doubtful(d, "%llu requests were not counted: more than %u connections at a time",
                         (unsigned long long) state_get(&s.map->h.lease_overflow), STATE_LEASES);
        if (state_get(&s.map->h.series_overflow))
                doubtful(d, "%llu samples had no series of their own",
                         (unsigned long long) state_get(&s.map->h.series_overflow));
        if (state_get(&s.map->h.log_dropped))
                doubtful(d, "%llu records were lost: whatever reads the log is too slow, or its disk is full",
                         (unsigned long long) state_get(&s.map->h.log_dropped));
        if (state_get(&s.map->h.aborted))
                doubtful(d, "%llu filters died during a request: the log has \"filter died during a request\" for each",
                         (unsigned long long) state_get(&s.map->h.aborted));
        state_detach(&s);
        arena_init(&arena, 1u << 20, NULL);
        r = companion_ask(d->dir, CONTROL_VERSION, 0, SLICE(""), deadline_in(NSEC_PER_SEC), &arena, &a);
        if (r < 0)
                bad(d, "the companion does not answer at %s/control: %s; /health says 503, reloads do not happen",
                    d->dir, strerror(-r));
        else
                good(d, "the companion answers");
        arena_free(&arena);
}

static void check_runtime(struct doctor *d) {
        struct statfs fs;
        struct stat st;

        if (stat(d->dir, &st) < 0)
                return bad(d, "%s: %s; is `sockguard-ctl run` or `serve` running?", d->dir, strerror(errno));
        if (st.st_mode & S_IWOTH)
                bad(d, "everybody may write into %s: chmod o-w it", d->dir);
        if (statfs(d->dir, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
                doubtful(d, "%s is not on a tmpfs: every counter is written back to a disk", d->dir);
        check_file(d, "policy", 0660);
        check_file(d, "state", 0660);
        check_file(d, "leases", 0660);
        check_file(d, "control", 0660);
        check_image(d);
        check_state(d);
}

/* ---- listeners ---- */

static void check_listener(struct doctor *d, const struct policy *p, struct slice called, struct pstr socket,
                           struct pstr tcp, mode_t wanted) {
        struct listener l = { .tcp = socket.len == 0 };
        struct slice address = policy_str(p, l.tcp ? tcp : socket);
        char name[VIEW_NAME];
        struct stat st;

        view_text(name, sizeof(name), called);
        view_text(l.address, sizeof(l.address), address);
        if (!board_listens(&l)) {
                bad(d, "listener %s: nobody listens at %s", name, l.address);
                return;
        }
        good(d, "listener %s: %s%s", name, l.tcp ? "tcp://" : "unix:", l.address);
        if (l.tcp || stat(l.address, &st) < 0)
                return;
        if (st.st_mode & 0777 & ~wanted)
                doubtful(d, "%s has mode %04o, the configuration says %04o: a socket unit sets its own (SocketMode=)",
                         l.address, st.st_mode & 0777u, wanted);
        if (st.st_mode & S_IWOTH)
                bad(d, "everybody on this host may connect to %s", l.address);
}

static mode_t wanted_mode(const struct policy *p, struct slice name) {
        const struct opt_listener *at = policy_list(p, p->root->listeners, struct opt_listener);
        struct slice mode = policy_str(p, p->root->listen.socket_mode);

        for (uint32_t i = 0; i < p->root->listeners.n; i++)
                if (slice_eq(policy_str(p, at[i].name), name))
                        mode = policy_str(p, at[i].socket_mode);
        return slice_eq(mode, SLICE("0660")) ? 0660 : 0600;
}

static void check_listeners(struct doctor *d) {
        const struct policy *p = &d->image;
        const struct policy_listener *at;
        const struct opt_admin *admin;

        if (!p->base)
                return doubtful(d, "no policy image to read the listeners from");
        admin = &p->root->admin;
        at = policy_list(p, p->compiled->listeners, struct policy_listener);
        for (uint32_t i = 0; i < p->compiled->listeners.n; i++)
                check_listener(d, p, policy_str(p, at[i].name), at[i].socket, at[i].address,
                               wanted_mode(p, policy_str(p, at[i].name)));
        if (admin->enabled && (admin->listen.socket.len || admin->listen.address.len))
                check_listener(d, p, SLICE("admin"), admin->listen.socket, admin->listen.address,
                               slice_eq(policy_str(p, admin->listen.socket_mode), SLICE("0660")) ? 0660 : 0600);
}

/* ---- daemon ---- */

static void check_daemon(struct doctor *d) {
        const struct policy *p = &d->image;
        const struct policy_endpoint *at;

        if (!p->base)
                return doubtful(d, "no policy image to read the daemon's address from");
        at = policy_list(p, p->compiled->endpoints, struct policy_endpoint);
        for (uint32_t i = 0; i < p->compiled->endpoints.n; i++) {
                char name[256], path[256];
                struct error e = { "" };
                struct stat st;

                view_text(name, sizeof(name), policy_str(p, at[i].display));
                if (endpoint_probe(p, i, deadline_in(3 * NSEC_PER_SEC), &e) < 0)
                        bad(d, "daemon %s: %s", name, e.text);
                else
                        good(d, "daemon %s answers", name);
                if (at[i].kind != ENDPOINT_UNIX)
                        continue;
                view_text(path, sizeof(path), policy_str(p, at[i].path));
                if (stat(path, &st) == 0 && (st.st_mode & S_IWOTH))
                        bad(d, "everybody on this host may connect to %s and go around Sockguard: chmod o-w it", path);
                else if (stat(path, &st) == 0 && (st.st_mode & S_IWGRP) && st.st_gid != 0)
                        doubtful(d, "members of group %u connect to %s directly: they are not filtered", st.st_gid,
                                 path);
        }
}

/* ---- how filters are started, and where their records go (DECISIONS 10) ---- */

static bool file_mentions(const char *path, const char *word, char *ret_line, size_t room, const char *key) {
        char line[1024];
        FILE *f = fopen(path, "re");
        bool found = false;

        if (ret_line)
                ret_line[0] = '\0';
        if (!f)
                return false;
        while (fgets(line, sizeof(line), f)) {
                line[strcspn(line, "\n")] = '\0';
                if (line[0] == '#')
                        continue;
                if (strstr(line, word))
                        found = true;
                if (ret_line && key && strncmp(line, key, strlen(key)) == 0)
                        view_text(ret_line, room, slice_of(line + strlen(key)));
        }
        fclose(f);
        return found;
}

/* How many files of the kind the visitor took for ours. */
static unsigned each_file(const char *directory, const char *prefix, const char *suffix,
                          bool (*visit)(struct doctor *d, const char *path), struct doctor *d) {
        DIR *o = opendir(directory);
        struct dirent *e;
        unsigned n = 0;

        if (!o)
                return 0;
        while ((e = readdir(o))) {
                struct slice name = slice_of(e->d_name);
                char path[1024];

                if (!slice_starts(name, slice_of(prefix)) || !slice_ends(name, slice_of(suffix)) || e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
                n += visit(d, path);
        }
        closedir(o);
        return n;
}

static bool visit_service(struct doctor *d, const char *path) {
        char error[128];

        if (!file_mentions(path, "sockguard-filter", error, sizeof(error), "StandardError="))
                return false;
        if (strcmp(error, "socket") == 0)
                bad(d, "%s sends records into the client's connection: StandardError=journal", path);
        else if (file_mentions(path, "StandardInput=socket", NULL, 0, NULL) && error[0] == '\0')
                bad(d, "%s has StandardInput=socket and no StandardError=: set StandardError=journal", path);
        else
                good(d, "%s", path);
        return true;
}

static bool visit_socket(struct doctor *d, const char *path) {
        char most[64];
        bool accept = file_mentions(path, "Accept=yes", most, sizeof(most), "MaxConnections=");

        if (accept && most[0] == '\0')
                doubtful(d, "%s sets no MaxConnections=: systemd stops at 64 connections", path);
        else
                good(d, "%s", path);
        return true;
}

static bool visit_xinetd(struct doctor *d, const char *path) {
        if (!file_mentions(path, "sockguard", NULL, 0, NULL))
                return false;
        if (access("/dev/log", W_OK) < 0)
                doubtful(d,
                         "%s: inetd makes descriptor 2 the client's connection and there is no /dev/log: records go "
                         "nowhere",
                         path);
        else
                good(d, "%s: records go to syslog, for descriptor 2 is the client's connection", path);
        return true;
}

static void check_starters(struct doctor *d) {
        static const char *const units[] = { "/etc/systemd/system", "/run/systemd/system",
                                             "/usr/local/lib/systemd/system", "/usr/lib/systemd/system" };
        unsigned n = 0;

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                n += each_file(units[i], "sockguard", ".service", visit_service, d);
                n += each_file(units[i], "sockguard", ".socket", visit_socket, d);
        }
        n += each_file("/etc/xinetd.d", "", "", visit_xinetd, d);
        if (n == 0)
                good(d, "no units and no inetd entries: `sockguard-ctl serve` starts the filters");
}

/* ---- kernel ---- */

static void check_kernel(struct doctor *d) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        char path[] = "/tmp/sockguard-doctor-XXXXXX";
        uint32_t action = SECCOMP_RET_KILL_PROCESS;
        int fd = mkstemp(path);

        if (fd >= 0) {
                unlink(path);
                if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
                        bad(d, "no open file description locks: concurrency limits cannot be kept: %s",
                            strerror(errno));
                else
                        good(d, "open file description locks");
                close(fd);
        }
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
                bad(d, "no system call filters (CONFIG_SECCOMP_FILTER): filters cannot confine themselves");
        else
                good(d, "system call filters");
}

static const struct {
        const char *title;
        void (*run)(struct doctor *d);
} checks[] = {
        { "Programs", check_programs },
        { "Configuration", check_configuration },
        { "Runtime directory", check_runtime },
        { "Listeners", check_listeners },
        { "Daemon", check_daemon },
        { "Units", check_starters },
        { "Kernel", check_kernel },
};

static int run(const struct verb_args *args) {
        struct doctor d = { .args = args, .dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard" };

        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
                printf("%s\n", checks[i].title);
                checks[i].run(&d);
        }
        printf("\n%u error%s, %u warning%s\n", d.errors, d.errors == 1 ? "" : "s", d.warnings,
               d.warnings == 1 ? "" : "s");
        if (d.image.base)
                policy_image_unmap(&d.image);
        config_free(d.config);
        return d.errors ? 1 : 0;
}

const struct verb verb_doctor = {
        .name = "doctor", .summary = "look for what is wrong with this installation", VERB_FLAGS(flags), .run = run
};
