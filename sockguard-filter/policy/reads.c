/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard against reading data out asks the rules about one name (guard.c). A rule for another name passes it:
 * `GET /containers/web/logs`. Here patterns are held against patterns, which finds those too, and says so (chapter 05, 5).
 */
#include <stdlib.h>

#include "policy/check.h"
#include "policy/glob.h"
#include "policy/rules.h"

/* Endpoints that hand out what containers, images and plugins hold. */
static const struct family {
        enum http_method method;
        const char *name, *pattern;
} families[] = {
        { HTTP_GET, "GET", "/containers/*/archive" },
        { HTTP_GET, "GET", "/containers/*/export" },
        { HTTP_GET, "GET", "/containers/*/logs" },
        { HTTP_GET, "GET", "/containers/*/attach/ws" },
        { HTTP_GET, "GET", "/services/*/logs" },
        { HTTP_GET, "GET", "/tasks/*/logs" },
        { HTTP_POST, "POST", "/containers/*/attach" },
        { HTTP_GET, "GET", "/images/**/get" },
        { HTTP_POST, "POST", "/images/**/push" },
        { HTTP_POST, "POST", "/plugins/**/push" },
        { HTTP_GET, "GET", "/libpod/containers/*/archive" },
        { HTTP_GET, "GET", "/libpod/containers/*/export" },
        { HTTP_GET, "GET", "/libpod/containers/*/logs" },
        { HTTP_POST, "POST", "/libpod/containers/*/attach" },
        { HTTP_GET, "GET", "/libpod/images/**/get" },
        { HTTP_POST, "POST", "/libpod/images/**/push" },
        { HTTP_POST, "POST", "/libpod/manifests/**/registry/**" },
        { HTTP_POST, "POST", "/libpod/manifests/**/push" },
};

/*
 * A pattern as an automaton: state i is before its i-th byte. `skip` is the state that is reached without a byte, 0 for none;
 * `step` what a byte does: from LITERAL and on to the next state, or stay.
 */
enum wildcard { LITERAL, NO_SLASH, ANYTHING };

struct state {
        enum wildcard stays; /* bytes that lead back here; LITERAL: none */
        char literal;        /* the byte that leads on, when nothing stays */
        size_t skip;
};

static struct state state_at(struct slice p, size_t i) {
        struct slice rest = slice_from(p, i);

        if (slice_starts(rest, SLICE("/**")))
                return (struct state) { .stays = LITERAL, .literal = '/', .skip = i + 3 }; /* then the stars behind it */
        if (slice_starts(rest, SLICE("**")))
                return (struct state) { .stays = ANYTHING, .skip = i + 2 };
        if (slice_starts(rest, SLICE("*")))
                return (struct state) { .stays = NO_SLASH, .skip = i + 1 };
        return (struct state) { .stays = LITERAL, .literal = rest.at[0] };
}

static bool takes(enum wildcard w, char c) {
        return w == ANYTHING || (w == NO_SLASH && c != '/');
}

/* Is there a path that both patterns match? Walks the pairs of states; at most length x length of them. */
static bool patterns_meet(struct slice a, struct slice b) {
        size_t width = b.len + 1, n = (a.len + 1) * width, todo = 0;
        size_t *stack = calloc(n, sizeof(*stack));
        bool *seen = calloc(n, sizeof(*seen)), met = false;

        if (!stack || !seen)
                abort();
        seen[0] = true;
        stack[todo++] = 0;
        while (todo > 0 && !met) {
                size_t at = stack[--todo], i = at / width, j = at % width, to[4], n_to = 0;
                struct state s, t;

                if (i == a.len && j == b.len) {
                        met = true;
                        break;
                }
                s = i < a.len ? state_at(a, i) : (struct state) { .literal = '\0' };
                t = j < b.len ? state_at(b, j) : (struct state) { .literal = '\0' };
                if (s.skip)
                        to[n_to++] = s.skip * width + j;
                if (t.skip)
                        to[n_to++] = i * width + t.skip;
                if (i < a.len && j < b.len) {
                        if (s.stays == LITERAL && t.stays == LITERAL) {
                                if (s.literal == t.literal)
                                        to[n_to++] = (i + 1) * width + j + 1;
                        } else if (s.stays == LITERAL) {
                                if (takes(t.stays, s.literal))
                                        to[n_to++] = (i + 1) * width + j;
                        } else if (t.stays == LITERAL) {
                                if (takes(s.stays, t.literal))
                                        to[n_to++] = i * width + j + 1;
                        }
                }
                for (size_t k = 0; k < n_to; k++)
                        if (!seen[to[k]]) {
                                seen[to[k]] = true;
                                stack[todo++] = to[k];
                        }
        }
        free(stack);
        free(seen);
        return met;
}

/* Does the rule match the family whatever the names in it are? Judged by two names that nobody writes rules for. */
static bool covers(struct slice rule, const char *family) {
        static const char *const names[] = { "sockguard-test", "0.x-y_z" };

        for (size_t i = 0; i < 2; i++) {
                char path[128];
                size_t n = 0;

                for (const char *p = family; *p && n + 32 < sizeof(path); p++) {
                        if (*p != '*') {
                                path[n++] = *p;
                                continue;
                        }
                        n += (size_t) snprintf(path + n, sizeof(path) - n, "%s", names[i]);
                        while (p[1] == '*')
                                p++;
                }
                if (!glob_match_rule(rule, slice_make(path, n)))
                        return false;
        }
        return true;
}

static bool has_method(const struct rule *r, enum http_method m) {
        return r->any_method || (r->methods & (1u << m));
}

void warn_reads(struct config *c, struct plist rules, const struct policy_scope *scope) {
        const struct rule_set *set = builder_at(&c->blob, scope->rules);
        const struct rule *compiled = list_of(c, set->rules, struct rule);
        struct opt_rule *written = list_of(c, rules, struct opt_rule);

        for (uint32_t i = 0; i < rules.n && i < scope->n_rules; i++) {
                for (size_t f = 0; compiled[i].allow && f < sizeof(families) / sizeof(families[0]); f++) {
                        const struct family *family = &families[f];
                        bool shut = false;

                        if (!has_method(&compiled[i], family->method) ||
                            !patterns_meet(text_of(c, compiled[i].path), slice_of(family->pattern)))
                                continue;
                        for (uint32_t j = 0; j < i && !shut; j++)
                                shut = !compiled[j].allow && has_method(&compiled[j], family->method) &&
                                       covers(text_of(c, compiled[j].path), family->pattern);
                        if (shut)
                                continue;
                        warn(c, &written[i].match.path, "lets some of %s %s through: what is read there leaves the engine", family->name,
                             family->pattern);
                        break;
                }
        }
}
