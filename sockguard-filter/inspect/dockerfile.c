/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/dockerfile.h"

#include "base/unicode.h"

#define WORK_MAX 40000000u /* lines looked at in all; only a file made to be ambiguous needs more */

/* ---- lines ---- */

static struct slice without_bom(struct slice text) {
        return slice_starts(text, SLICE("\xef\xbb\xbf")) ? slice_from(text, 3) : text;
}

/* The next line, its LF taken off. False at the end. */
static bool next_line(struct slice *rest, struct slice *ret) {
        if (rest->len == 0)
                return false;
        slice_cut(*rest, '\n', ret, rest);
        return true;
}

static struct slice trim_left(struct slice s) {
        uint32_t cp;
        size_t n;

        while ((n = unicode_decode(s, &cp)) > 0 && unicode_is_space(cp))
                s = slice_from(s, n);
        return s;
}

static struct slice trim_right_bytes(struct slice s, const char *bytes) {
        while (s.len > 0 && strchr(bytes, s.at[s.len - 1]) && s.at[s.len - 1])
                s.len--;
        return s;
}

/* ---- directives ---- */

struct directives {
        bool frontend;
        char escape;      /* as the plain reading finds it */
        bool both_escapes;/* another reading may find the backtick */
};

static void read_directive_block(struct slice text, struct slice marker, struct directives *d) {
        struct slice line, key, value;
        bool first_escape = true;

        while (next_line(&text, &line)) {
                line = unicode_trim(line);
                if (!slice_starts(line, marker) || !slice_cut(unicode_trim(slice_from(line, marker.len)), '=', &key, &value))
                        return;
                key = unicode_trim(key);
                value = unicode_trim(value);
                if (unicode_fold_eq(key, SLICE("syntax")))
                        d->frontend |= value.len > 0;
                else if (unicode_fold_eq(key, SLICE("escape"))) {
                        bool backtick = slice_eq(value, SLICE("`"));

                        if (first_escape && backtick)
                                d->escape = '`';
                        d->both_escapes |= backtick || d->escape == '`';
                        first_escape = false;
                } else if (!unicode_fold_eq(key, SLICE("check")))
                        return;
        }
}

static struct directives read_directives(struct slice text) {
        struct directives d = { .escape = '\\' };
        struct slice line, rest = text;

        if (slice_starts(text, SLICE("#!"))) {
                next_line(&rest, &line);
                text = rest;
        }
        read_directive_block(text, SLICE("#"), &d);
        read_directive_block(text, SLICE("//"), &d);
        /* BuildKit also takes its frontend from a JSON object at the head of the file; no instruction begins like that. */
        d.frontend |= slice_starts(unicode_trim(text), SLICE("{"));
        return d;
}

/* ---- logical lines ---- */

enum {
        WAY_DROP_COMMENTS = 1,   /* comment lines inside a continuation do not count */
        WAY_DOUBLED_ENDS = 2,    /* a doubled escape character does not continue the line */
        WAY_BLANKS_ONLY = 4,     /* only SP and HTAB may follow the escape character */
        WAY_KEEP_INDENT = 8,     /* white space at the start of a continuation line stays */
        WAY_MAX_ = 16,
        WAY_BUILDKIT = WAY_DROP_COMMENTS | WAY_DOUBLED_ENDS | WAY_BLANKS_ONLY | WAY_KEEP_INDENT,
};

struct scanner {
        unsigned way;
        char escape;
        char *buffer;     /* as long as the text */
        uint32_t *work;   /* lines looked at so far, over all readings */
        bool first_words; /* stop a logical line as soon as its first word is known */
};

/* Does the line go on? *line loses its escape character if so. */
static bool takes_continuation(const struct scanner *s, struct slice *line) {
        struct slice t = s->way & WAY_BLANKS_ONLY ? trim_right_bytes(trim_right_bytes(*line, "\r"), " \t") : unicode_trim(*line);

        if (t.len == 0 || t.at[t.len - 1] != s->escape)
                return false;
        if (s->way & WAY_DOUBLED_ENDS && t.len > 1 && t.at[t.len - 2] == s->escape)
                return false;
        line->len = (size_t) (t.at + t.len - 1 - line->at);
        return true;
}

enum word { WORD_OPEN, WORD_OTHER, WORD_RUN };

/* What is the logical line that begins like this? WORD_OPEN: nothing can be said yet; `whole`: nothing more comes. */
static enum word classify(struct slice line, bool whole) {
        struct slice field;

        while (unicode_field(&line, &field)) {
                if (line.len == 0 && !whole)
                        return field.len > 16 ? WORD_OTHER : WORD_OPEN;
                if (unicode_fold_eq(field, SLICE("ONBUILD")))
                        continue;
                return unicode_fold_eq(field, SLICE("RUN")) ? WORD_RUN : WORD_OTHER;
        }
        return whole ? WORD_OTHER : WORD_OPEN;
}

/*
 * Puts together the logical line at the start of *rest, which is advanced behind it. False when there is none (blank lines
 * and comments skipped up to the end).
 */
static bool logical_line(const struct scanner *s, struct slice *rest, struct slice *ret) {
        struct slice line;
        size_t n = 0;
        bool open = false;

        while (next_line(rest, &line)) {
                struct slice trimmed = unicode_trim(line);
                bool more;

                if (++*s->work > WORK_MAX)
                        return false;
                if (trimmed.len == 0)
                        continue;
                if (trimmed.at[0] == '#' && (!open || s->way & WAY_DROP_COMMENTS))
                        continue;
                if (!open || !(s->way & WAY_KEEP_INDENT))
                        line = trim_left(line);
                more = takes_continuation(s, &line);
                if (!more)
                        line = s->way & WAY_KEEP_INDENT ? trim_right_bytes(line, "\r") : unicode_trim(line);
                memcpy(s->buffer + n, line.at, line.len);
                n += line.len;
                open = true;
                *ret = slice_make(s->buffer, n);
                if (!more)
                        return true;
                if (s->first_words && classify(*ret, false) != WORD_OPEN)
                        return true;
        }
        return open;
}

static bool finds_run(const struct scanner *s, struct slice text) {
        struct slice logical;

        while (logical_line(s, &text, &logical))
                if (classify(logical, true) == WORD_RUN)
                        return true;
        return false;
}

/*
 * With heredocs an instruction may begin at any line, whatever the lines before it look like: where a builder ends a heredoc is
 * its own affair.
 */
static bool finds_run_anywhere(struct scanner *s, struct slice text) {
        struct slice line, logical;

        s->first_words = true;
        while (text.len > 0 && *s->work <= WORK_MAX) {
                struct slice from = text;

                if (logical_line(s, &from, &logical) && classify(logical, true) == WORD_RUN)
                        return true;
                next_line(&text, &line);
        }
        s->first_words = false;
        return false;
}

static bool has_heredoc(struct slice text) {
        for (size_t i = 0; i + 1 < text.len; i++)
                if (text.at[i] == '<' && text.at[i + 1] == '<')
                        return true;
        return false;
}

enum dockerfile_verdict dockerfile_scan(struct slice text, struct arena *a) {
        uint32_t work = 0;
        struct scanner s = { .work = &work };
        struct directives d;
        bool heredoc;

        if (text.len > 0 && memchr(text.at, 0, text.len))
                return DOCKERFILE_NUL;
        text = without_bom(text);
        d = read_directives(text);
        if (d.frontend)
                return DOCKERFILE_FRONTEND;
        s.buffer = arena_alloc(a, text.len + 1);
        heredoc = has_heredoc(text);
        for (unsigned i = 0; i < WAY_MAX_ * 2; i++) {
                s.way = i % WAY_MAX_;
                s.escape = i < WAY_MAX_ ? d.escape : d.escape == '`' ? '\\' : '`';
                if (i >= WAY_MAX_ && !d.both_escapes)
                        break;
                if (finds_run(&s, text) || (heredoc && finds_run_anywhere(&s, text)))
                        return DOCKERFILE_RUN;
                if (work > WORK_MAX)
                        return DOCKERFILE_AMBIGUOUS;
        }
        return DOCKERFILE_CLEAN;
}

bool dockerfile_looks_like_one(struct slice text) {
        static const char *const words[] = {
                "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "RUN",
                "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
        };
        struct slice line, field, next;

        text = without_bom(text);
        while (next_line(&text, &line)) {
                line = unicode_trim(line);
                if (line.len == 0 || line.at[0] == '#')
                        continue;
                if (!unicode_field(&line, &field))
                        return false;
                for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                        if (unicode_fold_eq(field, slice_of(words[i])))
                                return true;
                return unicode_fold_eq(field, SLICE("ONBUILD")) && !unicode_field(&line, &next);
        }
        return false;
}

bool dockerfile_each(struct slice text, struct arena *a, bool (*handler)(void *arg, struct slice name, struct slice rest), void *arg) {
        uint32_t work = 0;
        struct scanner s = { .way = WAY_BUILDKIT, .work = &work };
        struct slice logical, name;

        text = without_bom(text);
        s.escape = read_directives(text).escape;
        s.buffer = arena_alloc(a, text.len + 1);
        while (logical_line(&s, &text, &logical)) {
                if (!unicode_field(&logical, &name))
                        continue;
                if (!handler(arg, name, logical))
                        return false;
        }
        return true;
}
