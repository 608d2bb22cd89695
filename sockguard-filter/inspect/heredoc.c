/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/heredoc.h"

#include <errno.h>

#include "base/unicode.h"

/* ---- words ---- */

enum step {
        STEP_CHAR,  /* one character of the word */
        STEP_END,   /* a blank outside of quotes, or the end of the line */
        STEP_ERROR, /* quotes without an end: for the builder, a line without documents */
        STEP_DOUBT, /* what the builder makes of this is not followed */
};

/* How many bytes "${NAME}" has at the front of `s`, which begins with "${"; 0: it is more than a plain name. */
static size_t plain_variable(struct slice s) {
        size_t n = 2;

        for (; n < s.len && s.at[n] != '}'; n++) {
                char c = s.at[n];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && !(n > 2 && c >= '0' && c <= '9'))
                        return 0;
        }
        return n > 2 && n < s.len ? n + 1 : 0;
}

/* The bytes of the next character; 0 when it is one that readers of Unicode disagree on. */
static size_t next_char(struct slice s, uint32_t *ret_cp) {
        size_t n = unicode_decode(s, ret_cp);

        return *ret_cp == 0xfeff || *ret_cp == 0xfffd ? 0 : n;
}

/* `s` begins with a quote: *ret_len is up to the one that closes it, that one included. */
static enum step quoted(struct slice s, size_t *ret_len) {
        char quote = s.at[0];
        uint32_t cp;

        for (size_t i = 1, n; i < s.len; i += n) {
                struct slice rest = slice_from(s, i);

                n = next_char(rest, &cp);
                if (n == 0)
                        return STEP_DOUBT;
                if (cp == (unsigned char) quote) {
                        *ret_len = i + 1;
                        return STEP_CHAR;
                }
                if (quote == '\'')
                        continue;
                if (cp == '\\' && rest.len > 1 && strchr("\"$\\", rest.at[1]))
                        n = 2;
                else if (slice_starts(rest, SLICE("${"))) {
                        n = plain_variable(rest);
                        if (n == 0)
                                return STEP_DOUBT;
                }
        }
        return STEP_ERROR;
}

/* One step of the lexer: *ret_len bytes that belong together. */
static enum step step(struct slice s, size_t *ret_len) {
        uint32_t cp;
        size_t n;

        if (s.len == 0)
                return STEP_END;
        n = next_char(s, &cp);
        if (n == 0)
                return STEP_DOUBT;
        *ret_len = n;
        if (unicode_is_space(cp))
                return STEP_END;
        if (cp == '\'' || cp == '"')
                return quoted(s, ret_len);
        if (cp == '\\' && s.len > 1) {
                n = next_char(slice_from(s, 1), &cp);
                *ret_len = 1 + n;
                return n ? STEP_CHAR : STEP_DOUBT;
        }
        if (slice_starts(s, SLICE("${"))) {
                *ret_len = plain_variable(s);
                return *ret_len ? STEP_CHAR : STEP_DOUBT;
        }
        return STEP_CHAR;
}

/* ---- names ---- */

/* Takes quotes and escapes off. Never longer than it was. */
static struct slice unquote(struct slice s, struct arena *a) {
        char *to = arena_alloc(a, s.len + 1), quote = 0;
        size_t n = 0;

        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];

                if (quote ? c == quote : c == '\'' || c == '"') {
                        quote = quote ? 0 : c;
                        continue;
                }
                if (c == '\\' && quote != '\'') {
                        if (i + 1 == s.len)
                                break;
                        if (!quote || strchr("\"$\\", s.at[i + 1]))
                                c = s.at[++i];
                }
                to[n++] = c;
        }
        return slice_make(to, n);
}

/* Digits, "<<", perhaps "-", and a name without "<". */
static bool read_word(struct slice word, struct arena *a, struct heredoc *ret) {
        while (word.len > 0 && word.at[0] >= '0' && word.at[0] <= '9')
                word = slice_from(word, 1);
        if (!slice_starts(word, SLICE("<<")))
                return false;
        word = slice_from(word, 2);
        ret->tabs = slice_starts(word, SLICE("-"));
        if (ret->tabs)
                word = slice_from(word, 1);
        if (word.len == 0 || slice_find(word, '<') >= 0)
                return false;
        ret->name = unquote(word, a);
        return ret->name.len > 0;
}

int heredoc_find(struct slice line, struct arena *a, struct heredoc *ret) {
        size_t start = 0, at = 0;
        int n = 0;

        for (;;) {
                size_t len = 0;

                switch (step(slice_from(line, at), &len)) {
                case STEP_CHAR:
                        at += len;
                        continue;
                case STEP_ERROR:
                        return 0;
                case STEP_DOUBT:
                        return -EBADMSG;
                case STEP_END:
                        break;
                }
                if (at > start && n == HEREDOC_MAX)
                        return -EBADMSG;
                if (at > start && read_word(slice_make(line.at + start, at - start), a, &ret[n]))
                        n++;
                if (len == 0)
                        return n;
                start = at += len;
        }
}

bool heredoc_ends(const struct heredoc *h, struct slice line) {
        while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
                line.len--;
        while (h->tabs && line.len > 0 && line.at[0] == '\t')
                line = slice_from(line, 1);
        return slice_eq(line, h->name);
}
