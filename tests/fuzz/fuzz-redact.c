/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include "base/json.h"
#include "response/filter.h"
#include "response/redact.h"
#include "tests/unit/tenants.h"

/* -EBADMSG, or 0 with what comes out in `keep`. */
static int run(struct fake *f, const char *line, struct slice body, size_t piece, struct strbuf *keep) {
        struct http_head head = { .status = 200, .framing = HTTP_BODY_CLOSE };
        struct response_filter *rf;
        int r = 0;

        strbuf_reset(keep);
        fake_request(f, line);
        FUZZ_ASSERT(stage_response(&f->x) == STAGE_NEXT);
        rf = f->x.response_filter;
        if (!rf) {
                strbuf_add(keep, body);
                return 0;
        }
        FUZZ_ASSERT(response_filter_head(rf, &head) == RESPONSE_FILTER);
        while (r == 0 && body.len) {
                r = response_filter_data(rf, slice_upto(body, piece));
                body = slice_from(body, piece);
                if (!response_filter_held(rf)) {
                        strbuf_add(keep, strbuf_view(response_filter_output(rf)));
                        strbuf_reset(response_filter_output(rf));
                }
        }
        if (r == 0)
                r = response_filter_end(rf, true);
        if (r == 0)
                strbuf_add(keep, strbuf_view(response_filter_output(rf)));
        else
                response_filter_verdict(rf, &f->x);
        FUZZ_ASSERT(r == 0 || f->x.verdict.status == 502);
        response_filter_free(rf);
        return r;
}

static bool blank(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if (s.at[i] != ' ' && s.at[i] != '\t' && s.at[i] != '\r' && s.at[i] != '\n')
                        return false;
        return true;
}

/* The next number outside strings, or an empty slice at the end. */
static struct slice next_number(struct slice *rest) {
        size_t i = 0, start;

        for (; i < rest->len && rest->at[i] != '-' && (rest->at[i] < '0' || rest->at[i] > '9'); i++)
                if (rest->at[i] == '"')
                        for (i++; i < rest->len && rest->at[i] != '"'; i++)
                                i += rest->at[i] == '\\';
        start = i;
        while (i < rest->len &&
               (strchr("+-.eE", rest->at[i]) ? rest->at[i] != 0 : rest->at[i] >= '0' && rest->at[i] <= '9'))
                i++;
        *rest = slice_from(*rest, i);
        return i > start ? slice_make(rest->at - (i - start), i - start) : SLICE("");
}

/* Every number that comes out went in, digit for digit and in the same order, or is the 0 of a redaction. */
static void numbers_are_kept(struct slice in, struct slice out) {
        struct slice number, given;

        while ((number = next_number(&out)).len) {
                if (slice_eq(number, SLICE("0")))
                        continue;
                do
                        given = next_number(&in);
                while (given.len && !slice_eq(given, number));
                FUZZ_ASSERT(given.len);
        }
}

/*
 * Bytes: which row, which toggles, how long the pieces; then the daemon's answer. Whatever it is: the same comes out
 * however it is cut, what comes out is JSON, and redacting it once more changes nothing.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct strbuf whole = { .limit = 1u << 26 }, cut = { .limit = 1u << 26 };
        struct opt_response *o;
        static struct fake f;
        struct slice body;
        char line[128];
        size_t n_rows = 0;
        int r;

        if (size < 3 || size > 64 * 1024)
                return 0;
        while (redact_rows[n_rows].pattern)
                n_rows++;
        snprintf(line, sizeof(line), "GET %s", redact_rows[data[0] % n_rows].pattern);
        for (char *p = line; *p; p++)
                if (*p == '{' || *p == '}' || (*p == '1' && p[-1] == 'x'))
                        *p = 'x';
        body = slice_make((const char *) data + 3, size - 3);

        fake_init(&f);
        o = &f.image.root.response;
        o->redact_container_env = data[1] & 1;
        o->redact_mount_paths = data[1] & 2;
        o->redact_network_topology = data[1] & 4;
        o->redact_sensitive_data = data[1] & 8;
        o->redact_host_topology = data[1] & 16;
        o->redact_extended = data[1] & 32;
        if (data[1] & 64)
                o->name_patterns = fake_strs(&f, "web*");
        r = run(&f, line, body, 1u << 20, &whole);
        FUZZ_ASSERT(run(&f, line, body, data[2] % 16 + 1u, &cut) == r);
        if (r == 0 && f.x.response_filter) {
                struct slice first = strbuf_view(&whole);
                struct arena a;

                FUZZ_ASSERT(slice_eq(first, strbuf_view(&cut)));
                numbers_are_kept(body, first);
                arena_init(&a, 1u << 26, NULL);
                FUZZ_ASSERT(blank(first) ||
                            json_validate(first, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES,
                                          RESPONSE_DEPTH_MAX + 1, &a, NULL) == 0);
                arena_free(&a);
                FUZZ_ASSERT(run(&f, line, first, 1u << 20, &cut) == 0);
                FUZZ_ASSERT(slice_eq(strbuf_view(&whole), strbuf_view(&cut)));
        }
        fake_done(&f);
        return 0;
}
