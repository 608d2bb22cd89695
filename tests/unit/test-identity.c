/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling and which policy applies (stages 6a to 7): policies as texts, peers as structures, the daemon as a
 * function.
 */
#include <errno.h>

#include "check.h"
#include "identity/certificate.h"
#include "identity/peer.h"
#include "policy/load.h"

static struct config *config;
static struct policy policy;
static struct arena arena;
static struct exchange x;
static struct peer peer;
static struct caller_memo memo;

#define TLS "tls: {cert_file: /c, key_file: /k, client_ca_file: /a}"
#define TCP_AND_UNIX \
        "listeners:\n" \
        "  - {name: tcp, address: \"127.0.0.1:1\", allowed_profiles: [\"*\"], " TLS "}\n" \
        "  - {name: unix, socket: /run/x, socket_mode: \"0600\", allowed_profiles: [\"*\"]}\n"
#define RULES "rules: [{match: {method: GET, path: /_ping}, action: allow}]\n"
#define PROFILE(name) "    - {name: " name ", rules: [{match: {method: GET, path: /_ping}, action: allow}]}\n"
#define PROFILES \
        "  profiles:\n" PROFILE("a") PROFILE("b") PROFILE( \
                "c") "    - {name: w, mode: warn, rules: [{match: {method: GET, path: /_ping}, action: allow}]}\n"

static bool accepts(const char *text) {
        struct config_source source = { .path = "test", .from_memory = true, .no_files = true, .text = slice_of(text) };
        struct slice image;
        struct error e = { "" };

        config_free(config);
        config = NULL;
        arena_free(&arena);
        arena_init(&arena, 64u << 20, NULL);
        return config_load(&source, &config) == 0 && config_check(config) == 0 &&
               config_compile(config, 1, &image) == 0 && policy_image_view(image.at, image.len, &policy, &e) == 0;
}

/* `clients` is what stands below that key. */
static void use(const char *listeners, const char *clients) {
        static char text[16384];

        snprintf(text, sizeof(text), "%s" RULES "%s%s" PROFILES, listeners, "clients:\n", clients);
        if (!accepts(text)) {
                fprintf(stderr, "this policy is refused:\n%s\n", text);
                exit(1);
        }
}

static void begin(const char *method, const char *path) {
        enum reason_code code;
        const char *why;

        peer.text[0] = '\0';
        x = (struct exchange){ .policy = &policy,
                               .arena = &arena,
                               .peer = &peer,
                               .spool_fd = -1,
                               .caller = &memo,
                               .listener_name = SLICE("tcp") };
        x.head.method_text = slice_of(method);
        x.head.method = http_method_of(x.head.method_text);
        if (http_target_parse(slice_of(path), true, &arena, &x.target, &code, &why) < 0)
                exit(1);
}

static void from_address(const char *text) {
        struct ip_address ip;

        peer = (struct peer){ .kind = PEER_TCP, .pidfd = -1 };
        if (!text)
                return;
        if (ip_parse(slice_of(text), &ip) < 0)
                exit(1);
        ip_unmap(&ip); /* as peer_capture() does */
        peer.has_ip = true;
        memcpy(peer.ip, ip.at, sizeof(peer.ip));
        peer.ip_is_v4 = ip.v4;
}

static void from_unix(uid_t uid, gid_t gid, pid_t pid) {
        peer = (struct peer){ .kind = PEER_UNIX, .uid = uid, .gid = gid, .pid = pid, .pidfd = -1 };
}

/* ---- 6a ---- */

static void an_address_is_admitted_by_the_prefixes_of_its_family(void) {
        static const struct {
                const char *list, *address;
                bool want;
        } rows[] = {
                { "[]", "192.0.2.1", true },
                { "[10.0.0.0/8]", "10.255.0.1", true },
                { "[10.0.0.0/8]", "11.0.0.1", false },
                { "[\" 10.0.0.0/8 \"]", "10.0.0.1", true },
                { "[\"\\u00a010.0.0.0/8\"]", "10.0.0.1", true }, /* white space is Unicode's */
                { "[10.9.8.7/8]", "10.0.0.1", true },            /* host bits are masked off */
                { "[192.0.2.0/24, 10.0.0.0/8]", "10.0.0.1", true },
                { "[0.0.0.0/0]", "203.0.113.9", true },
                { "[0.0.0.0/0]", "2001:db8::1", false },
                { "[\"::/0\"]", "203.0.113.9", false },
                { "[\"::/0\"]", "2001:db8::1", true },
                { "[\"2001:db8::/32\"]", "2001:db8:ffff::1", true },
                { "[\"2001:db8::/32\"]", "2001:db9::1", false },
                { "[10.0.0.0/8]", "::ffff:10.0.0.1", true },        /* addresses are unmapped ... */
                { "[\"::ffff:10.0.0.0/104\"]", "10.0.0.1", false }, /* ... prefixes are not */
                { "[\"::ffff:10.0.0.0/104\"]", "::ffff:10.0.0.1", false },
                { "[0.0.0.0/0, \"::/0\"]", NULL, false },
        };
        char clients[256];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                enum stage_result r;

                snprintf(clients, sizeof(clients), "  allowed_cidrs: %s\n", rows[i].list);
                use(TCP_AND_UNIX, clients);
                from_address(rows[i].address);
                begin("GET", "/_ping");
                r = stage_admission(&x);
                if ((r == STAGE_NEXT) != rows[i].want)
                        fprintf(stderr, "%s in %s\n", rows[i].address, rows[i].list);
                CHECK_INT(r, rows[i].want ? STAGE_NEXT : STAGE_ANSWER);
                if (!rows[i].want) {
                        CHECK_INT(x.verdict.code, REASON_client_ip_not_allowed);
                        CHECK_INT(x.verdict.status, 403);
                }
        }
}

static void who_has_no_address_or_one_with_a_zone_is_in_no_prefix(void) {
        use(TCP_AND_UNIX,
            "  allowed_cidrs: [0.0.0.0/0, \"::/0\"]\n  source_ip_profiles: [{profile: a, cidrs: [\"::/0\"]}]\n");
        from_unix(0, 0, 1);
        begin("GET", "/_ping");
        CHECK_INT(stage_admission(&x), STAGE_ANSWER);
        peer = (struct peer){ .kind = PEER_PIPE, .pidfd = -1 };
        begin("GET", "/_ping");
        CHECK_INT(stage_admission(&x), STAGE_ANSWER);
        from_address("fe80::1");
        peer.ip_has_zone = true;
        begin("GET", "/_ping");
        CHECK_INT(stage_admission(&x), STAGE_ANSWER);
        begin("GET", "/_ping");
        CHECK_INT(stage_profile(&x), STAGE_NEXT);
        CHECK(!x.profile_selected);
}

/* A prefix that a policy may not have. */
static void a_prefix_is_an_address_and_bits(void) {
        static const char *const bad[] = {
                "10.0.0.1", "10.0.0.0/",   "10.0.0.0/33", "10.0.0.0/08",    "010.0.0.0/8", "10.0.0.0/+8",
                "10.0.0/8", "::1",         "::/129",      "fe80::%eth0/64", "[::]/0",      "*",
                "",         "10.0.0.0 /8", "a.example/8"
        };
        char text[1024];

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                snprintf(text, sizeof(text), TCP_AND_UNIX RULES "clients: {allowed_cidrs: [\"%s\"]}\n", bad[i]);
                CHECK(!accepts(text));
                snprintf(text, sizeof(text),
                         TCP_AND_UNIX RULES
                         "clients:\n  source_ip_profiles: [{profile: a, cidrs: [\"%s\"]}]\n" PROFILES,
                         bad[i]);
                CHECK(!accepts(text));
        }
}

/* ---- 6b ---- */

/* The name of the selected profile; "-" none; the reason code when there is an answer. */
static const char *profile_of(void) {
        static char text[64];

        begin("GET", "/_ping");
        if (stage_profile(&x) == STAGE_ANSWER)
                return reason_name(x.verdict.code).at;
        if (!x.profile_selected)
                return "-";
        snprintf(text, sizeof(text), "%.*s", SLICE_ARG(x.profile));
        return text;
}

static void unix_credentials_select_by_equality(void) {
        static const struct {
                const char *selectors;
                uid_t uid;
                gid_t gid;
                pid_t pid;
                const char *want;
        } rows[] = {
                { "uids: [1000]", 1000, 5, 9, "a" },
                { "uids: [1000]", 1001, 5, 9, "-" },
                { "uids: [0]", 0, 0, 9, "a" },
                { "uids: [7, 1000]", 1000, 5, 9, "a" },
                { "uids: [4294967295]", 4294967295u, 5, 9, "a" },
                { "gids: [5]", 1000, 5, 9, "a" },
                { "gids: [5]", 1000, 6, 9, "-" },
                { "uids: [1000], gids: [5]", 1000, 5, 9, "a" },
                { "uids: [1000], gids: [5]", 1000, 6, 9, "-" },
                { "uids: [1000], gids: [5]", 1001, 5, 9, "-" },
                { "uids: [1000], pids: [9]", 1000, 5, 9, "a" },
                { "uids: [1000], pids: [9, 10]", 1000, 5, 10, "a" },
                { "uids: [1000], pids: [9]", 1000, 5, 10, "-" },
                { "uids: [1000], pids: [9]", 1000, 5, 0, "-" },
                { "gids: [5], pids: [9]", 1000, 5, 9, "a" },
        };
        char clients[256];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                snprintf(clients, sizeof(clients), "  unix_peer_profiles: [{profile: a, %s}]\n", rows[i].selectors);
                use(TCP_AND_UNIX, clients);
                from_unix(rows[i].uid, rows[i].gid, rows[i].pid);
                CHECK_STR(slice_of(profile_of()), rows[i].want);
        }
}

static void a_pid_whose_process_is_gone_selects_nothing(void) {
        use(TCP_AND_UNIX,
            "  unix_peer_profiles: [{profile: a, uids: [1000], pids: [9]}, {profile: b, uids: [1000]}]\n");
        from_unix(1000, 5, 9);
        peer.pid_gone = true;
        CHECK_STR(slice_of(profile_of()), "b");
}

static void assignments_that_name_nobody_are_refused(void) {
        static const struct {
                const char *clients;
                bool want;
        } rows[] = {
                { "unix_peer_profiles: [{profile: a, uids: [1]}]", true },
                { "unix_peer_profiles: [{profile: a}]", false },
                { "unix_peer_profiles: [{profile: a, pids: [1]}]", false },
                { "unix_peer_profiles: [{profile: a, uids: [1], pids: [0]}]", false },
                { "unix_peer_profiles: [{profile: a, uids: [1], pids: [-1]}]", false },
                { "unix_peer_profiles: [{profile: none, uids: [1]}]", false },
                { "unix_peer_profiles: [{uids: [1]}]", false },
                { "unix_peer_profiles: [{profile: a, uids: [4294967296]}]", false },
                { "unix_peer_profiles: [{profile: a, uids: [-1]}]", false },
                { "source_ip_profiles: [{profile: a, cidrs: []}]", false },
                { "source_ip_profiles: [{profile: a}]", false },
                { "source_ip_profiles: [{profile: A, cidrs: [0.0.0.0/0]}]", false },
                { "default_profile: a", true },
                { "default_profile: \" a \"", false },
                { "default_profile: A", false },
                { "default_profile: \"*\"", false },
                { "client_certificate_profiles: [{profile: a}]", false },
                { "client_certificate_profiles: [{profile: a, common_names: [x]}]", true },
                { "client_certificate_profiles: [{profile: a, common_names: [\" \"]}]", false },
                { "client_certificate_profiles: [{profile: a, dns_names: [x, \"\"]}]", false },
                { "client_certificate_profiles: [{profile: a, ip_addresses: [10.0.0.0/8]}]", false },
                { "client_certificate_profiles: [{profile: a, ip_addresses: [\"::1\"]}]", true },
                { "client_certificate_profiles: [{profile: a, uri_sans: [\"urn:x\"]}]", true },
                { "client_certificate_profiles: [{profile: a, uri_sans: [\"\"]}]", false },
                { "client_certificate_profiles: [{profile: a, spiffe_ids: [\"spiffe://td/x\"]}]", true },
                { "client_certificate_profiles: [{profile: a, spiffe_ids: [\"urn:x\"]}]", false },
                { "client_certificate_profiles: [{profile: a, public_key_sha256_pins: [abc]}]", false },
        };
        char text[2048];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                snprintf(text, sizeof(text), TCP_AND_UNIX RULES "clients:\n  %s\n" PROFILES, rows[i].clients);
                if (accepts(text) != rows[i].want)
                        fprintf(stderr, "%s\n", rows[i].clients);
                CHECK(accepts(text) == rows[i].want);
        }
}

static void selectors_need_a_listener_of_their_kind(void) {
#define UNIX_ONLY "listeners: [{name: u, socket: /run/x, socket_mode: \"0600\", allowed_profiles: [\"*\"]}]\n"
#define PLAIN_ONLY "listeners: [{name: t, address: \"127.0.0.1:1\", allowed_profiles: [\"*\"]}]\n"
        CHECK(!accepts(UNIX_ONLY RULES "clients: {allowed_cidrs: [10.0.0.0/8]}\n"));
        CHECK(!accepts(UNIX_ONLY RULES "clients: {container_labels: {enabled: true}}\n"));
        CHECK(!accepts(UNIX_ONLY RULES
                       "clients:\n  source_ip_profiles: [{profile: a, cidrs: [10.0.0.0/8]}]\n" PROFILES));
        CHECK(!accepts(PLAIN_ONLY RULES
                       "clients:\n  client_certificate_profiles: [{profile: a, common_names: [x]}]\n" PROFILES));
        CHECK(!accepts(PLAIN_ONLY RULES "clients:\n  unix_peer_profiles: [{profile: a, uids: [1]}]\n" PROFILES));
        CHECK(accepts(PLAIN_ONLY RULES "clients: {container_labels: {enabled: true}}\n"));
        CHECK(!accepts(PLAIN_ONLY RULES "clients: {container_labels: {enabled: true, label_prefix: \"\"}}\n"));
}

static void a_profile_name_loses_outer_blanks_once_for_all(void) {
        CHECK(accepts(TCP_AND_UNIX RULES "clients:\n  default_profile: a\n  profiles:\n" PROFILE("\" a \"")));
        from_address("10.0.0.1");
        CHECK_STR(slice_of(profile_of()), "a");
        CHECK(!x.profile_unresolved);
        CHECK(!accepts(TCP_AND_UNIX RULES "clients:\n  profiles:\n" PROFILE("\" a \"") PROFILE("a")));
        CHECK(!accepts(TCP_AND_UNIX RULES "clients:\n  profiles:\n" PROFILE("\" \"")));
        CHECK(!accepts(TCP_AND_UNIX RULES "clients:\n  profiles:\n" PROFILE("\" * \"")));
}

static struct peer_certificate certificate;

/* cert beats unix beats address beats default; the first assignment of a kind beats the next. */
static void the_strongest_selector_decides_and_is_final(void) {
        use(TCP_AND_UNIX,
            "  default_profile: w\n"
            "  client_certificate_profiles: [{profile: a, common_names: [ci]}, {profile: b, common_names: [ci]}]\n"
            "  unix_peer_profiles: [{profile: b, uids: [1000]}, {profile: a, uids: [1000]}]\n"
            "  source_ip_profiles: [{profile: c, cidrs: [192.0.2.0/24, 10.0.0.0/8]}, {profile: a, cidrs: "
            "[10.0.0.1/32]}]\n");
        certificate = (struct peer_certificate){ .common_name = SLICE("ci") };

        from_address("10.0.0.1");
        peer.certificate = &certificate;
        CHECK_STR(slice_of(profile_of()), "a");
        CHECK_INT(x.mode, MODE_ENFORCE);
        certificate.common_name = SLICE("other");
        CHECK_STR(slice_of(profile_of()), "c");
        from_address("203.0.113.1");
        CHECK_STR(slice_of(profile_of()), "w");
        CHECK_INT(x.mode, MODE_WARN);
        from_unix(1000, 0, 1);
        CHECK_STR(slice_of(profile_of()), "b");
        from_unix(1, 0, 1);
        CHECK_STR(slice_of(profile_of()), "w");
        peer = (struct peer){ .kind = PEER_PIPE, .uid = 1000, .pidfd = -1 };
        CHECK_STR(slice_of(profile_of()), "w");
}

static void credentials_that_cannot_be_read_do_not_fall_through(void) {
        use(TCP_AND_UNIX, "  default_profile: w\n  unix_peer_profiles: [{profile: b, uids: [1000]}]\n");
        from_unix(1000, 0, 1);
        peer.cred_error = EPERM;
        CHECK_STR(slice_of(profile_of()), "client_identity_lookup_failed");
        CHECK_INT(x.verdict.status, 502);
        use(TCP_AND_UNIX, "  default_profile: w\n");
        CHECK_STR(slice_of(profile_of()), "w");
        use(TCP_AND_UNIX, "  unix_peer_profiles: [{profile: b, uids: [1000]}]\n  client_certificate_profiles: "
                          "[{profile: a, common_names: [ci]}]\n");
        certificate = (struct peer_certificate){ .common_name = SLICE("ci") };
        peer.certificate = &certificate;
        CHECK_STR(slice_of(profile_of()), "a");
}

static void certificates_are_compared_field_by_field(void) {
#define PIN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PIN_UPPER "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
        static const struct {
                const char *selectors;
                bool want;
        } rows[] = {
                { "common_names: [ci]", true },
                { "common_names: [CI]", false },
                { "common_names: [\" ci \"]", true }, /* configured texts are trimmed */
                { "common_names: [\"\\u2003ci\"]", true },
                { "common_names: [c, ci]", true },
                { "common_names: [\"*\"]", false },
                { "dns_names: [a.example]", true },
                { "dns_names: [\" b.example\"]", true },
                { "dns_names: [A.example]", false },
                { "dns_names: [\"*.example\"]", false },
                { "dns_names: [w.wild.example]", false }, /* the certificate's wildcard is a text */
                { "dns_names: [\"*.wild.example\"]", true },
                { "dns_names: [ci]", false },
                { "ip_addresses: [10.1.2.3]", true },
                { "ip_addresses: [\"::ffff:10.1.2.3\"]", true },
                { "ip_addresses: [\" 2001:DB8:0::1 \"]", true },
                { "ip_addresses: [10.1.2.4]", false },
                { "uri_sans: [\"urn:team:a\"]", true },
                { "uri_sans: [\"URN:team:a\"]", true },
                { "uri_sans: [\"urn:Team:a\"]", false },
                { "uri_sans: [\" urn:team:a \"]", true },
                { "uri_sans: [\"SPIFFE://td/ci\"]", true },
                { "spiffe_ids: [\"spiffe://td/ci\"]", true },
                { "spiffe_ids: [\"Spiffe://td/ci\"]", true },
                { "spiffe_ids: [\"spiffe://TD/ci\"]", false },
                { "spiffe_ids: [\"spiffe://td/ci/\"]", false },
                { "spiffe_ids: [\"spiffe://td/ci\"], uri_sans: [\"urn:team:a\"]", true },
                { "spiffe_ids: [\"spiffe://td/ci\"], uri_sans: [\"urn:team:b\"]", false },
                { "public_key_sha256_pins: [" PIN "]", true },
                { "public_key_sha256_pins: [\" SHA256:" PIN_UPPER " \"]", true },
                { "public_key_sha256_pins: [\"sha256:" PIN "\"]", true },
                { "public_key_sha256_pins: [\"1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]",
                  false },
                { "public_key_sha256_pins: [\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee\", " PIN
                  "]",
                  true },
                { "common_names: [ci], dns_names: [a.example], public_key_sha256_pins: [" PIN "]", true },
                { "common_names: [ci], dns_names: [none.example]", false },
        };
        static struct slice dns[] = { SLICE("a.example"), SLICE("b.example"), SLICE("*.wild.example") };
        static struct slice uris[] = { SLICE("urn:team:a"), SLICE("spiffe://td/ci") };
        static uint8_t addresses[][16] = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3 },
                                           { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } };
        char clients[1024];

        certificate = (struct peer_certificate){ .common_name = SLICE("ci"),
                                                 .dns_names = dns,
                                                 .n_dns_names = 3,
                                                 .uri_sans = uris,
                                                 .n_uri_sans = 2,
                                                 .ip_addresses = addresses,
                                                 .n_ip_addresses = 2,
                                                 .spki_sha256 = PIN };
        from_address("10.0.0.1");
        peer.certificate = &certificate;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                snprintf(clients, sizeof(clients), "  client_certificate_profiles: [{profile: a, %s}]\n",
                         rows[i].selectors);
                use(TCP_AND_UNIX, clients);
                if ((strcmp(profile_of(), "a") == 0) != rows[i].want)
                        fprintf(stderr, "%s\n", rows[i].selectors);
                CHECK_STR(slice_of(profile_of()), rows[i].want ? "a" : "-");
        }
        certificate = (struct peer_certificate){ .spki_sha256 = PIN };
        CHECK_STR(slice_of(profile_of()), "-");
        certificate.common_name = SLICE("");
        use(TCP_AND_UNIX, "  client_certificate_profiles: [{profile: a, common_names: [x]}]\n");
        CHECK_STR(slice_of(profile_of()), "-");
}

/* ---- 7 ---- */

static void a_listener_admits_the_profiles_that_it_names(void) {
        static const struct {
                const char *listener, *uid, *want;
        } rows[] = {
                { "any", "1", "" },
                { "any", "9", "" },
                { "one", "1", "" },
                { "one", "2", "listener_profile_not_allowed" },
                { "two", "2", "" },
                { "one", "9", "listener_profile_not_allowed" },
                { "one", "3", "listener_profile_not_allowed" }, /* a profile in warn mode softens nothing here */
                { "ONE", "1", "listener_config_missing" },
                { "default", "1", "listener_config_missing" },
                { "", "1", "listener_identity_missing" },
        };

        use("listeners:\n"
            "  - {name: any, socket: /run/x, socket_mode: \"0600\", allowed_profiles: [\"*\"]}\n"
            "  - {name: one, socket: /run/y, socket_mode: \"0600\", allowed_profiles: [a]}\n"
            "  - {name: two, socket: /run/z, socket_mode: \"0600\", allowed_profiles: [a, b]}\n",
            "  unix_peer_profiles: [{profile: a, uids: [1]}, {profile: b, uids: [2]}, {profile: w, uids: [3]}]\n");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                enum stage_result r;

                from_unix((uid_t) atoi(rows[i].uid), 0, 1);
                (void) profile_of();
                x.listener_name = slice_of(rows[i].listener);
                r = stage_listener(&x);
                CHECK_STR(slice_of(r == STAGE_NEXT ? "" : reason_name(x.verdict.code).at), rows[i].want);
                if (r == STAGE_ANSWER)
                        CHECK_INT(x.verdict.status, strncmp(rows[i].want, "listener_profile", 16) == 0 ? 403 : 500);
        }
        use("listen: {socket: /run/x}\n", "");
        from_unix(1, 0, 1);
        begin("GET", "/_ping");
        x.listener_name = SLICE("");
        CHECK_INT(stage_listener(&x), STAGE_NEXT);
}

static void admitted_profiles_are_names_of_profiles_or_the_star(void) {
        static const struct {
                const char *list;
                bool want;
        } rows[] = { { "[\"*\"]", true },         { "[a, b]", true },  { "[]", false },     { "[\"*\", a]", false },
                     { "[\"*\", \"*\"]", false }, { "[a, a]", false }, { "[none]", false }, { "[\"\"]", false } };
        char text[2048];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                snprintf(text, sizeof(text),
                         "listeners: [{name: l, socket: /run/x, socket_mode: \"0600\", allowed_profiles: %s}]\n" RULES
                         "clients:\n" PROFILES,
                         rows[i].list);
                CHECK(accepts(text) == rows[i].want);
        }
}

/* ---- 6c ---- */

static const char *list_body, *labels_of_c1, *inspect_body;
static int list_status, inspect_status;
static unsigned lists, inspects;

static int ask_daemon(struct exchange *e, struct slice path, size_t limit, struct lookup *ret) {
        (void) limit;
        if (slice_eq(path, SLICE("/containers/json"))) {
                lists++;
                *ret = (struct lookup){ .status = list_status, .body = slice_of(list_body) };
                if (!list_body)
                        ret->body = arena_printf(
                                e->arena,
                                "[{\"Id\":\"c0\",\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"\"}}}},"
                                "{\"Id\":\"c1\",\"Labels\":%s,\"NetworkSettings\":{\"IPAddress\":\"10.9.9.9\","
                                "\"Networks\":{"
                                "\"n\":{\"IPAddress\":\"10.0.0.7\",\"GlobalIPv6Address\":\"2001:db8::7\"}}}}]",
                                labels_of_c1);
                return list_status < 0 ? list_status : 0;
        }
        inspects++;
        *ret = (struct lookup){ .status = inspect_status, .body = slice_of(inspect_body) };
        if (!inspect_body)
                ret->body = arena_printf(
                        e->arena,
                        "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":%s},\"NetworkSettings\":{\"Networks\":{"
                        "\"n\":{\"IPAddress\":\"10.0.0.7\",\"GlobalIPv6Address\":\"2001:db8::7\"}}}}",
                        labels_of_c1);
        return inspect_status < 0 ? inspect_status : 0;
}

static const struct exchange_ops ops = { .lookup = ask_daemon };

/* "" it passes, else the reason code. */
static const char *labels_say(const char *method, const char *path) {
        begin(method, path);
        x.ops = &ops;
        return stage_labels(&x) == STAGE_NEXT ? "" : reason_name(x.verdict.code).at;
}

static void reset_daemon(const char *labels) {
        labels_of_c1 = labels;
        list_body = inspect_body = NULL;
        list_status = inspect_status = 200;
        lists = inspects = 0;
        memo.len = 0;
}

#define DENIED "client_label_policy_denied_request"
#define UNCLEAR "client_label_acl_evaluation_failed"
#define UNKNOWN "client_label_acl_lookup_failed"

static void labels_grant_methods_and_paths(void) {
        static const struct {
                const char *labels, *method, *path, *want;
        } rows[] = {
                { "{}", "POST", "/x", "" },
                { "null", "POST", "/x", "" },
                { "{\"other\":\"1\"}", "POST", "/x", "" },
                { "{\"com.sockguard.allow.get\":\"/_ping, /info\"}", "GET", "/_ping", "" },
                { "{\"com.sockguard.allow.get\":\"/_ping, /info\"}", "GET", "/v1.41/info", "" },
                { "{\"com.sockguard.allow.get\":\"/_ping, /info\"}", "GET", "/version", DENIED },
                { "{\"com.sockguard.allow.get\":\"/_ping\"}", "HEAD", "/_ping", DENIED },
                { "{\"com.sockguard.allow.get\":\"/_ping\"}", "POST", "/_ping", DENIED },
                { "{\"com.sockguard.allow.GeT\":\"/containers/**\"}", "GET", "/containers/a/json", "" },
                { "{\"com.sockguard.allow.get\":\"/a\",\"com.sockguard.allow.GET\":\"/b\"}", "GET", "/b", "" },
                { "{\"com.sockguard.allow.get\":\"/a\",\"com.sockguard.allow.GET\":\"/b\"}", "GET", "/a", "" },
                { "{\"com.sockguard.allow.trace\":\"/a\"}", "GET", "/a", DENIED },
                { "{\"com.sockguard.allow.connect\":\"/a\",\"com.sockguard.allow.options\":\"/"
                  "a\",\"com.sockguard.allow.patch\":\"/a\"}",
                  "PATCH", "/a", "" },
                { "{\"com.sockguard.allow.get\":\" , ,/a, \"}", "GET", "/a", "" },
                /* What means nothing spoils everything, in whatever order. */
                { "{\"com.sockguard.allow.get\":\"\"}", "GET", "/a", UNCLEAR },
                { "{\"com.sockguard.allow.get\":\" , \"}", "POST", "/a", UNCLEAR },
                { "{\"com.sockguard.allow.\":\"/a\"}", "GET", "/a", UNCLEAR },
                { "{\"com.sockguard.allow.fetch\":\"/a\",\"com.sockguard.allow.get\":\"/a\"}", "GET", "/a", UNCLEAR },
                { "{\"com.sockguard.allow.get\":\"/a\",\"com.sockguard.allow.get \":\"/a\"}", "GET", "/a", UNCLEAR },
                { "{\"com.sockguard.allow.get.x\":\"/a\"}", "GET", "/a", UNCLEAR },
                /* The prefix is compared byte by byte. */
                { "{\"Com.sockguard.allow.get\":\"/a\"}", "POST", "/x", "" },
                { "{\"com.sockguard.allowXget\":\"/a\"}", "POST", "/x", "" },
        };

        use(TCP_AND_UNIX, "  container_labels: {enabled: true}\n");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                reset_daemon(rows[i].labels);
                from_address("10.0.0.7");
                if (strcmp(labels_say(rows[i].method, rows[i].path), rows[i].want) != 0)
                        fprintf(stderr, "%s %s of %s\n", rows[i].method, rows[i].path, rows[i].labels);
                CHECK_STR(slice_of(labels_say(rows[i].method, rows[i].path)), rows[i].want);
        }
        CHECK(x.verdict.status == 0 || x.verdict.status == 403);
}

static void the_caller_is_found_by_its_address_in_any_network(void) {
        use(TCP_AND_UNIX, "  container_labels: {enabled: true, label_prefix: p.}\n");
        reset_daemon("{\"p.get\":\"/a\"}");
        from_address("2001:db8::7");
        CHECK_STR(slice_of(labels_say("GET", "/a")), "");
        CHECK_STR(slice_of(labels_say("GET", "/b")), DENIED);
        from_address("::ffff:10.0.0.7");
        memo.len = 0;
        CHECK_STR(slice_of(labels_say("GET", "/b")), DENIED);
        from_address("10.9.9.9"); /* only the old top-level field has it */
        memo.len = 0;
        CHECK_STR(slice_of(labels_say("GET", "/b")), "");
        from_unix(0, 0, 1);
        lists = 0;
        CHECK_STR(slice_of(labels_say("GET", "/b")), "");
        CHECK_INT(lists, 0);
}

static void one_list_a_connection_and_one_inspect_a_request(void) {
        use(TCP_AND_UNIX, "  container_labels: {enabled: true}\n");
        reset_daemon("{\"com.sockguard.allow.get\":\"/a\"}");
        from_address("10.0.0.7");
        for (int i = 0; i < 3; i++)
                CHECK_STR(slice_of(labels_say("GET", "/a")), "");
        CHECK_INT(lists, 1);
        CHECK_INT(inspects, 3);
        /* Nobody is remembered as "no container": the address may be given away at any time. */
        reset_daemon("{\"com.sockguard.allow.get\":\"/a\"}");
        from_address("10.0.0.8");
        for (int i = 0; i < 3; i++)
                CHECK_STR(slice_of(labels_say("GET", "/b")), "");
        CHECK_INT(lists, 3);
}

static void a_container_that_stopped_or_moved_lends_its_labels_to_nobody(void) {
        use(TCP_AND_UNIX, "  container_labels: {enabled: true}\n");
        reset_daemon("{\"com.sockguard.allow.get\":\"/a\"}");
        from_address("10.0.0.7");
        CHECK_STR(slice_of(labels_say("GET", "/b")), DENIED);
        inspect_body = "{\"State\":{\"Running\":false},\"Config\":{},\"NetworkSettings\":{\"Networks\":{\"n\":{"
                       "\"IPAddress\":\"10.0.0.7\"}}}}";
        list_body = "[]";
        CHECK_STR(slice_of(labels_say("GET", "/b")), ""); /* looked up anew: nobody */
        reset_daemon("{\"com.sockguard.allow.get\":\"/a\"}");
        CHECK_STR(slice_of(labels_say("GET", "/a")), "");
        inspect_body = "{\"State\":{\"Running\":true},\"Config\":{},\"NetworkSettings\":{\"Networks\":{\"n\":{"
                       "\"IPAddress\":\"10.0.0.99\"}}}}";
        CHECK_STR(slice_of(labels_say("GET", "/a")),
                  UNKNOWN); /* the list still has it, the inspect denies it: nobody knows */
        CHECK_INT(x.verdict.status, 502);
}

static void what_the_daemon_does_not_say_is_refused(void) {
        static const struct {
                int list;
                const char *body;
                int inspect;
                const char *want;
        } rows[] = {
                { 500, "{}", 200, UNKNOWN },
                { 404, "[]", 200, UNKNOWN },
                { -ETIMEDOUT, "", 200, UNKNOWN },
                { -EFBIG, "", 200, UNKNOWN },
                { 200, "{}", 200, UNKNOWN },
                { 200, "[1]", 200, UNKNOWN },
                { 200, "[", 200, UNKNOWN },
                { 200, "[]", 200, "" },
                { 200, "null", 200, "" },
                { 200, "[{\"Labels\":{\"a\":1}}]", 200, UNKNOWN },
                { 200, NULL, 500, UNKNOWN },
                { 200, NULL, 404, UNKNOWN },
                { 200, NULL, -ECONNREFUSED, UNKNOWN },
        };

        use(TCP_AND_UNIX, "  container_labels: {enabled: true}\n  default_profile: w\n");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                reset_daemon("{}");
                list_status = rows[i].list;
                list_body = rows[i].body;
                inspect_status = rows[i].inspect;
                from_address("10.0.0.7");
                CHECK_STR(slice_of(labels_say("GET", "/a")), rows[i].want);
        }
}

static void a_caller_that_is_no_container_can_be_refused(void) {
        use(TCP_AND_UNIX, "  container_labels: {enabled: true, deny_unresolved: true}\n");
        reset_daemon("{}");
        from_address("10.0.0.7");
        CHECK_STR(slice_of(labels_say("GET", "/a")), "");
        from_address("10.0.0.8");
        memo.len = 0;
        CHECK_STR(slice_of(labels_say("GET", "/a")), DENIED);
}

static void a_profile_in_warn_mode_softens_a_label_denial_and_no_error(void) {
        use(TCP_AND_UNIX, "  container_labels: {enabled: true}\n");
        reset_daemon("{\"com.sockguard.allow.get\":\"/a\"}");
        from_address("10.0.0.7");
        begin("GET", "/b");
        x.ops = &ops;
        x.profile_selected = true;
        x.mode = MODE_WARN;
        CHECK_INT(stage_labels(&x), STAGE_NEXT);
        CHECK_INT(x.verdict.decision, DECISION_WOULD_DENY);
        list_status = 500;
        memo.len = 0;
        begin("GET", "/b");
        x.ops = &ops;
        x.profile_selected = true;
        x.mode = MODE_WARN;
        CHECK_INT(stage_labels(&x), STAGE_ANSWER);
}

CHECK_MAIN(CHECK_TEST(an_address_is_admitted_by_the_prefixes_of_its_family),
           CHECK_TEST(who_has_no_address_or_one_with_a_zone_is_in_no_prefix),
           CHECK_TEST(a_prefix_is_an_address_and_bits), CHECK_TEST(unix_credentials_select_by_equality),
           CHECK_TEST(a_pid_whose_process_is_gone_selects_nothing),
           CHECK_TEST(assignments_that_name_nobody_are_refused), CHECK_TEST(selectors_need_a_listener_of_their_kind),
           CHECK_TEST(a_profile_name_loses_outer_blanks_once_for_all),
           CHECK_TEST(the_strongest_selector_decides_and_is_final),
           CHECK_TEST(credentials_that_cannot_be_read_do_not_fall_through),
           CHECK_TEST(certificates_are_compared_field_by_field),
           CHECK_TEST(a_listener_admits_the_profiles_that_it_names),
           CHECK_TEST(admitted_profiles_are_names_of_profiles_or_the_star), CHECK_TEST(labels_grant_methods_and_paths),
           CHECK_TEST(the_caller_is_found_by_its_address_in_any_network),
           CHECK_TEST(one_list_a_connection_and_one_inspect_a_request),
           CHECK_TEST(a_container_that_stopped_or_moved_lends_its_labels_to_nobody),
           CHECK_TEST(what_the_daemon_does_not_say_is_refused),
           CHECK_TEST(a_caller_that_is_no_container_can_be_refused),
           CHECK_TEST(a_profile_in_warn_mode_softens_a_label_denial_and_no_error))
