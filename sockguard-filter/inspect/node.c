/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/judge.h"

/* POST /nodes/{id}/update (chapter 04, 11). */

#define BODY_MAX (256u * 1024)
#define OWNER_LABEL SLICE("com.sockguard.owner") /* fixed here, whatever ownership.label_key says */

static bool judge_labels(const struct inspect_input *in, struct json_value labels, struct inspect_result *r) {
        const struct opt_node *o = &in->options->node;
        struct json_iter it = json_iter_of(labels);
        struct slice name, key, text;
        struct json_value v;
        size_t n = 0;

        if (labels.type == JSON_ABSENT)
                return true;
        if (labels.type != JSON_OBJECT && labels.type != JSON_NULL) {
                inspect_deny(in, r, "/Labels", (struct slice){ 0 }, NULL, "/Labels is not an object");
                return false;
        }
        for (; json_next(&it, &name, &v); n++) {
                if (v.type != JSON_STRING && v.type != JSON_NULL) {
                        inspect_deny(in, r, "/Labels", (struct slice){ 0 }, NULL, "a label's value is not a string");
                        return false;
                }
        }
        if (o->allow_label_mutation)
                return true;
        for (it = json_iter_of(labels); json_next(&it, &name, &v);) {
                bool owner;

                key = json_name(name, in->arena);
                owner = slice_eq(key, OWNER_LABEL);
                text = v.type == JSON_STRING ? json_string(v, in->arena) : (struct slice){ 0 };
                if (owner ? text.len == 0 : !policy_strs_have(in->policy, o->allowed_label_keys, key)) {
                        inspect_deny(in, r, "/Labels", key, "request_body.node.allow_label_mutation",
                                     "changing this label is not allowed");
                        return false;
                }
        }
        if (n > 0)
                return true;
        /* An empty set is not "no change": it takes all labels away. */
        inspect_deny(in, r, "/Labels", (struct slice){ 0 }, "request_body.node.allow_label_mutation",
                     "removing labels is not allowed");
        return false;
}

static void inspect_node(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_node *o = &in->options->node;
        const struct {
                struct slice name;
                bool allowed;
                const char *option, *what;
        } members[] = {
                { SLICE("Role"), o->allow_role_change, "request_body.node.allow_role_change", "role" },
                { SLICE("Availability"), o->allow_availability_change, "request_body.node.allow_availability_change",
                  "availability" },
                { SLICE("Name"), o->allow_name_change, "request_body.node.allow_name_change", "name" },
        };

        if (in->body.len == 0 || in->json.type == JSON_NULL)
                return;
        if (in->json.type != JSON_OBJECT) {
                inspect_deny(in, r, "", (struct slice){ 0 }, NULL, "the body is not an object");
                return;
        }
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                struct json_value v = json_member(in->json, members[i].name);
                const char *pointer = arena_printf(in->arena, "/%.*s", SLICE_ARG(members[i].name)).at;

                if (judge_absent(v))
                        continue;
                if (v.type != JSON_STRING) {
                        inspect_deny(in, r, pointer, (struct slice){ 0 }, NULL, "%s is not a string", pointer);
                        return;
                }
                if (unicode_trim(json_string(v, in->arena)).len > 0 && !members[i].allowed) {
                        inspect_deny(in, r, pointer, v.text, members[i].option, "changing a node's %s is not allowed",
                                     members[i].what);
                        return;
                }
        }
        (void) judge_labels(in, json_member(in->json, SLICE("Labels")), r);
}

const struct inspector inspect_node_rows[] = {
        { HTTP_POST, "/nodes/{}/update", INSPECT_JSON, BODY_MAX, inspect_node, .name = "node" },
        { 0 },
};
