/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inspect/common.h"

enum answer { INSIDE, OUTSIDE, UNKNOWN };

static int open_path(const char *path) {
        /* No magic links: /proc/PID/root is not the file system that the daemon would see there. */
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
        long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

        if (fd >= 0)
                return (int) fd;
        if (errno != ENOSYS)
                return -errno;
        /* An old kernel, or a sandbox such as systemd's RestrictSUIDSGID=yes. What we may not look at can then be a
         * magic link. */
        fd = open(path, O_PATH | O_CLOEXEC);
        return fd >= 0 ? (int) fd : errno == EACCES || errno == EPERM ? -ELOOP : -errno;
}

/* The path of an open file, without symbolic links: the kernel's word. */
static int real_path(int fd, char ret[static PATH_MAX]) {
        char link[40];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, ret, PATH_MAX - 1);
        if (n <= 0)
                return n < 0 ? -errno : -ENOENT;
        ret[n] = '\0';
        return 0;
}

/* Is the real path below one of the entries that `path` is below, once that entry's own links are followed? */
static bool within_real_entry(const struct inspect_input *in, struct slice real, struct slice path, struct plist list) {
        const struct pstr *entries = policy_list(in->policy, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++) {
                struct slice e = policy_str(in->policy, entries[i]), r;
                char text[PATH_MAX], root[PATH_MAX];
                int fd;

                if (e.len >= sizeof(text) || !slice_starts(path, e) || (path.len > e.len && path.at[e.len] != '/'))
                        continue;
                memcpy(text, e.at, e.len);
                text[e.len] = '\0';
                fd = open_path(text);
                if (fd < 0)
                        continue;
                r = real_path(fd, root) == 0 ? slice_of(root) : SLICE("");
                close(fd);
                if (r.len && slice_starts(real, r) && (real.len == r.len || r.len == 1 || real.at[r.len] == '/'))
                        return true;
        }
        return false;
}

/* Where does the longest part of `path` that exists lead? Cuts `path` at what does not exist. */
static enum answer resolve(const struct inspect_input *in, char *path, struct plist list) {
        char real[PATH_MAX];
        int fd, r;

        for (;;) {
                struct stat st;
                char *slash;

                fd = open_path(path[0] ? path : "/");
                if (fd >= 0)
                        break;
                if (fd == -ELOOP)
                        return OUTSIDE;
                if (fd != -ENOENT && fd != -ENOTDIR)
                        return UNKNOWN;
                /* A link to what does not exist yet leads wherever that will be. */
                if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
                        return OUTSIDE;
                slash = strrchr(path, '/');
                if (!slash)
                        return UNKNOWN;
                *slash = '\0'; /* the daemon will make a directory there */
        }
        r = real_path(fd, real);
        close(fd);
        if (r < 0)
                return UNKNOWN;
        if (inspect_within(in, slice_of(real), list) || within_real_entry(in, slice_of(real), slice_of(path), list))
                return INSIDE;
        /* What exists is above the allowed root: the root itself is not here to be asked. */
        return inspect_within(in, slice_of(path), list) ? OUTSIDE : UNKNOWN;
}

bool inspect_resolves_within(const struct inspect_input *in, struct slice path, struct plist list, bool require) {
        char text[PATH_MAX];
        enum answer answer;

        if (inspect_within(in, SLICE("/"), list))
                return true;
        if (path.len >= sizeof(text) || memchr(path.at, '\0', path.len))
                return false;
        memcpy(text, path.at, path.len);
        text[path.len] = '\0';
        answer = resolve(in, text, list);
        return answer == INSIDE || (answer == UNKNOWN && !require);
}

bool inspect_resolves_nowhere(const struct inspect_input *in, struct slice path, struct plist list, bool require) {
        (void) path;
        return !require || inspect_within(in, SLICE("/"), list);
}
