/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"
#include "ctl/companion.h"
#include "ctl/view.h"
#include "telemetry/access.h"

/*
 * A filter died in the middle of a request (SIGKILL, no memory, a fault): nobody else will ever record it, so the
 * companion does, from what the filter had published in its lease (chapter 06, 8.4). That is the word of a process that
 * spoke with a hostile client: slots are bounded, texts end where their room ends, and the record's writer escapes
 * them.
 */

static struct slice text_in(const char *at, size_t room) {
        return slice_make(at, strnlen(at, room));
}

/* Thirty-two lower-case digits, or nothing. */
static void copy_id(char to[33], const char from[32]) {
        for (int i = 0; i < 32; i++)
                if (!((from[i] >= '0' && from[i] <= '9') || (from[i] >= 'a' && from[i] <= 'f'))) {
                        to[0] = '\0';
                        return;
                }
        memcpy(to, from, 32);
        to[32] = '\0';
}

static void fill_peer(const struct state_lease *l, struct peer *p) {
        uint64_t who = state_get(&l->who), caller = state_get(&l->caller);
        struct slice client = text_in(l->client, sizeof(l->client)), host;
        ssize_t colon = slice_rfind(client, ':');
        struct ip_address ip;

        *p = (struct peer){ .kind = PEER_UNIX,
                            .uid = (uid_t) (who >> 32),
                            .gid = (gid_t) (caller >> 32),
                            .pid = (pid_t) (caller & INT32_MAX),
                            .pidfd = -1 };
        snprintf(p->text, sizeof(p->text), "%.*s", SLICE_ARG(client));
        if (p->uid != UINT32_MAX)
                return;
        p->cred_error = -ENODATA;
        host = slice_upto(client, colon > 0 ? (size_t) colon : 0);
        if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
                host = slice_make(host.at + 1, host.len - 2);
        if (ip_parse(host, &ip) < 0)
                return;
        p->kind = PEER_TCP;
        p->has_ip = true;
        p->ip_is_v4 = ip.v4;
        memcpy(p->ip, ip.at, sizeof(p->ip));
}

/* The profile, if the policy in force has one of the name that the lease's slot has. */
static void fill_profile(const struct companion *c, uint32_t slot, struct exchange *x) {
        const struct state_profile *s = &c->state.map->profiles[slot % STATE_PROFILES];
        uint32_t len = s->name_len;
        struct slice name = slice_make(s->name, len < sizeof(s->name) ? len : sizeof(s->name));
        int scope = slot ? policy_scope_find(&c->policy, name) : -1;

        x->scope = POLICY_SCOPE_ROOT;
        if (scope <= 0)
                return;
        x->scope = (uint32_t) scope;
        x->profile_selected = true;
        x->profile = name;
        x->mode = (enum rollout_mode) policy_scope(&c->policy, x->scope)->mode;
}

static void fill_verdict(uint64_t word, struct verdict *v) {
        uint64_t rule = word >> 16, code = word >> 8 & 0xff;

        *v = (struct verdict){ .decision = (enum decision)(word & 3),
                               .rule = rule <= 1u << 20 ? (int) rule - 1 : 0,
                               .code = code < REASON_MAX_ ? (enum reason_code) code : REASON_NONE };
        if (rule == 0 && code == REASON_NONE && v->decision == DECISION_NONE)
                v->rule = 0; /* it had not come so far */
}

static const struct listener *listener_of(const struct companion *c, uint32_t slot) {
        for (size_t i = 0; i < c->n_listeners; i++)
                if (slot && c->listeners[i].slot == slot)
                        return &c->listeners[i];
        return NULL;
}

void dead_record(struct companion *c, const struct state_lease *l) {
        uint64_t who = state_get(&l->who), route = state_get(&l->route);
        const struct listener *listener = listener_of(c, (uint32_t) (who & 0xff));
        struct log *out = ctl_log(LEVEL_WARN, "filter died during a request");
        struct exchange x = { .policy = &c->policy, .aborted = true, .head = { .minor = 1 } };
        struct peer peer;

        metrics_lost(c->state.map, l, c->policy.root->metrics.enabled && !(listener && listener->admin));
        fill_peer(l, &peer);
        if (listener)
                peer.tls = listener->tls;
        fill_profile(c, (uint32_t) (who >> 8 & 0xffffff), &x);
        fill_verdict(state_get(&l->verdict), &x.verdict);
        copy_id(x.request_id, l->request_id);
        copy_id(x.trace.trace_id, l->trace_id);
        x.peer = &peer;
        x.listener_name = listener ? slice_of(listener->name) : SLICE("");
        x.listener_is_tcp = listener ? listener->tcp : peer.kind == PEER_TCP;
        x.head.method_text = slice_of(view_method((uint32_t) (route >> 16)));
        x.target.decoded = text_in(l->path, sizeof(l->path));
        if (out) {
                log_u64(out, "pid", state_get(&l->owner));
                log_str(out, "method", x.head.method_text);
                log_str(out, "path", x.target.decoded);
                log_str(out, "request_id", slice_of(x.request_id));
                log_str(out, "client", slice_of(peer.text));
                if (peer.uid != UINT32_MAX)
                        log_u64(out, "uid", peer.uid);
                log_bool(out, "aborted", true);
                log_end(out);
        }
        if (ctl_audit())
                audit_record(ctl_audit(), &x);
}
