/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/constraint.h"

#include "base/unicode.h"

static bool is_absolute(struct slice s) {
        return slice_starts(s, SLICE("/"));
}

static bool is_not_blank(struct slice s) {
        return unicode_trim(s).len != 0;
}

static bool has_no_outer_blanks(struct slice s) {
        return s.len && unicode_trim(s).len == s.len;
}

static bool has_inner_blank(struct slice s) {
        uint32_t cp;

        while (s.len) {
                size_t n = unicode_decode(s, &cp);

                if (n && unicode_is_space(cp))
                        return true;
                s = slice_from(s, n ? n : 1);
        }
        return false;
}

static bool is_env_name(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if (strchr("= \t\r\n", s.at[i]))
                        return false;
        return s.len != 0;
}

static bool is_env_assignment(struct slice s) {
        struct slice name, value;

        return slice_cut(s, '=', &name, &value) && is_env_name(name);
}

static bool is_env_prefix(struct slice s) {
        s = unicode_trim(s);
        return slice_find(s, '=') >= 0 && !has_inner_blank(s);
}

/* A bare host, with or without a port. */
static bool is_registry(struct slice s) {
        s = unicode_trim(s);
        return s.len && slice_find(s, '/') < 0 && !has_inner_blank(s);
}

/* Only for the schema: the check_*.c file of the option decides. The pattern may be a little looser than that. */
#define SCHEMA_PATTERN(text) \
        { .pattern = text }
#define SCHEMA_WORDS(...) \
        { \
                .words = (const char *const[]) { \
                        __VA_ARGS__, NULL \
                } \
        }
#define ABOVE_NOTHING "(?=.*[1-9])"
#define OCTET "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
#define IPV4 OCTET "([.]" OCTET "){3}"
#define IPV6 "[0-9a-fA-F]*:[0-9a-fA-F:.]*"
#define URI_HOST "(\\\\[[0-9a-fA-F:.]+\\\\]|[^/?#@:%\\\\[\\\\]\\\\s]*)"
#define NUMBER_UNIT "([0-9]+(\\\\.[0-9]*)?|\\\\.[0-9]+)(ns|us|\xc2\xb5s|\xce\xbcs|ms|s|m|h)"

enum {
        ABSOLUTE_PATH,
        NOT_BLANK,
        NO_OUTER_BLANKS,
        ENV_NAME,
        ENV_ASSIGNMENT,
        ENV_PREFIX,
        REGISTRY,
        JOIN_ADDRESS,
        NOT_NEGATIVE,
        MINUS_ONE_OR_MORE,
        ABOVE_ZERO,
        USER_ID,
        TOKENS,
        BURST,
        NOT_EMPTY,
        FILLED,
        LISTENER_NAME,
        HOST_PORT,
        SOCKET_MODE,
        IP_ADDRESS,
        URI,
        SPIFFE_ID,
        PIN,
        ENDPOINT,
        SOCKET_PATH,
        DURATION,
        DURATION_OR_OFF,
        DURATION_OR_EMPTY,
        DELAY,
        INTERVAL,
        LOG_LEVEL,
        LOG_FORMAT,
        AUDIT_FORMAT,
        OUTPUT,
        VERBOSITY,
        LABEL_SELECTOR,
        TRUST_MODE,
        CIDR,
        ROLLOUT_MODE,
        ACTION,
        RULE_PATH,
        PRIORITY,
        MUTATION_ID,
        PROFILE_NAME,
        IMAGE_TEXT,
        SURFACE,
        REMAP,
};

static const struct constraint constraints[] = {
        [ABSOLUTE_PATH] = { .text_holds = is_absolute,
                            .expected = "must be a path that starts with /",
                            .pattern = "^/" },
        [NOT_BLANK] = { .text_holds = is_not_blank, .expected = "must not be blank", .pattern = "\\\\S" },
        [NO_OUTER_BLANKS] = { .text_holds = has_no_outer_blanks,
                              .expected = "must not be empty, nor start or end with a blank",
                              .pattern = "^\\\\S(.*\\\\S)?$" },
        [ENV_NAME] = { .text_holds = is_env_name,
                       .expected = "must be the bare name of a variable",
                       .pattern = "^[^= \\\\t\\\\r\\\\n]+$" },
        [ENV_ASSIGNMENT] = { .text_holds = is_env_assignment,
                             .expected = "must be NAME=VALUE",
                             .pattern = "^[^= \\\\t\\\\r\\\\n]+=" },
        [ENV_PREFIX] = { .text_holds = is_env_prefix,
                         .expected = "must hold a = and no blanks, such as DEBUG=",
                         .pattern = "^\\\\s*\\\\S*=\\\\S*\\\\s*$" },
        [REGISTRY] = { .text_holds = is_registry,
                       .expected = "must be a bare registry host, such as docker.io or registry.example:5000",
                       .pattern = "^\\\\s*[^/\\\\s]+\\\\s*$" },
        [JOIN_ADDRESS] = { .text_holds = is_registry,
                           .expected = "must be HOST or HOST:PORT",
                           .pattern = "^\\\\s*[^/\\\\s]+\\\\s*$" },
        [NOT_NEGATIVE] = { .number = true, .min = 0, .expected = "must not be negative" },
        [MINUS_ONE_OR_MORE] = { .number = true, .min = -1, .expected = "must be -1 (no limit) or more" },
        [ABOVE_ZERO] = { .number = true, .min = 1 },
        [USER_ID] = { .number = true, .min = 0, .max = 4294967294, .expected = "must not be negative" },
        [TOKENS] = { .number = true, .above = true, .min = 0, .max = 65535 },
        [BURST] = { .number = true, .min = 0, .max = 65535 },
        [NOT_EMPTY] = { 0 },
        [FILLED] = SCHEMA_PATTERN("\\\\S"), /* trust roots count only while trust is on: check_tls.c decides */
        [LISTENER_NAME] = SCHEMA_PATTERN("^(?!admin$)[a-z][a-z0-9-]{0,62}$"),
        [HOST_PORT] = SCHEMA_PATTERN("^$|^(\\\\[[0-9a-fA-F:.]+\\\\]|[^:\\\\s]*):[0-9]{1,5}$"),
        [SOCKET_MODE] = SCHEMA_PATTERN("^\\\\s*(0600|0660)\\\\s*$"),
        [IP_ADDRESS] = SCHEMA_PATTERN("^\\\\s*(" IPV4 "|" IPV6 "(%\\\\S+)?)\\\\s*$"),
        [URI] = SCHEMA_PATTERN("^\\\\s*[A-Za-z][A-Za-z0-9+.-]*:((?!//)\\\\S*|//([^/?#@\\\\s]*@)?" URI_HOST
                               "(:[0-9]*)?([/?#]\\\\S*)?)\\\\s*$"),
        [SPIFFE_ID] = SCHEMA_PATTERN("^\\\\s*[Ss][Pp][Ii][Ff][Ff][Ee]:\\\\S+\\\\s*$"),
        [PIN] = SCHEMA_PATTERN("^\\\\s*([Ss][Hh][Aa]256:)?[0-9a-fA-F]{64}\\\\s*$"),
        [ENDPOINT] = SCHEMA_PATTERN("^\\\\s*(/|[.]/|[.][.]/|[Uu][Nn][Ii][Xx]:///([^%\\\\s]|%[0-9a-fA-F]{2})*\\\\s*$|"
                                    "([Tt][Cc][Pp]|[Hh][Tt][Tt][Pp][Ss]?)://([^/?#@\\\\s]*@)?" URI_HOST
                                    ":[0-9]{1,5}([/?#]|\\\\s*$))"),
        [SOCKET_PATH] = SCHEMA_PATTERN("^($|/|\\\\./|\\\\.\\\\./)"),
        [DURATION] = SCHEMA_PATTERN("^\\\\+?" ABOVE_NOTHING "(" NUMBER_UNIT ")+$"),
        [DURATION_OR_OFF] = SCHEMA_PATTERN("^(off|\\\\+?" ABOVE_NOTHING "(" NUMBER_UNIT ")+)?$"),
        [DURATION_OR_EMPTY] = SCHEMA_PATTERN("^(\\\\+?" ABOVE_NOTHING "(" NUMBER_UNIT ")+)?$"),
        [DELAY] = SCHEMA_PATTERN("^(0|\\\\+?(" NUMBER_UNIT ")+)?$"),
        [INTERVAL] = SCHEMA_PATTERN("^([-+]?" ABOVE_NOTHING "(" NUMBER_UNIT ")+)?$"),
        [LOG_LEVEL] = SCHEMA_WORDS("debug", "info", "warn", "error"),
        [LOG_FORMAT] = SCHEMA_WORDS("json", "text"),
        [AUDIT_FORMAT] = SCHEMA_WORDS("json"),
        [OUTPUT] = SCHEMA_PATTERN("^\\\\s*(?!([^/]+/[.][.]/)*[.][.](/|\\\\s*$))[^/\\\\s]"),
        [VERBOSITY] = SCHEMA_WORDS("minimal", "verbose"),
        [LABEL_SELECTOR] = SCHEMA_PATTERN("^\\\\s*[^,=\\\\s][^,=]*(=[^,]*[^,\\\\s][^,]*)?$"),
        [TRUST_MODE] = SCHEMA_WORDS("", "off", "warn", "enforce"),
        [CIDR] = SCHEMA_PATTERN("^\\\\s*(" IPV4 "/([12]?[0-9]|3[0-2])|" IPV6
                                "/([1-9]?[0-9]|1[01][0-9]|12[0-8]))\\\\s*$"),
        [ROLLOUT_MODE] = SCHEMA_WORDS("", "enforce", "warn", "audit"),
        [ACTION] = SCHEMA_WORDS("allow", "deny"),
        [RULE_PATH] = SCHEMA_PATTERN("^[^%]+$"),
        [PRIORITY] = SCHEMA_WORDS("", "low", "normal", "high"),
        [MUTATION_ID] = SCHEMA_PATTERN("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
        [PROFILE_NAME] = SCHEMA_PATTERN("^(?!\\\\s*[*]?\\\\s*$)"),
        [IMAGE_TEXT] = { .pattern = "^(?!\\\\s*$)[^\\u0000-\\u001f\\u007f]{1,4096}$" },
        [SURFACE] = SCHEMA_WORDS("container_create", "service_create", "service_update"),
        [REMAP] = SCHEMA_WORDS("exact", "prefix"),
};

#define CONSTRAINT(block, key, constraint) { #block, #key, constraint, false },
#define REQUIRED(block, key, constraint) { #block, #key, constraint, true },
static const struct {
        const char *block, *key;
        int constraint;
        bool required;
} rows[] = {
#include "policy/constraints.def"
};
#undef CONSTRAINT
#undef REQUIRED

const struct constraint *constraint_of(const struct opt_block *block, const struct opt_row *row, bool *ret_required) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].key, row->key) == 0 && strcmp(rows[i].block, block->name) == 0) {
                        if (ret_required)
                                *ret_required = rows[i].required;
                        return constraints + rows[i].constraint;
                }
        if (ret_required)
                *ret_required = false;
        return NULL;
}

static void check_row(struct config *c, const struct constraint *k, const struct opt_row *row, void *field) {
        struct plist *list = field;

        if (!k->text_holds && !k->number)
                return;
        if (row->kind == OPT_K_STR && !k->text_holds(text_of(c, *(struct pstr *) field)))
                complain(c, field, "%s", k->expected);
        for (uint32_t i = 0; row->kind == OPT_K_STRS && i < list->n; i++)
                if (!k->text_holds(text_of(c, list_of(c, *list, struct pstr)[i])))
                        complain(c, list_of(c, *list, struct pstr) + i, "%s", k->expected);
        if ((row->kind == OPT_K_INT && *(int64_t *) field < k->min) ||
            (row->kind == OPT_K_OPTINT && ((struct opt_int *) field)->set &&
             ((struct opt_int *) field)->value < k->min))
                complain(c, field, "%s", k->expected);
}

/* Most rows hold nothing: those have nothing to check, and finding out is cheaper than finding their constraint. */
static bool holds_something(const struct opt_row *row, const void *field) {
        switch (row->kind) {
        case OPT_K_STR:
                return true;
        case OPT_K_STRS:
                return ((const struct plist *) field)->n != 0;
        case OPT_K_INT:
                return *(const int64_t *) field != 0;
        case OPT_K_OPTINT:
                return ((const struct opt_int *) field)->set;
        default:
                return false;
        }
}

void constraints_check(struct config *c, const struct opt_block *block, void *base) {
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                void *field = (unsigned char *) base + row->offset;
                const struct plist *list = field;
                const struct constraint *k;

                if (row->kind == OPT_K_SUB) {
                        constraints_check(c, row->inner, field);
                } else if (row->kind == OPT_K_LIST || row->kind == OPT_K_OPT) {
                        for (uint32_t n = 0; n < list->n; n++)
                                constraints_check(c, row->inner,
                                                  list_of(c, *list, unsigned char) + (size_t) n * row->inner->size);
                } else if (holds_something(row, field) && (k = constraint_of(block, row, NULL))) {
                        check_row(c, k, row, field);
                }
        }
}
