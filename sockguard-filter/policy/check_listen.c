/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners (chapter 01, 3.1 to 3.3) and the dedicated admin listener (3.8, 3.9). All three kinds have the same fields.
 */
#include "base/unicode.h"
#include "http/target.h"
#include "policy/address.h"
#include "policy/check.h"

#define LISTENERS_MAX 32u

/* One listener, whichever block it is written in. */
struct listener {
        struct pstr *socket, *socket_mode, *address;
        bool *plain_tcp, *unauthenticated;
        struct opt_tls *tls;
        struct opt_int *uid, *gid;
};

#define LISTENER_OF(block) \
        (struct listener) { \
                &(block)->socket, &(block)->socket_mode, &(block)->address, &(block)->insecure_allow_plain_tcp, \
                        &(block)->insecure_allow_unauthenticated_clients, &(block)->tls, &(block)->socket_uid, \
                        &(block)->socket_gid \
        }

struct tls_facts tls_facts_of(const struct opt_tls *t) {
        return (struct tls_facts){
                .any = t->cert_file.len || t->key_file.len || t->client_ca_file.len || t->common_names.n ||
                       t->dns_names.n || t->ip_addresses.n || t->uri_sans.n || t->public_key_sha256_pins.n,
                .complete = t->cert_file.len && t->key_file.len && t->client_ca_file.len,
        };
}

static void check_socket(struct config *c, const struct listener *l) {
        struct slice mode = unicode_trim(text_of(c, *l->socket_mode));
        bool group = slice_eq(mode, SLICE("0660"));

        if (!group && !slice_eq(mode, SLICE("0600")))
                complain(c, l->socket_mode,
                         "must be \"0600\" or \"0660\", in quotes: without them YAML reads an octal number");
        else if (group && !l->gid->set)
                complain(c, l->socket_mode, "0660 needs socket_gid, the group that may connect");
        if (l->uid->set && l->uid->value < 0)
                complain(c, l->uid, "must not be negative");
        if (l->gid->set && l->gid->value < 0)
                complain(c, l->gid, "must not be negative");
        if (l->uid->set && l->uid->value >= UINT32_MAX)
                complain(c, l->uid, "is no user id");
        if (l->gid->set && l->gid->value >= UINT32_MAX)
                complain(c, l->gid, "is no group id");
}

static void check_plaintext(struct config *c, const struct listener *l) {
        if (host_port_is_loopback(text_of(c, *l->address)) || tls_facts_of(l->tls).complete ||
            (*l->plain_tcp && *l->unauthenticated))
                return;
        complain(c, l->address,
                 "is reachable from other hosts: configure tls, or set both insecure_allow_plain_tcp and "
                 "insecure_allow_unauthenticated_clients");
}

static void check_tcp(struct config *c, const struct listener *l, bool admin) {
        struct tls_facts tls = tls_facts_of(l->tls);
        struct slice host, port;

        if (host_port_split(text_of(c, *l->address), &host, &port) < 0 ? *l->plain_tcp && *l->unauthenticated
                                                                       : !port_valid(port))
                complain(c, l->address, "must be HOST:PORT with a port from 0 to 65535");
        if (tls.any && !tls.complete) {
                struct pstr *missing = !l->tls->cert_file.len  ? &l->tls->cert_file
                                       : !l->tls->key_file.len ? &l->tls->key_file
                                                               : &l->tls->client_ca_file;

                complain(c, missing, "tls needs all of cert_file, key_file and client_ca_file");
                if (!admin)
                        return;
        }
        if (tls.complete)
                check_tls_files(c, l->tls);
        check_plaintext(c, l);
}

/* ---- several listeners ---- */

static bool name_well_formed(struct slice name) {
        if (name.len == 0 || name.len > 63 || name.at[0] < 'a' || name.at[0] > 'z')
                return false;
        for (size_t i = 1; i < name.len; i++)
                if (!(name.at[i] >= 'a' && name.at[i] <= 'z') && !(name.at[i] >= '0' && name.at[i] <= '9') &&
                    name.at[i] != '-')
                        return false;
        return true;
}

static void check_name(struct config *c, struct opt_listener *all, uint32_t i) {
        struct slice name = text_of(c, all[i].name);

        if (!name_well_formed(name))
                return complain(c, &all[i].name,
                                "a listener needs a name of a-z, 0-9 and -, at most 63 long, starting with a letter");
        if (slice_eq(name, SLICE("admin")))
                return complain(c, &all[i].name, "is reserved for the admin listener");
        for (uint32_t k = 0; k < i; k++)
                if (slice_eq(text_of(c, all[k].name), name))
                        return complain(c, &all[i].name, "another listener has this name");
}

static void check_allowed_profiles(struct config *c, struct opt_listener *l) {
        struct pstr *at = list_of(c, l->allowed_profiles, struct pstr);
        uint32_t n = l->allowed_profiles.n;
        struct text_set seen;

        if (n == 0)
                return complain(c, &l->allowed_profiles, "must name at least one profile, or be [\"*\"]");
        for (uint32_t i = 0; i < n; i++)
                if (slice_eq(text_of(c, at[i]), SLICE("*"))) {
                        if (n > 1)
                                complain(c, at + i, "\"*\" stands alone");
                        return;
                }
        text_set_init(&seen, &c->arena, n);
        for (uint32_t i = 0; i < n; i++)
                if (!text_set_add(&seen, text_of(c, at[i])))
                        complain(c, at + i, "stands twice");
                else if (!text_set_has(&c->profile_names, text_of(c, at[i])))
                        complain(c, at + i, "no such profile in clients.profiles");
}

static void check_explicit(struct config *c) {
        struct opt_listener *all = list_of(c, c->root->listeners, struct opt_listener);
        uint32_t n = c->root->listeners.n;

        if (n > LISTENERS_MAX)
                complain(c, &c->root->listeners, "there are %u listeners, at most %u are possible", n, LISTENERS_MAX);
        for (uint32_t i = 0; i < n && i <= LISTENERS_MAX; i++) {
                struct listener l = LISTENER_OF(all + i);

                check_name(c, all, i);
                if (!l.socket->len == !l.address->len) {
                        complain(c, l.socket->len ? l.socket : &all[i].name,
                                 "a listener needs exactly one of socket and address");
                } else if (l.socket->len) {
                        check_socket(c, &l);
                        if (tls_facts_of(l.tls).any)
                                complain(c, l.socket, "a unix socket takes no tls");
                } else {
                        check_tcp(c, &l, false);
                        if (l.uid->set || l.gid->set)
                                complain(c, l.address, "socket_uid and socket_gid belong to unix sockets");
                }
                check_allowed_profiles(c, all + i);
        }
}

/* ---- two listeners on one address ---- */

/* An address as it compares: canonical literal or lower-case name, port without leading zeros. */
static struct slice address_key(struct config *c, struct slice text) {
        struct slice host, port;
        struct ip_address ip;
        char literal[IP_TEXT_MAX];

        if (host_port_split(text, &host, &port) < 0)
                return text;
        while (port.len > 1 && port.at[0] == '0')
                port = slice_from(port, 1);
        if (ip_parse(host, &ip) == 0)
                host = arena_dup(&c->arena, slice_make(literal, ip_format(&ip, literal)));
        else
                host = unicode_lower(&c->arena, host);
        return arena_printf(&c->arena, "[%.*s]:%.*s", SLICE_ARG(host), SLICE_ARG(port));
}

static void check_unique(struct config *c) {
        struct opt_listener *all = list_of(c, c->root->listeners, struct opt_listener);
        uint32_t n = c->root->listeners.n;
        struct opt_admin_listen *admin = &c->root->admin.listen;

        /* One more round for the admin listener, which counts even while it is switched off. */
        for (uint32_t i = 0; i <= n && i <= LISTENERS_MAX; i++) {
                struct pstr *socket = i < n ? &all[i].socket : &admin->socket,
                            *address = i < n ? &all[i].address : &admin->address;

                for (uint32_t k = 0; k < i && k < LISTENERS_MAX; k++) {
                        if (socket->len && slice_eq(text_of(c, *socket), text_of(c, all[k].socket)))
                                complain(c, socket, "another listener has this socket");
                        if (address->len && all[k].address.len &&
                            slice_eq(address_key(c, text_of(c, *address)), address_key(c, text_of(c, all[k].address))))
                                complain(c, address, "another listener has this address");
                }
        }
}

void check_listeners(struct config *c) {
        struct listener legacy = LISTENER_OF(&c->root->listen);

        if (c->root->listeners.n) {
                if (c->listen_explicit)
                        complain(c, &c->root->listeners, "listen and listeners exclude each other: keep one of them");
                if (c->source.flags && c->source.flags->listen_socket)
                        complain(c, &c->root->listen.socket, "cannot be given together with listeners");
                check_explicit(c);
                check_unique(c);
                return;
        }
        if (legacy.socket->len)
                check_socket(c, &legacy);
        else if (legacy.address->len)
                check_tcp(c, &legacy, false);
        else
                complain(c, legacy.address, "at least one listener is needed: set listen.socket or listen.address");
}

/* ---- the admin listener ---- */

static void check_admin_listener(struct config *c) {
        struct opt_root *r = c->root;
        struct listener l = LISTENER_OF(&r->admin.listen);

        if (l.socket->len && l.address->len)
                complain(c, l.address, "the admin listener needs one of socket and address, not both");
        if (l.socket->len) {
                check_socket(c, &l);
                if (slice_eq(text_of(c, *l.socket), text_of(c, r->listen.socket)))
                        complain(c, l.socket, "is the socket of the main listener");
        }
        if (l.address->len) {
                check_tcp(c, &l, true);
                if (!tls_facts_of(l.tls).complete && !host_port_is_loopback(text_of(c, *l.address)) &&
                    !r->clients.allowed_cidrs.n && !r->admin.listen.insecure_allow_wide_open)
                        complain(c, l.address,
                                 "anybody could administer: configure tls or clients.allowed_cidrs, or set "
                                 "admin.listen.insecure_allow_wide_open");
                if (!r->listeners.n && !r->listen.socket.len &&
                    slice_eq(text_of(c, *l.address), text_of(c, r->listen.address)))
                        complain(c, l.address, "is the address of the main listener");
        }
}

static void check_mount(struct config *c) {
        const struct opt_listener *all = list_of(c, c->root->listeners, struct opt_listener);
        struct pstr *mount = &c->root->admin.mount_on;
        struct slice names[LISTENERS_MAX];
        uint32_t n = c->root->listeners.n;

        if (n < 2)
                return; /* there is nothing to choose */
        for (uint32_t i = 0; i < n && i < LISTENERS_MAX; i++) {
                names[i] = text_of(c, all[i].name);
                if (mount->len && slice_eq(text_of(c, *mount), names[i]))
                        return;
        }
        complain_near(c, mount, names, n < LISTENERS_MAX ? n : LISTENERS_MAX,
                      "with several listeners it must name the one that serves the admin paths");
}

/* Two paths of our own that would answer each other's requests: the admin paths answer whatever cleans to them. */
static void check_differs(struct config *c, struct pstr *path, bool other_on, const struct pstr *other,
                          const char *name) {
        if (other_on &&
            slice_eq(path_clean(text_of(c, *path), false, &c->arena), path_clean(text_of(c, *other), false, &c->arena)))
                complain(c, path, "must differ from %s", name);
}

void check_admin(struct config *c) {
        struct opt_root *r = c->root;
        struct opt_admin *a = &r->admin;

        path_starts_with_slash(c, &a->path);
        if (a->max_request_bytes <= 0)
                complain(c, &a->max_request_bytes, "must be above zero");
        check_differs(c, &a->path, r->health.enabled, &r->health.path, "health.path");
        check_differs(c, &a->path, r->metrics.enabled, &r->metrics.path, "metrics.path");
        path_starts_with_slash(c, &a->policy_version_path);
        check_differs(c, &a->policy_version_path, true, &a->path, "admin.path");
        check_differs(c, &a->policy_version_path, r->health.enabled, &r->health.path, "health.path");
        check_differs(c, &a->policy_version_path, r->metrics.enabled, &r->metrics.path, "metrics.path");
        check_differs(c, &a->policy_version_path, r->health.readiness.enabled, &r->health.readiness.path,
                      "health.readiness.path");
        if (a->listen.socket.len || a->listen.address.len)
                check_admin_listener(c);
        else
                check_mount(c);
}
