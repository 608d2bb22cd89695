/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/resource.h>

#include "ctl/companion.h"

/*
 * Everything that reads YAML runs here, in a child: a candidate that finds a hole in a parser finds it in a process that has a
 * few seconds, little memory and nothing to write to, and memory that a thousand reloads leave behind is given back by exit.
 */

#define WORK_SECONDS 8u
#define WORK_MEMORY (1024ul * 1024 * 1024) /* address space: the image alone reserves 64 MiB */

static void limit(int what, rlim_t n) {
        struct rlimit l = { n, n };

        (void) setrlimit(what, &l);
}

static void confine(const struct work *w) {
        limit(RLIMIT_CPU, WORK_SECONDS);
        limit(RLIMIT_CORE, 0);
#ifndef SOCKGUARD_SANITIZED
        limit(RLIMIT_AS, WORK_MEMORY);
#endif
        if (w->kind == WORK_CANDIDATE)
                limit(RLIMIT_FSIZE, 1u << 20); /* the seccomp compiler goes through a memfd */
        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The problems as lines, warnings left out. */
static void add_problems(const struct config *c, struct strbuf *out) {
        const struct problems *list = config_problems(c);

        for (size_t i = 0; i < list->n; i++) {
                const struct problem *p = &list->at[i];

                if (p->warning)
                        continue;
                if (out->len)
                        strbuf_addc(out, '\n');
                {
                        _cleanup_strbuf_ struct strbuf line;

                        strbuf_init(&line, 4096);
                        problem_format(p, &line);
                        for (size_t j = 0; j < line.len; j++)
                                if (line.at[j] == '\n')
                                        line.at[j] = ' ';
                        if (line.len + out->len < out->limit - 64)
                                strbuf_add(out, strbuf_view(&line));
                }
        }
        if (out->len == 0)
                strbuf_adds(out, "the configuration could not be read");
}

/* `alone`: by the text and the command line, without the environment; so a signed policy is read. */
static int load(const struct work *w, struct slice text, bool from_file, bool alone, struct config **ret) {
        struct companion *c = w->of;
        bool policy = w->kind == WORK_POLICY;
        struct config_source source = {
                .path = policy ? c->config_path : "candidate",
                .path_given = c->config_given,
                .from_memory = !from_file,
                .text = text,
                .environment = c->environment,
                .overlay = policy && !alone,
                .sections = !alone,
                .docker_host = policy && !alone,
                .bundle_verified = alone || !policy, /* what is only looked at is not run */
                .flags = policy ? &c->flags : NULL,
                .allow_unknown_keys = c->allow_unknown_keys,
                .no_files = w->hide_files,
        };

        return config_load(&source, ret);
}

/*
 * A signed policy is what its bytes say, no more: they are read once, verified, and parsed without the environment. *next is, at first,
 * the reading with it, which may be what asks for a signature.
 */
static uint32_t judge_signature(struct work *w, struct config **next, struct work_result *r, struct strbuf *out) {
        _cleanup_config_ struct config *alone = NULL, *running = NULL;
        const struct companion *c = w->of;
        struct slice text = w->text;
        struct error e = { "" };
        char *read = NULL;
        size_t n = 0;
        int k;

        if (w->kind != WORK_POLICY)
                return WORK_OK;
        if (w->from_file && reload_read(c->config_path, &read, &n, &e) == 0)
                text = slice_make(read, n); /* not freed: what is loaded points into it, and this process ends soon */
        k = text.at ? load(w, text, false, true, &alone) : -ENOENT;
        if (!signed_wanted(c, alone, *next))
                return WORK_OK;
        if (k < 0 || text.len == 0) {
                if (text.len == 0)
                        strbuf_adds(out, "there is no file to verify, or it is empty");
                else if (alone)
                        add_problems(alone, out);
                return c->signed_only ? WORK_SIGNATURE : WORK_LOAD;
        }
        if (w->running.at)
                (void) load(w, w->running, false, true, &running);
        if (signed_verify(c, text, alone, running, &r->bundle, &e) < 0) {
                strbuf_add(out, slice_of(e.text));
                return WORK_SIGNATURE;
        }
        config_free(*next);
        *next = alone;
        alone = NULL;
        return WORK_OK;
}

static uint32_t judge(struct work *w, struct work_result *r, struct strbuf *out) {
        _cleanup_config_ struct config *next = NULL, *running = NULL;
        struct slice image;
        struct error e;
        char path[300];
        int k = load(w, w->text, w->from_file, false, &next);
        uint32_t outcome = judge_signature(w, &next, r, out);

        if (outcome != WORK_OK)
                return outcome;
        if (k < 0 && !r->bundle.on) {
                if (!next)
                        strbuf_adds(out, "not enough memory");
                else
                        add_problems(next, out);
                return WORK_LOAD;
        }
        if (w->running.at && load(w, w->running, false, r->bundle.on != 0, &running) == 0 && config_diff(running, next, out) > 0)
                return WORK_IMMUTABLE;
        k = config_check(next);
        r->compat = config_compat_active(next);
        if (k < 0 || config_compile(next, w->generation, &image) < 0) {
                add_problems(next, out);
                return WORK_VALIDATION;
        }
        r->rules = config_root(next)->rules.n;
        r->profiles = config_root(next)->clients.profiles.n;
        config_sha256(next, r->sha256);
        if (w->kind == WORK_CANDIDATE)
                return WORK_OK;
        snprintf(path, sizeof(path), "%s/.policy.next", w->of->dir);
        if (config_publish(image, path, &e) < 0) {
                strbuf_add(out, slice_of(e.text));
                return WORK_LOAD;
        }
        return WORK_OK;
}

static void run(struct job *j, int fd) {
        struct work *w = j->arg;
        struct work_result r = { .outcome = WORK_DIED };
        struct strbuf out;

        confine(w);
        strbuf_init(&out, WORK_TEXT_MAX);
        r.outcome = judge(w, &r, &out);
        r.text_size = (uint32_t) out.len;
        if (job_write(fd, &r, sizeof(r)) == 0)
                (void) job_write(fd, out.at, out.len);
}

static void done(struct job *j, struct slice got) {
        struct work *w = j->arg;
        struct work_result r = { .outcome = WORK_DIED };
        struct slice text = SLICE("its reader was stopped: too large, too deep or too slow");

        if (got.len >= sizeof(r)) {
                memcpy(&r, got.at, sizeof(r));
                r.bundle.signer[sizeof(r.bundle.signer) - 1] = r.bundle.path[sizeof(r.bundle.path) - 1] = '\0';
                if (r.outcome <= WORK_DIED && r.text_size == got.len - sizeof(r))
                        text = slice_from(got, sizeof(r));
                else
                        r = (struct work_result) { .outcome = WORK_DIED };
        }
        w->done(w->of, w, &r, text);
}

static void prepare(struct companion *c, struct work *w) {
        w->of = c;
        w->job = (struct job) { .run = run, .done = done, .arg = w, .seconds = WORK_SECONDS + 2, .room = sizeof(struct work_result) + WORK_TEXT_MAX };
}

int work_start(struct companion *c, struct work *w) {
        prepare(c, w);
        return job_start(c->event, &w->job);
}

int work_now(struct companion *c, struct work *w) {
        prepare(c, w);
        return job_now(&w->job);
}
