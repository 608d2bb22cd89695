/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards ask the rules about one name each (guard.c). A rule for another name passes them: `GET
 * /containers/web/logs`, or anything behind a deny for exactly the name that they ask about. Here patterns are held
 * against patterns, which finds those too, and says so (chapter 01, 3.15).
 */
#include <stdlib.h>

#include "policy/check.h"
#include "policy/glob.h"
#include "policy/rules.h"

enum danger { READS, WRITES_BY_EXEC, WRITES_BY_PLUGIN_SET, WRITES, TUNNELS, DANGER_MAX };

static const char *const consequences[DANGER_MAX] = {
        [READS] = "what is read there leaves the engine",
        [WRITES_BY_EXEC] = "nothing judges what is run there while request_body.exec.allowed_commands is empty",
        [WRITES_BY_PLUGIN_SET] =
                "nothing judges what is set there while request_body.plugin.allowed_set_env_prefixes is empty",
        [WRITES] = "nothing judges what is written there",
        [TUNNELS] = "nothing judges what passes through a BuildKit tunnel",
};

static const struct family {
        enum danger danger;
        enum http_method method;
        const char *name, *pattern;
} families[] = {
        { READS, HTTP_GET, "GET", "/containers/*/archive" },
        { READS, HTTP_GET, "GET", "/containers/*/export" },
        { READS, HTTP_GET, "GET", "/containers/*/logs" },
        { READS, HTTP_GET, "GET", "/containers/*/attach/ws" },
        { READS, HTTP_GET, "GET", "/services/*/logs" },
        { READS, HTTP_GET, "GET", "/tasks/*/logs" },
        { READS, HTTP_POST, "POST", "/containers/*/attach" },
        { READS, HTTP_GET, "GET", "/images/**/get" },
        { READS, HTTP_POST, "POST", "/images/**/push" },
        { READS, HTTP_POST, "POST", "/plugins/**/push" },
        { READS, HTTP_GET, "GET", "/libpod/containers/*/archive" },
        { READS, HTTP_GET, "GET", "/libpod/containers/*/export" },
        { READS, HTTP_GET, "GET", "/libpod/containers/*/logs" },
        { READS, HTTP_POST, "POST", "/libpod/containers/*/attach" },
        { READS, HTTP_GET, "GET", "/libpod/images/**/get" },
        { READS, HTTP_POST, "POST", "/libpod/images/**/push" },
        { READS, HTTP_POST, "POST", "/libpod/manifests/**/registry/**" },
        { READS, HTTP_POST, "POST", "/libpod/manifests/**/push" },
        { WRITES_BY_EXEC, HTTP_POST, "POST", "/containers/*/exec" },
        { WRITES_BY_EXEC, HTTP_POST, "POST", "/exec/*/start" },
        { WRITES_BY_EXEC, HTTP_POST, "POST", "/libpod/containers/*/exec" },
        { WRITES_BY_EXEC, HTTP_POST, "POST", "/libpod/exec/*/start" },
        { WRITES_BY_PLUGIN_SET, HTTP_POST, "POST", "/plugins/**/set" },
        { WRITES, HTTP_POST, "POST", "/libpod/manifests/**" },
        { WRITES, HTTP_PUT, "PUT", "/libpod/manifests/**" },
        { TUNNELS, HTTP_POST, "POST", "/moby.buildkit.v1.Control/*" },
};

#define N_FAMILIES (sizeof(families) / sizeof(families[0]))
#define PATTERN_MAX 4096u
#define WARNINGS_MAX 20u /* of one scope */

/*
 * A pattern as an automaton: state i is before its i-th byte. `skip` is the state that is reached without a byte, 0 for
 * none; `step` what a byte does: from LITERAL and on to the next state, or stay.
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
                return (struct state){ .stays = LITERAL, .literal = '/', .skip = i + 3 }; /* then the stars behind it */
        if (slice_starts(rest, SLICE("**")))
                return (struct state){ .stays = ANYTHING, .skip = i + 2 };
        if (slice_starts(rest, SLICE("*")))
                return (struct state){ .stays = NO_SLASH, .skip = i + 1 };
        return (struct state){ .stays = LITERAL, .literal = rest.at[0] };
}

static bool takes(enum wildcard w, char c) {
        return w == ANYTHING || (w == NO_SLASH && c != '/');
}

/* Whether what stands before the first stars agrees: cheap, and mostly it does not. */
static bool beginnings_agree(struct slice a, struct slice b) {
        size_t n = 0;

        while (n < a.len && n < b.len && a.at[n] == b.at[n] && a.at[n] != '*')
                n++;
        /* a star, or the slash before one: from there on they may still meet */
        return n == a.len || n == b.len || a.at[n] == '*' || b.at[n] == '*' ||
               slice_starts(slice_from(a, n), SLICE("/**")) || slice_starts(slice_from(b, n), SLICE("/**"));
}

/* The same from the end, up to the last stars. */
static bool endings_agree(struct slice a, struct slice b) {
        size_t n = 0;

        while (n < a.len && n < b.len && a.at[a.len - 1 - n] == b.at[b.len - 1 - n] && a.at[a.len - 1 - n] != '*')
                n++;
        return n == a.len || n == b.len || a.at[a.len - 1 - n] == '*' || b.at[b.len - 1 - n] == '*';
}

/* Walks the pairs of states; at most length x length of them. */
static bool walk_meets(struct slice a, struct slice b) {
        size_t width = b.len + 1, n = (a.len + 1) * width, todo = 0;
        uint32_t few[1024], *stack = few;
        bool seen_few[1024], *seen = seen_few, met = false;

        if (n > 1024) {
                stack = malloc(n * sizeof(*stack));
                seen = malloc(n);
        }
        if (!stack || !seen) {
                free(stack);
                free(seen);
                return true; /* out of memory: a warning too many */
        }
        memset(seen, 0, n);
        seen[0] = true;
        stack[todo++] = 0;
        while (todo > 0 && !met) {
                size_t at = stack[--todo], i = at / width, j = at % width, to[4], n_to = 0;
                struct state s, t;

                if (i == a.len && j == b.len) {
                        met = true;
                        break;
                }
                s = i < a.len ? state_at(a, i) : (struct state){ .literal = '\0' };
                t = j < b.len ? state_at(b, j) : (struct state){ .literal = '\0' };
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
                                stack[todo++] = (uint32_t) to[k];
                        }
        }
        if (n > 1024) {
                free(stack);
                free(seen);
        }
        return met;
}

bool patterns_meet(struct slice a, struct slice b) {
        /* No name is that long: what is not looked at counts as meeting. */
        if (a.len > PATTERN_MAX || b.len > PATTERN_MAX)
                return true;
        return beginnings_agree(a, b) && endings_agree(a, b) && walk_meets(a, b);
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

/* Is the danger acknowledged, or is there an inspector for it? */
static bool is_met(const struct opt_root *r, const struct opt_request_body *b, const struct policy_scope *scope,
                   enum danger danger) {
        switch (danger) {
        case READS:
                return r->insecure_allow_read_exfiltration;
        case WRITES_BY_EXEC:
                return r->insecure_allow_body_blind_writes || b->exec.allowed_commands.n;
        case WRITES_BY_PLUGIN_SET:
                return r->insecure_allow_body_blind_writes || b->plugin.allowed_set_env_prefixes.n;
        case WRITES:
                return r->insecure_allow_body_blind_writes;
        default:
                return r->insecure_accept_opaque_buildkit_tunnels || scope->flags & POLICY_SCOPE_BUILDKIT;
        }
}

void warn_exposures(struct config *c, struct plist rules, const struct opt_request_body *body,
                    const struct policy_scope *scope) {
        const struct rule_set *set = builder_at(&c->blob, scope->rules);
        const struct rule *compiled = list_of(c, set->rules, struct rule);
        struct opt_rule *written = list_of(c, rules, struct opt_rule);
        bool shut[N_FAMILIES] = { false };
        size_t warned = 0;

        for (size_t f = 0; f < N_FAMILIES; f++)
                shut[f] = is_met(c->root, body, scope, families[f].danger);
        for (uint32_t i = 0; i < rules.n && i < scope->n_rules && warned < WARNINGS_MAX; i++) {
                struct slice path = text_of(c, compiled[i].path);

                for (size_t f = 0; f < N_FAMILIES; f++) {
                        const struct family *family = &families[f];

                        if (shut[f] || !has_method(&compiled[i], family->method) || path.len > PATTERN_MAX)
                                continue;
                        if (!compiled[i].allow) {
                                shut[f] = covers(path, family->pattern);
                        } else if (patterns_meet(path, slice_of(family->pattern))) {
                                warn(c, &written[i].match.path, "lets some of %s %s through: %s", family->name,
                                     family->pattern, consequences[family->danger]);
                                warned++;
                                break;
                        }
                }
        }
}
