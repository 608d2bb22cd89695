/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/problem.h"

#include <stdlib.h>

#define NEAREST_LENGTH_MAX 128u /* longer texts are no typos of keys */
#define BEGINNING_MIN 4u        /* shorter ones begin too many keys */

void problems_add(struct problems *list, const struct problem *p) {
        if (p->warning)
                list->n_warnings++;
        else
                list->n_errors++;
        if (list->n == PROBLEMS_MAX)
                return;
        list->at = arena_more(list->arena, list->at, list->n, &list->room, sizeof(*list->at));
        list->at[list->n++] = *p;
}

void problem_format(const struct problem *p, struct strbuf *out) {
        if (p->file.len)
                strbuf_add(out, p->file);
        if (p->line)
                strbuf_addf(out, ":%u:%u", p->line, p->column);
        if (p->file.len || p->line)
                strbuf_adds(out, ": ");
        if (p->warning)
                strbuf_adds(out, "warning: ");
        if (p->path.len) {
                strbuf_add(out, p->path);
                strbuf_adds(out, ": ");
        }
        if (p->value.at) {
                strbuf_add_json(out, p->value, JSON_ESCAPE_LOG);
                strbuf_adds(out, ": ");
        }
        strbuf_add(out, p->expected);
        if (p->nearest.len) {
                strbuf_adds(out, " (did you mean \"");
                strbuf_add(out, p->nearest);
                strbuf_adds(out, "\"?)");
        }
}

static void member(struct strbuf *out, const char *name, struct slice s) {
        strbuf_addf(out, ",\"%s\":", name);
        strbuf_add_json(out, s, JSON_ESCAPE_LOG);
}

void problems_format_json(const struct problems *list, struct strbuf *out) {
        strbuf_addc(out, '[');
        for (size_t i = 0; i < list->n; i++) {
                const struct problem *p = list->at + i;

                strbuf_addf(out, "%s{\"severity\":\"%s\"", i ? "," : "", p->warning ? "warning" : "error");
                if (p->file.len)
                        member(out, "file", p->file);
                if (p->line)
                        strbuf_addf(out, ",\"line\":%u,\"column\":%u", p->line, p->column);
                if (p->path.len)
                        member(out, "key", p->path);
                if (p->value.at)
                        member(out, "value", p->value);
                member(out, "expected", p->expected);
                if (p->nearest.len)
                        member(out, "nearest", p->nearest);
                strbuf_addc(out, '}');
        }
        strbuf_addc(out, ']');
}

static unsigned char fold(char c) {
        return (unsigned char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each one. */
static size_t distance(struct slice a, struct slice b) {
        size_t row[3][NEAREST_LENGTH_MAX + 1];

        for (size_t j = 0; j <= b.len; j++)
                row[0][j] = j;
        for (size_t i = 1; i <= a.len; i++) {
                size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

                now[0] = i;
                for (size_t j = 1; j <= b.len; j++) {
                        unsigned char x = fold(a.at[i - 1]), y = fold(b.at[j - 1]);
                        size_t d = last[j - 1] + (x != y);

                        if (last[j] + 1 < d)
                                d = last[j] + 1;
                        if (now[j - 1] + 1 < d)
                                d = now[j - 1] + 1;
                        if (i > 1 && j > 1 && x == fold(b.at[j - 2]) && fold(a.at[i - 2]) == y && before[j - 2] + 1 < d)
                                d = before[j - 2] + 1;
                        now[j] = d;
                }
        }
        return row[a.len % 3][b.len];
}

struct slice problem_nearest(struct slice text, const struct slice *candidates, size_t n) {
        struct slice best = { 0 };
        size_t best_distance = text.len / 3 + 1;

        if (text.len == 0 || text.len > NEAREST_LENGTH_MAX)
                return best;
        for (size_t i = 0; i < n; i++) {
                size_t d;

                if (candidates[i].len > NEAREST_LENGTH_MAX || candidates[i].len == 0)
                        continue;
                d = distance(text, candidates[i]);
                if (d < best_distance || (d == best_distance && best.len == 0 && d <= text.len / 3)) {
                        best = candidates[i];
                        best_distance = d;
                }
        }
        /* Nothing is near: perhaps it was not written to its end. */
        for (size_t i = 0; best.len == 0 && text.len >= BEGINNING_MIN && i < n; i++)
                if (candidates[i].len > text.len && slice_case_eq(slice_upto(candidates[i], text.len), text))
                        best = candidates[i];
        return best;
}
