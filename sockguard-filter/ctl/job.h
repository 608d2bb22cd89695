/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_JOB_H
#define SOCKGUARD_CTL_JOB_H

#include <systemd/sd-event.h>

#include "base/strbuf.h"

/*
 * A piece of work in a forked child that leaves bytes behind: whatever may block, crash, or read what others wrote. The
 * companion's loop goes on meanwhile.
 */
struct job {
        void (*run)(struct job *j, int fd); /* in the child: writes its result to fd; then the child ends */
        void (*done)(struct job *j, struct slice result); /* in the parent, once; may free the job */
        void *arg;
        unsigned seconds; /* after which the child is killed */
        size_t room;      /* bytes of a result, at most; more is an empty result */

        /* job.c's own */
        pid_t pid;
        int fd;
        struct strbuf got;
        sd_event_source *io, *child, *limit;
};

/* 0; or negative errno, then `done` is not called. SIGCHLD must be blocked. */
int job_start(sd_event *event, struct job *j);

/* The same without a loop: returns when the child has ended and `done` was called. */
int job_now(struct job *j);

/* For run(): writes it all. 0 or negative errno. */
int job_write(int fd, const void *at, size_t n);

#endif
