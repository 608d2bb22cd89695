/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/dockerfile.h"

#include <errno.h>

#include "base/unicode.h"
#include "inspect/heredoc.h"

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

#define ASCII_BLANKS " \t\f\r" /* what the builder's patterns take for white space within a line */

struct directives {
        bool frontend;
        char escape;       /* as BuildKit finds it */
        bool both_escapes; /* another builder may find the backtick */
};

static struct slice trim_ascii(struct slice s) {
        while (s.len > 0 && s.at[0] && strchr(ASCII_BLANKS, s.at[0]))
                s = slice_from(s, 1);
        return trim_right_bytes(s, ASCII_BLANKS);
}

/*
 * Directives as any builder might see them: whatever white space stands around the words. False at the first line that
 * is none.
 */
static bool loose_directive(struct slice line, struct slice marker, struct directives *d) {
        struct slice key, value;

        line = trim_left(line);
        if (!slice_starts(line, marker) || !slice_cut(slice_from(line, marker.len), '=', &key, &value))
                return false;
        key = unicode_trim(key);
        if (unicode_fold_eq(key, SLICE("syntax"))) {
                d->frontend |= trim_ascii(value).len > 0; /* to a builder, a no-break space is a name */
                return true;
        }
        if (!unicode_fold_eq(key, SLICE("escape")))
                return unicode_fold_eq(key, SLICE("check"));
        d->both_escapes |= slice_eq(unicode_trim(value), SLICE("`"));
        return true;
}

/* A directive for BuildKit: "#", blanks, a word of ASCII letters and digits, blanks, "=", and a value that is not
 * empty. */
static bool exact_directive(struct slice line, struct slice *ret_key, struct slice *ret_value) {
        line = trim_left(line);
        if (!slice_starts(line, SLICE("#")) || !slice_cut(slice_from(line, 1), '=', ret_key, ret_value))
                return false;
        *ret_key = trim_ascii(*ret_key);
        *ret_value = trim_ascii(*ret_value);
        for (size_t i = 0; i < ret_key->len; i++) {
                char c = ret_key->at[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(i > 0 && c >= '0' && c <= '9'))
                        return false;
        }
        return ret_key->len > 0 && ret_value->len > 0;
}

static char exact_escape(struct slice text) {
        struct slice line, key, value;
        char escape = '\\';

        while (next_line(&text, &line) && exact_directive(line, &key, &value)) {
                if (slice_case_eq(key, SLICE("escape")))
                        escape = slice_eq(value, SLICE("`")) ? '`' : '\\';
                else if (!slice_case_eq(key, SLICE("syntax")) && !slice_case_eq(key, SLICE("check")))
                        break;
        }
        return escape;
}

static struct directives read_directives(struct slice text) {
        static const struct slice markers[] = { { "#", 1 }, { "//", 2 } };
        struct directives d = { .escape = exact_escape(text) };
        struct slice line, rest;

        d.both_escapes = d.escape == '`';
        if (slice_starts(text, SLICE("#!")))
                next_line(&text, &line);
        for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
                for (rest = text; next_line(&rest, &line) && loose_directive(line, markers[i], &d);)
                        ;
        /* BuildKit also takes its frontend from a JSON object at the head of the file; no instruction begins like that.
         */
        d.frontend |= slice_starts(unicode_trim(text), SLICE("{"));
        return d;
}

/* ---- logical lines ---- */

enum {
        WAY_DROP_COMMENTS = 1, /* comment lines inside a continuation do not count */
        WAY_DOUBLED_ENDS = 2,  /* a doubled escape character does not continue the line */
        WAY_BLANKS_ONLY = 4,   /* only SP and HTAB may follow the escape character */
        WAY_KEEP_INDENT = 8,   /* white space at the start of a continuation line stays */
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
        struct slice t =
                s->way & WAY_BLANKS_ONLY ? trim_right_bytes(trim_right_bytes(*line, "\r"), " \t") : unicode_trim(*line);

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
        bool onbuild = false, flags = false;

        while (unicode_field(&line, &field)) {
                if (line.len == 0 && !whole)
                        return field.len > 16 && !flags ? WORD_OTHER : WORD_OPEN;
                if (unicode_fold_eq(field, SLICE("RUN")))
                        return WORD_RUN;
                if (unicode_fold_eq(field, SLICE("ONBUILD"))) {
                        onbuild = true;
                        continue;
                }
                /* ONBUILD has no flags, but is read as if it had: "ONBUILD -- RUN". Where they end is not worth
                 * following. */
                flags |= onbuild && slice_starts(field, SLICE("--"));
                if (!flags)
                        return WORD_OTHER;
        }
        return whole ? WORD_OTHER : WORD_OPEN;
}

/*
 * Puts together the logical line at the start of *rest, which is advanced behind it. False when there is none (blank
 * lines and comments skipped up to the end).
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
 * With heredocs an instruction may begin at any line, whatever the lines before it look like: where a builder ends a
 * heredoc is its own affair.
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

/* All of one word. */
static bool is_instruction_name(struct slice word) {
        static const char *const words[] = {
                "ADD",   "ARG",        "CMD", "COPY",  "ENTRYPOINT", "ENV",  "EXPOSE", "FROM",    "HEALTHCHECK",
                "LABEL", "MAINTAINER", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
        };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (unicode_fold_eq(word, slice_of(words[i])))
                        return true;
        return false;
}

bool dockerfile_looks_like_one(struct slice text) {
        struct slice line, field, next;

        text = without_bom(text);
        while (next_line(&text, &line)) {
                line = unicode_trim(line);
                if (line.len == 0 || line.at[0] == '#')
                        continue;
                if (!unicode_field(&line, &field))
                        return false;
                return is_instruction_name(field) ||
                       (unicode_fold_eq(field, SLICE("ONBUILD")) && !unicode_field(&line, &next));
        }
        return false;
}

size_t dockerfile_readings(struct slice text, struct dockerfile_reading *ret) {
        struct directives d = read_directives(without_bom(text));
        bool heredoc = has_heredoc(text);
        size_t n = 0;

        for (unsigned i = 0; i < DOCKERFILE_READINGS_MAX; i++) {
                bool other = i & 1, without = i & 2;

                if ((other && !d.both_escapes) || (without && !heredoc))
                        continue;
                ret[n++] = (struct dockerfile_reading){
                        .escape = !other            ? d.escape
                                  : d.escape == '`' ? '\\'
                                                    : '`',
                        .heredocs = heredoc && !without,
                };
        }
        return n;
}

/* The first word, which ends at ASCII white space as the builder's do; *line is what follows it. */
static struct slice first_word(struct slice *line) {
        struct slice word;
        size_t n = 0;

        *line = unicode_trim(*line);
        while (n < line->len && (line->at[n] == 0 || !strchr("\t\v\f\r ", line->at[n])))
                n++;
        word = slice_upto(*line, n);
        *line = slice_from(*line, n);
        return word;
}

static bool may_hold_heredocs(struct slice line) {
        struct slice word = first_word(&line);

        if (slice_case_eq(word, SLICE("ONBUILD")))
                word = first_word(&line);
        return slice_case_eq(word, SLICE("ADD")) || slice_case_eq(word, SLICE("COPY")) ||
               slice_case_eq(word, SLICE("RUN"));
}

/* Goes past the documents behind a line. 0, -ENODATA: one has no end, -EBADMSG: what they are cannot be told. */
static int skip_heredocs(struct slice line, struct slice *rest, struct arena *a, uint32_t *work) {
        struct heredoc documents[HEREDOC_MAX];
        int n;

        if (!may_hold_heredocs(line) || !has_heredoc(line))
                return 0;
        n = heredoc_find(line, a, documents);
        for (int i = 0; i < n; i++)
                for (bool ended = false; !ended;) {
                        struct slice physical;

                        ++*work;
                        if (!next_line(rest, &physical))
                                return -ENODATA;
                        ended = heredoc_ends(&documents[i], physical);
                }
        return n < 0 ? n : 0;
}

int dockerfile_each(struct slice text, const struct dockerfile_reading *reading, struct arena *a,
                    bool (*handler)(void *arg, struct slice name, struct slice rest), void *arg) {
        uint32_t work = 0;
        struct scanner s = { .way = WAY_BUILDKIT, .escape = reading->escape, .work = &work };
        struct slice logical;

        text = without_bom(text);
        s.buffer = arena_alloc(a, text.len + 1);
        while (logical_line(&s, &text, &logical)) {
                struct slice rest = logical, name = first_word(&rest);
                int r = reading->heredocs ? skip_heredocs(logical, &text, a, &work) : 0;

                if (r < 0)
                        return r;
                if (name.len > 0 && !handler(arg, name, rest))
                        return -ECANCELED;
        }
        return work > WORK_MAX ? -EBADMSG : 0;
}

static bool is_instruction(void *arg, struct slice name, struct slice rest) {
        (void) arg;
        (void) rest;
        return is_instruction_name(name) || slice_case_eq(name, SLICE("ONBUILD"));
}

int dockerfile_reading_possible(struct slice text, const struct dockerfile_reading *reading, struct arena *a) {
        int r = dockerfile_each(text, reading, a, is_instruction, NULL);

        return r == 0 ? 1 : r == -ECANCELED || r == -ENODATA ? 0 : r;
}
