/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/source.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool policy_is_yaml(const char *path) {
        struct slice s = slice_of(path);

        return slice_ends(s, SLICE(".yaml")) || slice_ends(s, SLICE(".yml"));
}

int policy_compile_file(const char *path, bool quiet, struct error *e) {
        const char *ctl = getenv("SOCKGUARD_CTL");
        posix_spawn_file_actions_t actions;
        char out[16];
        char *argv[] = { (char *) "sockguard-ctl",
                         (char *) "compile",
                         (char *) "--config",
                         (char *) path,
                         (char *) "--output-fd",
                         out,
                         NULL };
        int fd, r, status;
        pid_t pid;

        if (!ctl || ctl[0] != '/')
                ctl = SOCKGUARD_BINDIR "/sockguard-ctl";
        fd = memfd_create("sockguard-policy", MFD_ALLOW_SEALING); /* inherited by the compiler */
        if (fd < 0)
                return error_errno(e, -errno, "cannot make room for the compiled policy");
        snprintf(out, sizeof(out), "%d", fd);
        r = posix_spawn_file_actions_init(&actions);
        if (r == 0) {
                /* Its messages go to our stderr; the client's connection is none of its business. */
                r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
                if (r == 0 && quiet)
                        r = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
                if (r == 0)
                        r = posix_spawn_file_actions_adddup2(&actions, 2, 1);
                if (r == 0)
                        r = posix_spawn(&pid, ctl, &actions, NULL, argv, environ);
                posix_spawn_file_actions_destroy(&actions);
        }
        if (r != 0) {
                (void) close(fd);
                return error_errno(e, -r, "cannot run %s to compile %s", ctl, path);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR) {
                        (void) close(fd);
                        return error_errno(e, -errno, "cannot wait for %s", ctl);
                }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                (void) close(fd);
                return error_set(e, -EINVAL, "%s does not compile; run `sockguard-ctl validate --config %s`", path,
                                 path);
        }
        /* From here on it is read only, also to whoever else is given the descriptor. */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
                r = -errno;
                (void) close(fd);
                return error_errno(e, r, "seal the compiled policy");
        }
        return fd;
}

static int load(struct policy_source *s, struct policy *ret) {
        int fd, r;

        s->compiled_here = policy_is_yaml(s->path);
        fd = s->compiled_here ? policy_compile_file(s->path, s->quiet, &s->why)
                              : open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && s->compiled_here)
                return fd;
        if (fd < 0)
                return error_errno(&s->why, -errno,
                                   "no policy at %s; run `sockguard-ctl compile --config FILE --output %s`", s->path,
                                   s->path);
        if (fstat(fd, &s->seen) < 0)
                memset(&s->seen, 0, sizeof(s->seen));
        r = policy_image_map(fd, ret, &s->why);
        (void) close(fd);
        if (r < 0)
                return error_prefix(&s->why, r, "%s", s->path);
        return 0;
}

int policy_source_open(struct policy_source *s, const char *path, bool quiet, const struct state *state) {
        int r;

        *s = (struct policy_source){ .path = path, .quiet = quiet };
        s->generation = state_generation(state);
        r = load(s, &s->policy);
        s->loaded = r == 0;
        s->first = s->loaded ? s->policy.base : NULL;
        return r;
}

bool policy_source_refresh(struct policy_source *s, const struct state *state) {
        uint64_t generation = state_generation(state);
        struct policy next;
        int r;

        if (s->compiled_here)
                return false;
        if (generation != 0) {
                if (s->loaded && (generation == s->generation || generation == s->policy.header->generation)) {
                        s->generation = generation;
                        return false;
                }
        } else {
                struct stat st;

                /* Nobody there to say that it changed. A policy that was taken away stays in force for this connection.
                 */
                if (stat(s->path, &st) < 0)
                        return false;
                if (s->loaded && st.st_ino == s->seen.st_ino && st.st_dev == s->seen.st_dev &&
                    st.st_size == s->seen.st_size && st.st_mtim.tv_sec == s->seen.st_mtim.tv_sec &&
                    st.st_mtim.tv_nsec == s->seen.st_mtim.tv_nsec)
                        return false;
        }
        s->generation = generation;
        r = load(s, &next);
        /* The endpoints, which no reload changes, are views of the first image: it stays. */
        if (s->loaded && s->policy.base != s->first)
                policy_image_unmap(&s->policy);
        s->loaded = r == 0;
        if (s->loaded)
                s->policy = next;
        return true;
}
