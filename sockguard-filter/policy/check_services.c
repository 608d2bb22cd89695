/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy itself does: the daemon behind it, logs, health, metrics, reload, bundle (chapter 01, 3.4
 * to 3.6, 3.10).
 */
#include "base/unicode.h"
#include "http/target.h"
#include "policy/address.h"
#include "policy/check.h"

static void check_endpoint(struct config *c, struct opt_endpoint *e) {
        struct opt_endpoint_tls *t = &e->tls;
        struct upstream_address a;
        const char *wrong = upstream_address_parse(unicode_trim(text_of(c, e->address)), &a);

        if (wrong)
                return complain(c, &e->address, "%s", wrong);
        if (a.is_unix) {
                if (t->ca_file.len || t->cert_file.len || t->key_file.len)
                        complain(c, &e->address, "a unix socket takes no tls files");
                return;
        }
        if (!t->cert_file.len != !t->key_file.len)
                complain(c, t->cert_file.len ? &t->cert_file : &t->key_file, "cert_file and key_file belong together");
        if (!t->ca_file.len && !t->cert_file.len && !t->key_file.len && !e->insecure_skip_tls_verify &&
            !e->insecure_allow_plain_tcp)
                complain(c, &e->address, "is not encrypted: set tls.ca_file, or insecure_allow_plain_tcp: true");
}

void check_upstream(struct config *c) {
        struct opt_upstream *u = &c->root->upstream;
        struct opt_endpoint *endpoints = list_of(c, u->endpoints, struct opt_endpoint);

        for (uint32_t i = 0; i < u->endpoints.n; i++)
                check_endpoint(c, endpoints + i);
        if (u->endpoints.n == 0) {
                struct slice s = text_of(c, u->socket);

                if (!slice_starts(s, SLICE("/")) && !slice_starts(s, SLICE("./")) && !slice_starts(s, SLICE("../")))
                        complain(c, &u->socket, "must be the path of the daemon's socket, starting with /, ./ or ../");
        }
        if (!slice_eq(text_of(c, u->request_timeout), SLICE("off")))
                check_duration(c, &u->request_timeout, true, DURATION_POSITIVE);
        if (!slice_eq(text_of(c, u->tunnel_idle_timeout), SLICE("off")))
                check_duration(c, &u->tunnel_idle_timeout, true, DURATION_POSITIVE);
        check_duration(c, &u->failover.health_interval, true, DURATION_NOT_ZERO);
        check_duration(c, &u->failover.health_timeout, true, DURATION_POSITIVE);
}

static void check_output(struct config *c, struct pstr *field) {
        struct slice out = unicode_trim(text_of(c, *field)), clean;

        if (slice_eq(out, SLICE("stderr")) || slice_eq(out, SLICE("stdout")))
                return;
        if (out.len) {
                clean = path_clean(out, true, &c->arena);
                if (clean.at[0] != '/' && !slice_eq(clean, SLICE("..")) && !slice_starts(clean, SLICE("../")))
                        return;
        }
        complain(c, field, "must be stderr, stdout, or a relative path that stays inside the working directory");
}

void check_log(struct config *c) {
        static const char *const levels[] = { "debug", "info", "warn", "error", NULL },
                                 *const formats[] = { "json", "text", NULL }, *const audit[] = { "json", NULL },
                                 *const verbosities[] = { "minimal", "verbose", NULL };
        struct opt_log *l = &c->root->log;

        check_word(c, &l->level, levels);
        check_word(c, &l->format, formats);
        check_output(c, &l->output);
        if (l->audit.enabled) {
                check_word(c, &l->audit.format, audit);
                check_output(c, &l->audit.output);
        }
        check_word(c, &c->root->response.deny_verbosity, verbosities);
}

void check_visible_labels(struct config *c, struct plist labels) {
        struct pstr *at = list_of(c, labels, struct pstr);

        for (uint32_t i = 0; i < labels.n; i++) {
                struct slice label = unicode_trim(text_of(c, at[i])), key, value;

                if (label.len == 0)
                        complain(c, at + i, "must not be blank");
                else if (slice_find(label, ',') >= 0)
                        complain(c, at + i, "must not hold a comma: one label an entry");
                else if (slice_cut(label, '=', &key, &value) ? unicode_trim(key).len == 0 : false)
                        complain(c, at + i, "has no key before the =");
                else if (slice_find(label, '=') >= 0 && unicode_trim(value).len == 0)
                        complain(c, at + i, "has no value behind the =; leave the = out to ask for the key alone");
        }
}

void check_patterns(struct config *c, struct plist names, struct plist images) {
        const struct plist lists[] = { names, images };

        for (size_t k = 0; k < 2; k++)
                for (uint32_t i = 0; i < lists[k].n; i++) {
                        struct pstr *at = list_of(c, lists[k], struct pstr) + i;

                        if (unicode_trim(text_of(c, *at)).len == 0)
                                complain(c, at, "must not be blank: nothing has an empty name");
                }
}

void check_health(struct config *c) {
        struct opt_root *r = c->root;
        struct opt_health *h = &r->health;
        struct opt_readiness *y = &h->readiness;
        const struct {
                bool on;
                struct pstr *path;
                const char *name;
        } others[] = {
                { h->enabled, &h->path, "health.path" },
                { r->metrics.enabled, &r->metrics.path, "metrics.path" },
        };

        if (h->enabled)
                path_starts_with_slash(c, &h->path);
        if (h->watchdog.enabled)
                check_duration(c, &h->watchdog.interval, false, DURATION_POSITIVE);
        if (y->enabled) {
                path_starts_with_slash(c, &y->path);
                check_duration(c, &y->interval, false, DURATION_POSITIVE);
                check_duration(c, &y->timeout, false, DURATION_POSITIVE);
                for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                        if (others[i].on && slice_eq(text_of(c, y->path), text_of(c, *others[i].path)))
                                complain(c, &y->path, "must differ from %s", others[i].name);
                /* The admin path answers whatever cleans to it. */
                if (r->admin.enabled && slice_eq(path_clean(text_of(c, y->path), false, &c->arena),
                                                 path_clean(text_of(c, r->admin.path), false, &c->arena)))
                        complain(c, &y->path, "must differ from admin.path");
        }
        if (r->metrics.enabled)
                path_starts_with_slash(c, &r->metrics.path);
        if (h->enabled && r->metrics.enabled && slice_eq(text_of(c, h->path), text_of(c, r->metrics.path)))
                complain(c, &r->metrics.path, "must differ from health.path");
}

void check_reload(struct config *c) {
        check_duration(c, &c->root->reload.debounce, true, DURATION_NOT_NEGATIVE);
        check_duration(c, &c->root->reload.poll_interval, true, DURATION_NOT_NEGATIVE);
}

void check_bundle(struct config *c) {
        struct opt_policy_bundle *b = &c->root->policy_bundle;

        if (unicode_trim(text_of(c, b->signature_path)).len == 0)
                complain(c, &b->signature_path, "a signed bundle needs the path of its signature");
        check_trust_roots(c, b->allowed_signing_keys, b->allowed_keyless, &b->verify_timeout, &b->enabled);
}
