/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter may still open once it has given its privileges up. Each test confines a child of its own. */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "filter/landlock.h"

static char dir[] = "/tmp/test-confine-XXXXXX";
static bool supported;

/* Does `f` hold in a child that may read `dir`/in, write `dir`/spool, and nothing else? */
static bool in_confinement(bool (*f)(void)) {
        pid_t pid = fork();
        int status = 1;

        if (pid == 0) {
                const struct landlock_row rows[] = { { "in", LANDLOCK_READ },
                                                     { "spool", LANDLOCK_READ | LANDLOCK_WRITE },
                                                     { "not-there", LANDLOCK_READ } };

                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_confine(rows, 3) < 0)
                        _exit(2);
                _exit(f() ? 0 : 1);
        }
        return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool opens(const char *path, int flags) {
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd >= 0)
                (void) close(fd);
        return fd >= 0;
}

static bool reads_what_is_listed(void) {
        return opens("in/policy", O_RDONLY) && !opens("in/policy", O_RDWR);
}

static bool reads_what_takes_its_place(void) {
        return opens("in/newer", O_RDONLY);
}

static bool reads_nothing_else(void) {
        return !opens("other", O_RDONLY) && !opens("/etc/passwd", O_RDONLY) && !opens(".", O_RDONLY | O_DIRECTORY) &&
               !opens("/proc/self/mem", O_RDWR);
}

static bool spools_without_a_name(void) {
        return opens("spool", O_RDWR | O_TMPFILE) && !opens("in", O_RDWR | O_TMPFILE);
}

static bool makes_no_file(void) {
        return !opens("spool/new", O_WRONLY | O_CREAT) && unlink("other") < 0 && mkdir("spool/d", 0700) < 0 &&
               rename("in/policy", "in/p") < 0;
}

static bool sees_where_a_path_leads(void) {
        char text[100];
        struct stat st;

        return opens("other", O_PATH) && stat("/etc", &st) == 0 && readlink("link", text, sizeof(text)) > 0;
}

#define CONFINED(f) \
        static void f##_when_confined(void) { \
                CHECK(!supported || in_confinement(f)); \
        }

CONFINED(reads_what_is_listed)
CONFINED(reads_what_takes_its_place)
CONFINED(reads_nothing_else)
CONFINED(spools_without_a_name)
CONFINED(makes_no_file)
CONFINED(sees_where_a_path_leads)

static bool nothing(void) {
        return true;
}

static void set_up(void) {
        CHECK(mkdtemp(dir) != NULL);
        CHECK_INT(chdir(dir), 0);
        CHECK_INT(mkdir("in", 0700), 0);
        CHECK_INT(mkdir("spool", 0700), 0);
        CHECK(opens("in/policy", O_WRONLY | O_CREAT) && opens("in/newer", O_WRONLY | O_CREAT) &&
              opens("other", O_WRONLY | O_CREAT));
        CHECK_INT(symlink("other", "link"), 0);
        supported = in_confinement(nothing);
        if (!supported)
                fprintf(stderr, "this kernel has no Landlock\n");
}

static void clean_up(void) {
        CHECK_INT(unlink("in/policy") | unlink("in/newer") | unlink("other") | unlink("link"), 0);
        CHECK_INT(rmdir("in") | rmdir("spool") | chdir("/") | rmdir(dir), 0);
}

CHECK_MAIN(CHECK_TEST(set_up), CHECK_TEST(reads_what_is_listed_when_confined),
           CHECK_TEST(reads_what_takes_its_place_when_confined), CHECK_TEST(reads_nothing_else_when_confined),
           CHECK_TEST(spools_without_a_name_when_confined), CHECK_TEST(makes_no_file_when_confined),
           CHECK_TEST(sees_where_a_path_leads_when_confined), CHECK_TEST(clean_up))
