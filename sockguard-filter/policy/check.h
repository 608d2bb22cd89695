/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_CHECK_H
#define SOCKGUARD_POLICY_CHECK_H

#include "policy/config.h"

/*
 * Validation of the merged options, one file a group. Each reports what it finds and goes on; the order of the calls is
 * the order of chapter 01, 3.
 */
void check_listeners(struct config *c);                           /* 3.1 to 3.3 */
void check_upstream(struct config *c);                            /* 3.4 */
void check_log(struct config *c);                                 /* 3.5 */
void check_visible_labels(struct config *c, struct plist labels); /* 3.5 */
void check_patterns(struct config *c, struct plist names, struct plist images);
void check_health(struct config *c); /* 3.6 */
void check_admin(struct config *c);  /* 3.7 to 3.10 */
void check_reload(struct config *c);
void check_bundle(struct config *c);
void check_request_body(struct config *c, struct opt_request_body *body); /* 3.11 */
void check_exclusions(struct config *c);
void check_clients(struct config *c); /* 3.12 */
void check_ownership(struct config *c);
void check_mutations(struct config *c);
void check_rules(struct config *c, struct plist rules);

/*
 * Warns of rules that let some names of a guarded family through, unacknowledged (exposures.c). The scope's rules are
 * compiled.
 */
void warn_exposures(struct config *c, struct plist rules, const struct opt_request_body *body,
                    const struct policy_scope *scope);

/* Is there a path that both patterns match? True also for patterns of more than 4 KiB, which are not looked at. */
bool patterns_meet(struct slice a, struct slice b);

/* Shared pieces. */

struct tls_facts {
        bool any, complete; /* some tls.* value is set; certificate, key and client CA are all set */
};
struct tls_facts tls_facts_of(const struct opt_tls *t);

/* Selectors, then the files (check_tls.c). Reports the first problem only. */
void check_tls_files(struct config *c, struct opt_tls *t);

/* The entry lists of certificate selectors: each false after reporting its first bad entry. */
bool check_not_blank(struct config *c, struct plist list, const char *what);
bool check_ips(struct config *c, struct plist list);
bool check_uris(struct config *c, struct plist list);
bool check_pins(struct config *c, struct plist list);

/* Signature keys, keyless identities and the timeout: shared by image_trust and policy_bundle. */
void check_trust_roots(struct config *c, struct plist keys, struct plist keyless, struct pstr *verify_timeout,
                       const void *where);

/* A duration in a text field: reports unless it parses and lies where it must. `empty_ok`: an empty text is fine. */
enum duration_range { DURATION_POSITIVE, DURATION_NOT_NEGATIVE, DURATION_NOT_ZERO };
void check_duration(struct config *c, struct pstr *field, bool empty_ok, enum duration_range range);

/* One word of a list: exact. Reports with the nearest. */
bool check_word(struct config *c, struct pstr *field, const char *const *words);
/* The same, trimmed and in any letter case. */
bool check_word_loosely(struct config *c, struct pstr *field, const char *const *words);

bool path_starts_with_slash(struct config *c, struct pstr *field);

#endif
