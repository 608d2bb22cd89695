/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON schema. It describes what a configuration should look like; the loader's coercions (a number where a text is
 * wanted, a comma list) are left out on purpose: an editor that marks them does its user a service.
 */
#include <stdlib.h>

#include "policy/constraint.h"
#include "policy/describe.h"

#define BLOCKS_MAX 128u
#define LABEL_TEXT \
        "^[^\\u0000-\\u001f\\u007f]*[^\\u0000-\\u001f\\u007f\\\\s][^\\u0000-\\u001f\\u007f]*$" /* not blank, no \
                                                                                                  control character */

/* A definition a block; blocks below a list have a second one, in which defaults are zero values and thus not told. */
struct definition {
        const struct opt_block *block;
        bool in_list;
};

struct schema {
        struct strbuf *out;
        struct definition all[BLOCKS_MAX];
        size_t n;
};

static void text(struct schema *s, const char *t) {
        strbuf_add_json(s->out, slice_of(t), JSON_ESCAPE_LOG);
}

static void member(struct schema *s, const char *name, const char *value) {
        strbuf_addf(s->out, ",\"%s\":", name);
        text(s, value);
}

static void reference(struct schema *s, const struct opt_block *block, bool in_list) {
        size_t i;

        for (i = 0; i < s->n; i++)
                if (s->all[i].block == block && s->all[i].in_list == in_list)
                        break;
        if (i == s->n && s->n < BLOCKS_MAX)
                s->all[s->n++] = (struct definition){ block, in_list };
        strbuf_addf(s->out, "\"$ref\":\"#/$defs/%s%s\"", block->name, in_list ? "_entry" : "");
}

static void constraint(struct schema *s, const struct opt_block *block, const struct opt_row *row) {
        bool required;
        const struct constraint *k = constraint_of(block, row, &required);

        if (!k)
                return;
        if (k->words) {
                strbuf_adds(s->out, ",\"enum\":[");
                for (size_t i = 0; k->words[i]; i++) {
                        strbuf_addf(s->out, "%s", i ? "," : "");
                        text(s, k->words[i]);
                }
                /* null leaves the default: it is a value of its own */
                strbuf_add(s->out, row->kind == OPT_K_STR && !required ? SLICE(",null]") : SLICE("]"));
        } else if (k->pattern) {
                strbuf_addf(s->out, ",\"pattern\":\"%s\"", k->pattern);
        } else if (k->number) {
                strbuf_addf(s->out, ",\"%s\":%lld", k->above ? "exclusiveMinimum" : "minimum", (long long) k->min);
                if (k->max)
                        strbuf_addf(s->out, ",\"maximum\":%lld", (long long) k->max);
        }
}

static void default_value(struct schema *s, const struct opt_row *row) {
        if (row->kind == OPT_K_STR)
                member(s, "default", row->default_text);
        else if (row->kind == OPT_K_BOOL || row->kind == OPT_K_INT)
                strbuf_addf(s->out, ",\"default\":%s", row->default_text);
        else if (row->kind == OPT_K_STRS || row->kind == OPT_K_ARGVS)
                strbuf_adds(s->out, ",\"default\":[]");
}

static void scalar_type(struct schema *s, const struct opt_block *block, const struct opt_row *row, const char *type) {
        bool required;

        constraint_of(block, row, &required);
        strbuf_adds(s->out, "\"type\":");
        if (required)
                text(s, type);
        else
                strbuf_addf(s->out, "[\"%s\",\"null\"]", type);
        constraint(s, block, row);
}

static void list_type(struct schema *s, bool required) {
        strbuf_addf(s->out, "%s",
                    required ? "\"type\":\"array\",\"minItems\":1,\"items\":"
                             : "\"type\":[\"array\",\"null\"],\"items\":");
}

static void list_of_texts(struct schema *s, const struct opt_block *block, const struct opt_row *row) {
        bool required;

        constraint_of(block, row, &required);
        list_type(s, required);
        strbuf_adds(s->out, "{\"type\":\"string\"");
        constraint(s, block, row);
        strbuf_addc(s->out, '}');
}

static void property(struct schema *s, const struct opt_block *block, const struct opt_row *row, bool in_list) {
        bool nested = row->kind == OPT_K_SUB || row->kind == OPT_K_OPT || row->kind == OPT_K_LIST, required;

        constraint_of(block, row, &required);

        text(s, row->key);
        strbuf_adds(s->out, ":{");
        switch (row->kind) {
        case OPT_K_STR:
                scalar_type(s, block, row, "string");
                break;
        case OPT_K_BOOL:
                scalar_type(s, block, row, "boolean");
                break;
        case OPT_K_INT:
                scalar_type(s, block, row, "integer");
                strbuf_adds(s->out, ",\"maximum\":9223372036854775807");
                break;
        case OPT_K_OPTINT:
                scalar_type(s, block, row, "integer");
                break;
        case OPT_K_FLOAT:
                scalar_type(s, block, row, "number");
                break;
        case OPT_K_STRS:
                list_of_texts(s, block, row);
                break;
        case OPT_K_ARGVS:
                strbuf_adds(s->out, "\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"array\",\"minItems\":1,"
                                    "\"items\":{\"type\":\"string\",\"pattern\":\"\\\\S\"}}");
                break;
        case OPT_K_U32S:
                strbuf_adds(s->out, "\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"integer\",\"minimum\":0,"
                                    "\"maximum\":4294967295}");
                break;
        case OPT_K_I32S:
                strbuf_adds(s->out, "\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"integer\",\"minimum\":1,"
                                    "\"maximum\":2147483647}");
                break;
        case OPT_K_MAP:
                /* labels, the only one there is */
                strbuf_adds(s->out,
                            "\"type\":\"object\",\"minProperties\":1,\"maxProperties\":32,"
                            "\"propertyNames\":{\"maxLength\":128,\"pattern\":\"" LABEL_TEXT "\"},"
                            "\"additionalProperties\":{\"type\":\"string\",\"maxLength\":4096,\"pattern\":\"" LABEL_TEXT
                            "\"}");
                break;
        case OPT_K_SUB:
        case OPT_K_OPT:
                strbuf_addf(s->out, "\"type\":%s,", required ? "\"object\"" : "[\"object\",\"null\"]");
                reference(s, row->inner, in_list);
                break;
        case OPT_K_LIST:
                list_type(s, required);
                strbuf_adds(s->out, "{\"type\":\"object\",");
                reference(s, row->inner, true);
                strbuf_addc(s->out, '}');
                break;
        }
        if (row->help && *row->help)
                member(s, "description", row->help);
        if (!nested && !in_list)
                default_value(s, row);
        strbuf_addc(s->out, '}');
}

enum where { IN_TREE, IN_LISTS };

static const struct {
        const char *block;
        enum where where;
        const char *schema; /* JSON with ' for " */
} shapes[] = {
#define SHAPE(block, where, schema) { #block, where, schema },
#include "policy/shapes.def"
#undef SHAPE
};

static void block_shapes(struct schema *s, const struct opt_block *block, bool in_list) {
        const char *before = ",\"allOf\":[\n";

        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
                if (strcmp(shapes[i].block, block->name) != 0 || shapes[i].where != (in_list ? IN_LISTS : IN_TREE))
                        continue;
                strbuf_addf(s->out, "%s", before);
                for (const char *p = shapes[i].schema; *p; p++)
                        strbuf_addc(s->out, *p == '\'' ? '"' : *p);
                before = ",\n";
        }
        if (before[1] == '\n')
                strbuf_addc(s->out, ']');
}

static void definition(struct schema *s, const struct opt_block *block, bool in_list) {
        bool first = true;

        strbuf_adds(s->out, "\"properties\":{");
        for (uint32_t i = 0; i < block->n_rows; i++) {
                strbuf_addf(s->out, "%s\n", i ? "," : "");
                property(s, block, block->rows + i, in_list);
        }
        strbuf_adds(s->out, "}");
        for (uint32_t i = 0; i < block->n_rows; i++) {
                bool required;

                constraint_of(block, block->rows + i, &required);
                if (!required || !in_list)
                        continue;
                strbuf_addf(s->out, "%s", first ? ",\"required\":[" : ",");
                text(s, block->rows[i].key);
                first = false;
        }
        if (!first)
                strbuf_addc(s->out, ']');
        if (block == &opt_block_root)
                strbuf_adds(s->out,
                            ",\"patternProperties\":{\"^x-\":{\"description\":\"a place for anchors; not read\"}}");
        strbuf_adds(s->out, ",\"additionalProperties\":false");
        block_shapes(s, block, in_list);
}

void describe_schema(struct strbuf *out) {
        struct schema s = { .out = out };

        strbuf_adds(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"sockguard.yaml\","
                         "\"description\":\"Configuration of Sockguard, a filter for the Docker "
                         "socket\",\n\"type\":[\"object\",\"null\"],");
        definition(&s, &opt_block_root, false);
        strbuf_adds(out, ",\n\"$defs\":{");
        for (size_t i = 0; i < s.n; i++) { /* grows while it is written */
                strbuf_addf(out, "%s\n\"%s%s\":{", i ? "," : "", s.all[i].block->name,
                            s.all[i].in_list ? "_entry" : "");
                definition(&s, s.all[i].block, s.all[i].in_list);
                strbuf_addc(out, '}');
        }
        strbuf_adds(out, ",\n\"something\":{\"anyOf\":[{\"const\":true},{\"type\":\"array\",\"minItems\":1},{\"type\":"
                         "\"object\","
                         "\"not\":{\"additionalProperties\":{\"not\":{\"$ref\":\"#/$defs/something\"}}}}]}}}\n");
}
