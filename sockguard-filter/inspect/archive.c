/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/facts.h"
#include "inspect/judge.h"

/* PUT /containers/{id}/archive: what `docker cp` copies into a container (chapter 03, 7). */

#define BODY_MAX (512ull * 1024 * 1024)
#define KEY(name) "request_body.container_archive." name

static bool escapes(struct slice cleaned) {
        return slice_eq(cleaned, SLICE("..")) || slice_starts(cleaned, SLICE("../"));
}

static bool is_below(struct slice path, struct slice root) {
        return slice_eq(root, SLICE(".")) || slice_eq(path, root) ||
               (slice_starts(path, root) && path.at[root.len] == '/');
}

/* An entry of allowed_paths as a path below the container's root; "." is all of it. False: it names nothing. */
static bool allowed_root(const struct inspect_input *in, struct slice entry, struct slice *ret) {
        entry = unicode_trim(entry);
        if (entry.len == 0)
                return false;
        entry = inspect_clean(in, entry);
        if (entry.at[0] == '/')
                entry = inspect_clean(in, slice_from(entry, 1));
        *ret = entry;
        return !escapes(entry);
}

static bool target_allowed(const struct inspect_input *in, struct slice target) {
        struct plist list = in->options->container_archive.allowed_paths;
        const struct pstr *at = policy_list(in->policy, list, struct pstr);
        struct slice root;

        for (uint32_t i = 0; i < list.n; i++)
                if (allowed_root(in, policy_str(in->policy, at[i]), &root) && is_below(target, root))
                        return true;
        return list.n == 0;
}

static bool uninspected(const struct inspect_input *in) {
        return slice_starts(in->path, SLICE("/libpod/")) && in->options->libpod_uninspected;
}

/* The directory to unpack in. Symbolic links inside the container are the engine's to follow; this is about names only.
 */
static void precheck_target(const struct inspect_input *in, struct inspect_result *r) {
        struct slice value = { 0 }, target;

        if (uninspected(in) || !judge_parameter(in, "path", &target, r) ||
            !http_query_get(in->query, SLICE("path"), &value))
                return;
        if (target.len != value.len) {
                inspect_deny(in, r, "?path", value, NULL, "the path begins or ends with white space");
                return;
        }
        if (target.len == 0)
                return; /* the engine refuses this */
        while (target.len > 0 && target.at[0] == '/')
                target = slice_from(target, 1);
        target = inspect_clean(in, target);
        if (escapes(target))
                inspect_deny(in, r, "?path", value, NULL, "the path leaves the container's root");
        else if (!target_allowed(in, target))
                inspect_deny(in, r, "?path", value, KEY("allowed_paths"), "copying to this path is not allowed");
}

static bool archive_arguments(const struct inspect_input *in, const char **argv, size_t room) {
        if (uninspected(in) || room < 1)
                return false;
        argv[0] = NULL;
        return true;
}

/* The first entry, in the archive's order, that has a property which is not allowed. */
static bool judge_entries(const struct inspect_input *in, const struct facts *f, struct inspect_result *r) {
        const struct opt_container_archive *o = &in->options->container_archive;
        const struct {
                enum facts_property property;
                bool allowed;
                const char *option, *reason;
        } rules[] = {
                { FACTS_P_NAME_ESCAPES, false, NULL, "an entry's name is empty, absolute or leaves the target" },
                { FACTS_P_NAME_CONTROL, false, NULL, "an entry's name holds a control character" },
                { FACTS_P_NAME_BLANK, false, NULL, "an entry's name begins or ends with white space" },
                { FACTS_P_SETID, o->allow_setid, KEY("allow_setid"), "an entry has the set-uid or set-gid bit" },
                { FACTS_P_CAPABILITY, o->allow_setid, KEY("allow_setid"), "an entry carries file capabilities" },
                { FACTS_P_DEVICE, o->allow_device_nodes, KEY("allow_device_nodes"), "an entry is a device node" },
                { FACTS_P_SYMLINK_ESCAPES, o->allow_escaping_links, KEY("allow_escaping_links"),
                  "a symbolic link leaves the target" },
                { FACTS_P_HARDLINK_ESCAPES, o->allow_escaping_links, KEY("allow_escaping_links"),
                  "a hard link leaves the target" },
                { FACTS_P_THROUGH_LINK, o->allow_escaping_links, KEY("allow_escaping_links"),
                  "an entry is reached through a symbolic link of the same archive" },
        };
        size_t worst = 0;
        uint64_t index = UINT64_MAX;

        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                uint64_t seen = f->first[rules[i].property].index;

                if (seen && seen < index && !rules[i].allowed) {
                        index = seen;
                        worst = i;
                }
        }
        if (index == UINT64_MAX)
                return true;
        inspect_deny(in, r, NULL, f->first[rules[worst].property].name, rules[worst].option, "%s", rules[worst].reason);
        return false;
}

static void inspect_archive(const struct inspect_input *in, struct inspect_result *r) {
        struct facts f;

        if (in->facts.len == 0 || !facts_read(in, 0, &f, r))
                return;
        /* The engine looks at the first bytes, too, and would unpack something else than the tar that was walked. */
        if (!facts_refuse_compression(in, &f, true, r) || !judge_entries(in, &f, r))
                return;
        if (f.status != FACTS_S_END)
                facts_fail(in, &f, r);
        else if (f.trailing)
                inspect_deny(in, r, NULL, SLICE(""), NULL, "something follows the archive's end");
}

const struct inspector inspect_archive_rows[] = {
        { HTTP_PUT, "/containers/{}/archive", INSPECT_ARCHIVE, BODY_MAX, inspect_archive, .precheck = precheck_target,
          .unpack_arguments = archive_arguments, .name = "container_archive" },
        { HTTP_PUT, "/libpod/containers/{}/archive", INSPECT_ARCHIVE, BODY_MAX, inspect_archive,
          .precheck = precheck_target, .unpack_arguments = archive_arguments, .name = "container_archive" },
        { 0 },
};
