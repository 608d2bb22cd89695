/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/companion.h"

/*
 * Notices that the configuration file may have become another one. Every directory that the way to the file leads
 * through is watched for the one name that counts in it, symbolic links followed step by step: so a ConfigMap, whose
 * files are links over
 * `..data` into a directory that is replaced, is seen to change (chapter 06, 3.2).
 */

#define DIRECTORIES_MAX 64u
#define LINKS_MAX 40u

struct watched {
        int id;
        char name[NAME_MAX + 1];
};

struct stamp {
        bool known;
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime, ctime;
};

struct watch {
        struct companion *c;
        void (*changed)(struct companion *c);
        char path[PATH_MAX]; /* absolute, lexically clean enough for a walk */
        int fd;
        sd_event_source *io;
        struct watched at[DIRECTORIES_MAX];
        size_t n;
        struct stamp seen, polled;
};

static struct stamp stamp_of(const char *path) {
        struct stat st;
        struct stamp s = { 0 };

        if (stat(path, &st) < 0)
                return s;
        s = (struct stamp){ true, st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
        return s;
}

static bool same_time(struct timespec a, struct timespec b) {
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct stamp *a, const struct stamp *b) {
        return a->known == b->known && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
               same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}

static void watch_name(struct watch *w, const char *directory, const char *name) {
        const uint32_t mask =
                IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;
        int id;

        if (w->n == DIRECTORIES_MAX || strlen(name) > NAME_MAX)
                return;
        id = inotify_add_watch(w->fd, *directory ? directory : "/", mask);
        if (id < 0)
                return;
        w->at[w->n].id = id;
        snprintf(w->at[w->n].name, sizeof(w->at[w->n].name), "%s", name);
        w->n++;
}

/* Walks the path as the kernel would and watches each name on the way. */
static void walk(struct watch *w) {
        char done[PATH_MAX] = "", left[PATH_MAX], name[NAME_MAX + 1], target[PATH_MAX];
        unsigned links = 0;

        snprintf(left, sizeof(left), "%s", w->path);
        while (left[0]) {
                size_t skip = strspn(left, "/"), n = strcspn(left + skip, "/");
                char here[PATH_MAX];
                struct stat st;
                ssize_t k;

                if (n == 0)
                        return;
                if (n > NAME_MAX)
                        return;
                memcpy(name, left + skip, n);
                name[n] = '\0';
                memmove(left, left + skip + n, strlen(left + skip + n) + 1);
                if (strcmp(name, ".") == 0)
                        continue;
                if (strcmp(name, "..") == 0) {
                        char *slash = strrchr(done, '/');

                        if (slash)
                                *slash = '\0';
                        continue;
                }
                watch_name(w, done, name);
                if ((size_t) snprintf(here, sizeof(here), "%s/%s", done, name) >= sizeof(here) || lstat(here, &st) < 0)
                        return;
                if (!S_ISLNK(st.st_mode)) {
                        snprintf(done, sizeof(done), "%s", here);
                        continue;
                }
                k = readlink(here, target, sizeof(target) - 1);
                if (k <= 0 || ++links > LINKS_MAX)
                        return;
                target[k] = '\0';
                if (target[0] == '/')
                        done[0] = '\0';
                if ((size_t) snprintf(here, sizeof(here), "%s%s", target, left) >= sizeof(here))
                        return;
                snprintf(left, sizeof(left), "%s", here);
        }
}

static void rewatch(struct watch *w) {
        for (size_t i = 0; i < w->n; i++)
                inotify_rm_watch(w->fd, w->at[i].id);
        w->n = 0;
        walk(w);
}

static bool is_ours(const struct watch *w, const struct inotify_event *e) {
        if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
                return true;
        for (size_t i = 0; i < w->n; i++)
                if (w->at[i].id == e->wd && e->len && strcmp(w->at[i].name, e->name) == 0)
                        return true;
        return false;
}

static int on_event(sd_event_source *s, int fd, uint32_t events, void *arg) {
        struct watch *w = arg;
        char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool ours = false;
        struct stamp now;
        ssize_t n;

        (void) s;
        (void) events;
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                for (char *at = buffer; at < buffer + n;) {
                        const struct inotify_event *e = (const struct inotify_event *) at;

                        ours = ours || is_ours(w, e);
                        at += sizeof(*e) + e->len;
                }
        if (!ours)
                return 0;
        rewatch(w);
        now = stamp_of(w->path);
        /* That it is gone is no reason to reload; what comes in its place is. */
        if (!now.known || same(&now, &w->seen))
                return 0;
        w->seen = now;
        w->changed(w->c);
        return 0;
}

int watch_new(struct companion *c, const char *path, void (*changed)(struct companion *c), struct watch **ret,
              struct error *e) {
        struct watch *w = calloc(1, sizeof(*w));
        char cwd[PATH_MAX] = "";
        int r;

        if (!w)
                return error_errno(e, -ENOMEM, "cannot watch %s", path);
        w->c = c;
        w->changed = changed;
        if (path[0] != '/' && !getcwd(cwd, sizeof(cwd) - 1))
                cwd[0] = '\0';
        if ((size_t) snprintf(w->path, sizeof(w->path), "%s%s%s", cwd, cwd[0] ? "/" : "", path) >= sizeof(w->path)) {
                free(w);
                return error_set(e, -ENAMETOOLONG, "cannot watch %s", path);
        }
        w->seen = w->polled = stamp_of(w->path);
        w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        r = w->fd < 0 ? -errno : sd_event_add_io(c->event, &w->io, w->fd, EPOLLIN, on_event, w);
        if (r >= 0) {
                walk(w);
                r = w->n ? 0 : -ENOENT;
        }
        *ret = w; /* polling works without the watch */
        return r < 0 ? error_errno(e, r, "cannot watch %s", w->path) : 0;
}

bool watch_poll(struct watch *w) {
        struct stamp now = stamp_of(w->path);
        bool changed;

        if (!now.known)
                return false;
        changed = w->polled.known && (now.ino != w->polled.ino || now.dev != w->polled.dev ||
                                      now.size != w->polled.size || !same_time(now.mtime, w->polled.mtime));
        w->polled = now;
        /* The watch has told of it already. */
        if (changed && w->fd >= 0 && same(&now, &w->seen))
                return false;
        w->seen = now;
        return changed;
}

const char *watch_path(const struct watch *w) {
        return w->path;
}

void watch_free(struct watch *w) {
        if (!w)
                return;
        w->io = sd_event_source_disable_unref(w->io);
        if (w->fd >= 0)
                close(w->fd);
        free(w);
}
