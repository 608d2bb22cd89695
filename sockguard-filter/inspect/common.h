/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_COMMON_H
#define SOCKGUARD_INSPECT_COMMON_H

#include "inspect/inspect.h"

/*
 * What several families of inspectors decide in the same way: Docker's API repeats itself. Functions that end in a
 * denial fill in *r and return false; pointers are built only then.
 */

/*
 * Decodes in->json by a field table; a wrong type, or a root that is no object, is a denial ("malformed"). True: go on.
 */
bool inspect_decode(const struct inspect_input *in, struct inspect_result *r, const struct json_field *fields,
                    size_t n_fields, void *out);
#define INSPECT_DECODE(in, r, table, out) inspect_decode((in), (r), (table), sizeof(table) / sizeof((table)[0]), (out))

/* "/HostConfig/Binds" + 3 -> "/HostConfig/Binds/3", NUL-terminated. */
const char *inspect_at(const struct inspect_input *in, const char *parent, size_t index);
/* With a member name after it, RFC 6901 escaped. */
const char *inspect_under(const struct inspect_input *in, const char *parent, struct slice token);

/* Is v an object with at least one member? */
bool inspect_object_has_members(struct json_value v);

/* ---- words ---- */

/* trim(s) fold-equal `word`. */
bool inspect_word_is(struct slice s, struct slice word);

/* trim(s) fold-equal "host". */
bool inspect_is_host(struct slice s);

/* Is nothing left of s after trim? */
bool inspect_is_blank(struct slice s);

/* Is `s` a member, byte-exact, of a list whose entries count trimmed? */
bool inspect_list_has(const struct inspect_input *in, struct plist list, struct slice s);

/* ---- paths ---- */

/* Lexical cleaning (chapter 03, 1.7). */
struct slice inspect_clean(const struct inspect_input *in, struct slice path);

/* `path` is clean: is it an entry of the list (of clean absolute paths), or below one, or is "/" an entry? */
bool inspect_within(const struct inspect_input *in, struct slice path, struct plist list);

/* Is this host path, as a client wrote it, absolute and within the list? Lexical only. */
bool inspect_path_allowed(const struct inspect_input *in, struct slice path, struct plist list);

/* Does a relative path, as a client wrote it, leave the directory it is relative to (absolute, "..", "../...")? */
bool inspect_path_escapes(const struct inspect_input *in, struct slice path);

/* ---- users and capabilities ---- */

/*
 * root(User): trim; the part before the first ':' trimmed is empty, or fold-equal "root", or a number that is 0 however
 * it is signed and however many zeros it has.
 */
bool inspect_user_is_root(struct slice user);

/* upper(trim(s)) with one leading "CAP_" taken off (when `strip`). Empty: names nothing. */
struct slice inspect_capability(const struct inspect_input *in, struct slice s, bool strip);

/* Every non-empty entry is a member of `allowed`, both normalised. False: *ret_index is the first that is not. */
bool inspect_capabilities_allowed(const struct inspect_input *in, const struct json_strings *caps, struct plist allowed,
                                  bool strip, size_t *ret_index);

/* Is this device cgroup rule canonical, and covered by an entry (chapter 03, 2.4)? In inspect/container_mounts.c. */
bool inspect_device_cgroup_rule_allowed(const struct inspect_input *in, struct slice rule, struct plist allowed);

/* Does some entry, trimmed, fold-equal `word`? */
bool inspect_strings_have_word(const struct json_strings *s, struct slice word);

/* ---- mounts ---- */

/* A mount's VolumeOptions.DriverConfig: Docker's local driver binds any host path when its options say so (chapter 03,
 * 11, item 18). */
struct inspect_driver_config {
        struct slice name;
        struct json_string_map options;
};
#define INSPECT_DRIVER_CONFIG_FIELDS 2
extern const struct json_field inspect_driver_config_fields[INSPECT_DRIVER_CONFIG_FIELDS];

/* Judged by the volume policy of the same scope. It stands at `list`/`i``member`: "/HostConfig/Mounts", 3,
 * "/VolumeOptions/DriverConfig". */
bool inspect_driver_config_allowed(const struct inspect_input *in, struct inspect_result *r,
                                   const struct inspect_driver_config *c, const char *list, size_t i,
                                   const char *member);

/* Is the driver's name "" or "local", or are custom drivers allowed? `pointer` is that of the name. */
bool inspect_volume_driver_allowed(const struct inspect_input *in, struct inspect_result *r, struct slice name,
                                   const char *pointer);

/* Is this option of a tmpfs one that only privileged callers should have (exec, dev, suid)? */
bool inspect_tmpfs_option_is_privileged(const struct inspect_input *in, struct slice option);

/* ---- endpoint configuration of a network (container create, network connect, libpod) ---- */

struct inspect_ipam {
        struct slice ipv4, ipv6;
        struct json_strings link_local;
};

struct inspect_endpoint {
        struct inspect_ipam *ipam;
        struct json_strings links, aliases;
        struct slice gateway, ip_address, ipv6_gateway, global_ipv6, mac;
        int64_t ip_prefix, global_ipv6_prefix, gw_priority;
        struct json_value driver_opts; /* object of anything */
};
#define INSPECT_ENDPOINT_FIELDS 12
extern const struct json_field inspect_endpoint_fields[INSPECT_ENDPOINT_FIELDS];

/* `pointer` is that of the endpoint; `network` names the block in option names ("network", "libpod_network"). */
bool inspect_endpoint_allowed(const struct inspect_input *in, struct inspect_result *r,
                              const struct inspect_endpoint *e, const struct opt_network *options, const char *network,
                              const char *pointer);

/* ---- presence of limits (chapter 03, 2.10) ---- */

struct inspect_limits {
        int64_t memory, nano_cpus, cpu_quota, cpu_period, cpu_shares;
        struct json_opt_int64 pids;
};

struct inspect_required_limits {
        bool memory, cpu, cpu_hard, pids;
};

/* The first violated requirement: "memory", "cpu", "hard_cpu", "pids"; NULL when none is. */
const char *inspect_limits_violation(const struct inspect_limits *have, const struct inspect_required_limits *want);

/* "memory,cpu,hard_cpu,pids" of what is required, in the arena. */
const char *inspect_limits_text(const struct inspect_input *in, const struct inspect_required_limits *want);

/* ---- rows that live in a file of their own ---- */

void inspect_container_update(const struct inspect_input *in, struct inspect_result *r);
void inspect_libpod_update(const struct inspect_input *in, struct inspect_result *r);

/* ---- images ---- */

/* Is this an image reference by the weak grammar of chapter 03, 3.3? */
bool inspect_image_reference_valid(struct slice s);

/* ---- image trust ---- */

/*
 * There is no verifier of signatures yet, so no image is ever verified (chapter 03, 2.16). `option` is the block's key
 * of `mode`. The first is asked before the body: whoever may sign cannot be told when a key is unusable or identities
 * have no trusted root, and then nothing passes, in any mode. The second is asked last, about the image: mode enforce
 * refuses it, mode warn lets it pass with a record (r->unverified). Both are true, and have done nothing, when the mode
 * is off.
 */
bool inspect_trust_ready(const struct inspect_input *in, struct inspect_result *r, const struct opt_image_trust *trust,
                         const char *pointer, const char *option);
bool inspect_trust_image(const struct inspect_input *in, struct inspect_result *r, const struct opt_image_trust *trust,
                         struct slice image, const char *pointer, const char *option);

/* Mode enforce: what would bring in images that nobody names as one is refused. */
bool inspect_trust_enforced(const struct inspect_input *in, const struct opt_image_trust *trust);

#endif
