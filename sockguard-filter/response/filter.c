/* SPDX-License-Identifier: Apache-2.0 */
#include "response/filter.h"

#include <errno.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "response/redact.h"
#include "response/visible.h"

/*
 * A list is cut into elements by a scanner that knows only as much of JSON as it takes to find an element's last byte.
 * Each element is then validated, redacted, judged by the patterns, and appended to the output or dropped, before the
 * next byte is looked at. An object is one element. No byte leaves that did not pass json_validate().
 */

#define OUT_MAX \
        (64u * 1024 * 1024) /* what one call may add at most: redaction can make an element a few times longer */
#define SCRATCH_MAX (64u * 1024 * 1024)

enum list_state {
        LIST_START,   /* before the opening bracket */
        LIST_FIRST,   /* after it: an element or the closing bracket */
        LIST_ELEMENT, /* after a comma: an element */
        LIST_INSIDE,  /* within an element */
        LIST_NEXT,    /* after an element: a comma or the closing bracket */
        LIST_END,     /* after the closing bracket */
        LIST_BEHIND,  /* after something that is no white space behind that */
};

struct response_filter {
        const struct redact_row *row;    /* NULL: only patterns */
        const struct redact_step *steps; /* of the row, for the shape that the answer has */
        unsigned toggles;
        bool images;  /* the patterns judge image entries, not container entries */
        bool thinned; /* patterns apply */
        struct visible_patterns patterns;
        enum http_method method;

        bool list;      /* shape of the answer */
        bool only_null; /* a list that began with n: it must be null */
        enum list_state state;
        bool null_element;     /* what LIST_INSIDE is within must be null */
        struct json_scan scan; /* where the element's end is looked for */
        struct strbuf value;   /* the part of an element, or of the object, that is there */
        uint64_t blank;        /* bytes seen since the last element */
        uint64_t elements;     /* put out */

        struct strbuf out;
        bool held;
        struct arena scratch; /* of one element */

        bool failed;
        enum reason_code code;
        const char *why;
};

static int reject(struct response_filter *f, enum reason_code code, const char *why) {
        f->failed = true;
        f->code = code;
        f->why = why;
        return -EBADMSG;
}

/* Redaction runs first, so that what it cannot read is its refusal; without it, reading the list is visibility's
 * business. */
static int reject_unreadable(struct response_filter *f, const char *why) {
        return reject(f, f->row ? REASON_upstream_response_rejected_by_policy : REASON_visibility_policy_lookup_failed,
                      why);
}

static int reject_large(struct response_filter *f) {
        return reject(f, f->row ? REASON_upstream_response_rejected_by_policy : REASON_visibility_response_too_large,
                      "the daemon's answer is too large to be filtered");
}

static unsigned toggles_of(const struct policy *p) {
        const struct opt_response *o = &p->root->response;

        return (o->redact_container_env ? REDACT_ENV : 0) | (o->redact_mount_paths ? REDACT_MOUNTS : 0) |
               (o->redact_network_topology ? REDACT_NETWORK : 0) | (o->redact_sensitive_data ? REDACT_SENSITIVE : 0) |
               (o->redact_host_topology ? REDACT_HOST : 0) | (o->redact_extended ? REDACT_EXTENDED : 0);
}

/*
 * Attestation statements (chapter 05, 4.2, item 3) carry what a build saw. The daemon would send them for every value
 * that it takes for true, so we judge by its notion of truth, and before it is asked.
 */
static bool asks_for_statements(struct exchange *x) {
        static const struct slice suffix = { "/attestations", 13 };
        struct slice path = x->target.normalized, value;

        if (x->policy->root->response.allow_attestation_statements || x->head.method == HTTP_HEAD)
                return false;
        if (!slice_starts(path, SLICE("/images/")) || !slice_ends(path, suffix) ||
            path.len <= strlen("/images/") + suffix.len)
                return false;
        return http_query_get(exchange_query(x), SLICE("statement"), &value) && http_query_truth(value);
}

enum stage_result stage_response(struct exchange *x) {
        bool reads = x->head.method == HTTP_GET || x->head.method == HTTP_HEAD;
        struct visible_patterns patterns;
        const struct redact_row *row;
        struct response_filter *f;
        bool images, thinned;
        unsigned toggles;

        x->response_filter = NULL;
        if (asks_for_statements(x)) {
                /* The decision stays what the rules said: it is the answer that would be refused (chapter 05, 0.1). */
                x->verdict.code = REASON_upstream_response_rejected_by_policy;
                x->verdict.reason = SLICE("attestation statements are not allowed");
                x->verdict.option = "response.allow_attestation_statements";
                x->verdict.status = 502;
                x->verdict.body_kind = ANSWER_MESSAGE;
                return STAGE_ANSWER;
        }
        toggles = toggles_of(x->policy);
        row = x->head.method == HTTP_HEAD ? NULL
                                          : redact_find(x->target.normalized, x->head.method == HTTP_GET, toggles);
        images = slice_eq(x->target.normalized, SLICE("/images/json"));
        thinned = reads && (images || slice_eq(x->target.normalized, SLICE("/containers/json")));
        if (thinned) {
                visible_patterns_of(x->policy, x->scope, &patterns);
                thinned = patterns.any;
        }
        if (!row && !thinned)
                return STAGE_NEXT;

        f = arena_new(x->arena, struct response_filter);
        f->row = row;
        f->toggles = toggles;
        f->images = images;
        f->thinned = thinned;
        if (thinned)
                f->patterns = patterns;
        f->method = x->head.method;
        f->steps = row ? row->steps : NULL;
        f->list = !row || row->shape != REDACT_OBJECT;
        f->held = true;
        strbuf_init(&f->value, RESPONSE_VALUE_MAX);
        strbuf_init(&f->out, OUT_MAX);
        arena_init(&f->scratch, SCRATCH_MAX, x->arena->exhausted);
        f->scratch.exhausted_arg = x->arena->exhausted_arg;
        x->response_filter = f;
        return STAGE_NEXT;
}

enum response_action response_filter_head(struct response_filter *f, const struct http_head *head) {
        if (head->status < 200 || head->status > 299 || head->status == 204 || head->status == 205)
                return RESPONSE_PASS;
        if (f->method == HTTP_HEAD)
                return RESPONSE_BARE;
        for (size_t i = 0; i < head->n_fields; i++) {
                if (head->fields[i].id != HTTP_F_CONTENT_ENCODING ||
                    slice_case_eq(head->fields[i].value, SLICE("identity")))
                        continue;
                reject_unreadable(f, "the daemon's answer is encoded although identity was asked for");
                return RESPONSE_REJECT;
        }
        if (!f->list && head->framing == HTTP_BODY_LENGTH && head->content_length > RESPONSE_VALUE_MAX) {
                reject_large(f);
                return RESPONSE_REJECT;
        }
        return RESPONSE_FILTER;
}

bool response_filter_drops(const struct http_field *field) {
        static const struct slice named[] = {
                { "accept-ranges", 13 },
                { "content-range", 13 },
                { "content-digest", 14 },
                { "repr-digest", 11 },
        };

        switch (field->id) {
        case HTTP_F_CONTENT_LENGTH:
        case HTTP_F_TRANSFER_ENCODING:
        case HTTP_F_CONTENT_ENCODING:
        case HTTP_F_TRAILER:
        case HTTP_F_ETAG:
        case HTTP_F_CONTENT_MD5:
        case HTTP_F_DIGEST:
                return true;
        default:
                break;
        }
        for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
                if (slice_case_eq(field->name, named[i]))
                        return true;
        return false;
}

static int append_redacted(struct response_filter *f, struct json_value v) {
        const char *why;
        int r;

        if (!f->row) {
                strbuf_add(&f->out, v.text);
                return f->out.failed ? reject_large(f) : 0;
        }
        r = redact_value(f->steps, f->toggles, v, &f->scratch, &f->out, &why);
        if (r == -ENOBUFS)
                return reject_large(f);
        return r < 0 ? reject_unreadable(f, why) : 0;
}

static int take_element(struct response_filter *f, struct slice text) {
        size_t before = f->out.len;
        struct json_value v;
        int r;

        arena_reset(&f->scratch);
        if (json_validate(text, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES, RESPONSE_DEPTH_MAX,
                          &f->scratch, NULL) < 0)
                return reject_unreadable(f, "an element of the daemon's list is not JSON");
        v = json_root(text);
        if (f->elements)
                strbuf_addc(&f->out, ',');
        r = append_redacted(f, v);
        if (r < 0)
                return r;
        if (f->thinned) {
                r = f->images ? visible_image(&f->patterns, v, &f->scratch)
                              : visible_container_entry(&f->patterns, v, &f->scratch);
                if (r < 0)
                        return reject(f, REASON_visibility_policy_lookup_failed,
                                      "an element of the daemon's list has not the expected fields");
                if (r == 0) {
                        f->out.len = before;
                        return 0;
                }
        }
        f->elements++;
        return 0;
}

/* The bytes from `start` to `end` of this piece belong to the element that is being collected. */
static int collect(struct response_filter *f, struct slice in, size_t start, size_t end, bool ended) {
        struct slice part = slice_make(in.at + start, end - start);
        int r;

        if (ended && f->value.len == 0)
                return take_element(f, part);
        strbuf_add(&f->value, part);
        if (f->value.failed)
                return reject_large(f);
        if (!ended)
                return 0;
        r = take_element(f, strbuf_view(&f->value));
        strbuf_reset(&f->value);
        return r;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int feed_list(struct response_filter *f, struct slice in) {
        for (size_t i = 0; i < in.len;) {
                char c = in.at[i];
                size_t start = i;
                bool ended;
                int r;

                if (f->state == LIST_INSIDE) {
                        if (f->null_element) {
                                size_t want = 4 - f->value.len;

                                i = in.len - i < want ? in.len : i + want;
                                ended = i - start == want;
                        } else
                                i = json_scan(&f->scan, in, i, &ended);
                        r = collect(f, in, start, i, ended);
                        if (r < 0)
                                return r;
                        if (ended)
                                f->state = LIST_NEXT;
                        continue;
                }
                if (++f->blank > RESPONSE_VALUE_MAX)
                        return reject_large(f);
                if (f->state == LIST_BEHIND) {
                        i++;
                        continue;
                }
                if (is_blank(c)) {
                        if (f->state == LIST_END)
                                strbuf_addc(&f->out, c);
                        i++;
                        continue;
                }
                switch (f->state) {
                case LIST_START:
                        if (c == 'n' && !f->row) {
                                f->only_null = true;
                                f->list = false;
                                strbuf_add(&f->value, slice_from(in, i));
                                return f->value.failed ? reject_large(f) : 0;
                        }
                        if (f->row && f->row->shape == REDACT_EITHER && (c == '{' || c == 'n')) {
                                f->list = false;
                                f->steps = f->row->alone;
                                strbuf_add(&f->value, slice_from(in, i));
                                return f->value.failed ? reject_large(f) : 0;
                        }
                        if (c != '[')
                                return reject_unreadable(f, "the daemon's answer is not a list");
                        strbuf_addc(&f->out, '[');
                        f->state = LIST_FIRST;
                        i++;
                        break;
                case LIST_NEXT:
                        if (c == ',')
                                f->state = LIST_ELEMENT;
                        i++;
                        if (c == ',')
                                break;
                        if (c != ']')
                                return reject_unreadable(f, "the daemon's list is not JSON");
                        strbuf_addc(&f->out, ']');
                        f->state = LIST_END;
                        break;
                case LIST_FIRST:
                case LIST_ELEMENT:
                        if (c == ']' && f->state == LIST_FIRST) {
                                strbuf_addc(&f->out, ']');
                                f->state = LIST_END;
                                i++;
                                break;
                        }
                        if (c != '{' && c != 'n')
                                return reject_unreadable(f, "an element of the daemon's list is not an object");
                        f->state = LIST_INSIDE;
                        f->null_element = c == 'n';
                        f->scan = (struct json_scan){ 0 };
                        f->blank = 0;
                        break;
                case LIST_END:
                        /* Data behind the list never reaches the client. A list that is to be thinned out is refused
                         * for it. */
                        if (f->thinned)
                                return reject(f, REASON_visibility_policy_lookup_failed,
                                              "there is data behind the daemon's list");
                        f->state = LIST_BEHIND;
                        break;
                case LIST_INSIDE:
                case LIST_BEHIND:
                        break;
                }
                if (f->out.failed)
                        return reject_large(f);
        }
        return 0;
}

int response_filter_data(struct response_filter *f, struct slice in) {
        int r = 0;

        if (f->failed)
                return -EBADMSG;
        if (f->list)
                r = feed_list(f, in);
        else {
                strbuf_add(&f->value, in);
                if (f->value.failed)
                        return reject_large(f);
        }
        if (r == 0 && f->list && f->out.len > RESPONSE_HOLD_MAX)
                f->held = false;
        return r;
}

static int end_object(struct response_filter *f) {
        struct slice text = strbuf_view(&f->value), value = text;
        struct json_value v;
        int r;

        while (value.len && is_blank(value.at[0]))
                value = slice_from(value, 1);
        while (value.len && is_blank(value.at[value.len - 1]))
                value.len--;
        arena_reset(&f->scratch);
        if (value.len == 0 || json_validate(text, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES,
                                            RESPONSE_DEPTH_MAX, &f->scratch, NULL) < 0)
                return reject_unreadable(f, "the daemon's answer is not JSON");
        v = json_root(text);
        if (f->only_null && v.type != JSON_NULL)
                return reject_unreadable(f, "the daemon's answer is not a list");
        strbuf_add(&f->out, slice_make(text.at, (size_t) (value.at - text.at)));
        r = append_redacted(f, v);
        if (r < 0)
                return r;
        strbuf_add(&f->out, slice_from(text, (size_t) (value.at - text.at) + value.len));
        return f->out.failed ? reject_large(f) : 0;
}

int response_filter_end(struct response_filter *f, bool complete) {
        bool nothing;

        if (f->failed)
                return -EBADMSG;
        if (!complete)
                return reject_unreadable(f, "the daemon's answer broke off");
        nothing = f->list ? f->state == LIST_START && f->blank == 0 : f->value.len == 0;
        /* DELETE of a service or a node succeeds without a body: what was done must not look as if it failed (4.3). */
        if (nothing && f->method != HTTP_GET)
                return 0;
        if (!f->list)
                return end_object(f);
        if (f->state != LIST_END && f->state != LIST_BEHIND)
                return reject_unreadable(f, "the daemon's list is cut short");
        return 0;
}

struct strbuf *response_filter_output(struct response_filter *f) {
        return &f->out;
}

bool response_filter_held(const struct response_filter *f) {
        return f->held;
}

void response_filter_verdict(const struct response_filter *f, struct exchange *x) {
        x->verdict.code = f->code;
        x->verdict.reason = slice_of(f->why);
        x->verdict.status = 502;
        x->verdict.body_kind = ANSWER_MESSAGE;
        if (f->code != REASON_upstream_response_rejected_by_policy)
                x->verdict.decision = DECISION_DENY;
}

void response_filter_free(struct response_filter *f) {
        if (!f)
                return;
        strbuf_free(&f->value);
        strbuf_free(&f->out);
        arena_free(&f->scratch);
}
