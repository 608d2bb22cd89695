/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockguard.yaml(5): the prose stands here, the options come from the table.
 */
#include "policy/constraint.h"
#include "policy/describe.h"

#define SEEN_MAX 128u

struct manual {
        struct strbuf *out;
        struct {
                const struct opt_block *block;
                struct slice path;
        } seen[SEEN_MAX];
        size_t n_seen;
        struct arena *arena;
};

/* Text for roff: hyphens stay hyphens, backslashes and leading dots stay themselves. */
static void roff(struct strbuf *out, struct slice s) {
        if (s.len && (s.at[0] == '.' || s.at[0] == '\''))
                strbuf_adds(out, "\\&");
        for (size_t i = 0; i < s.len; i++) {
                if (s.at[i] == '-')
                        strbuf_adds(out, "\\-");
                else if (s.at[i] == '\\')
                        strbuf_adds(out, "\\e");
                else
                        strbuf_addc(out, s.at[i]);
        }
}

static const char *const kind_names[] = {
        [OPT_K_STR] = "text",
        [OPT_K_BOOL] = "boolean",
        [OPT_K_INT] = "integer",
        [OPT_K_FLOAT] = "number",
        [OPT_K_OPTINT] = "integer",
        [OPT_K_STRS] = "list of texts",
        [OPT_K_ARGVS] = "list of lists of texts",
        [OPT_K_U32S] = "list of integers",
        [OPT_K_I32S] = "list of integers",
        [OPT_K_MAP] = "mapping of texts",
};

static void option(struct manual *m, const struct opt_row *row, struct slice path, bool in_list) {
        struct strbuf *o = m->out;
        bool has_default = !in_list && row->default_text && row->default_text[0];

        strbuf_adds(o, ".TP\n.B ");
        roff(o, path);
        strbuf_addf(o, "\n(%s", kind_names[row->kind]);
        if (has_default) {
                strbuf_adds(o, ", default ");
                roff(o, slice_of(row->default_text));
        }
        if (row->reload == 'I')
                strbuf_adds(o, ", fixed until restart");
        strbuf_adds(o, ")\n");
        if (row->help && row->help[0]) {
                char first = row->help[0];

                strbuf_addc(o, first >= 'a' && first <= 'z' ? (char) (first - 32) : first);
                roff(o, slice_from(slice_of(row->help), 1));
                strbuf_addc(o, '.');
        }
        if (row->allowed && row->allowed[0]) {
                strbuf_adds(o, "\nValues: ");
                roff(o, slice_of(row->allowed));
                strbuf_addc(o, '.');
        }
        strbuf_addc(o, '\n');
}

static void block(struct manual *m, const struct opt_block *b, struct slice path, bool in_list) {
        for (size_t i = 0; i < m->n_seen; i++)
                if (m->seen[i].block == b) {
                        strbuf_adds(m->out, ".TP\n.B ");
                        roff(m->out, path);
                        strbuf_adds(m->out, "\nThe same options as ");
                        roff(m->out, m->seen[i].path);
                        strbuf_adds(m->out, ".\n");
                        return;
                }
        if (m->n_seen < SEEN_MAX) {
                m->seen[m->n_seen].block = b;
                m->seen[m->n_seen++].path = path;
        }
        for (uint32_t i = 0; i < b->n_rows; i++) {
                const struct opt_row *row = b->rows + i;
                bool list = row->kind == OPT_K_LIST;
                struct slice below = arena_printf(m->arena, "%.*s.%s%s", SLICE_ARG(path), row->key, list ? "[]" : "");

                if (row->inner)
                        block(m, row->inner, below, in_list || list);
                else
                        option(m, row, below, in_list);
        }
}

static const char head[] =
        ".TH SOCKGUARD.YAML 5 \"\" \"sockguard " PACKAGE_VERSION "\" \"File formats\"\n"
        ".SH NAME\n"
        "sockguard.yaml \\- what Sockguard lets through to the Docker socket\n"
        ".SH DESCRIPTION\n"
        "The file says where Sockguard listens, where the daemon is, who may come in, which requests pass, and what "
        "their bodies may ask for.\n"
        ".BR sockguard\\-ctl (8)\n"
        "compiles it into a policy image, and\n"
        ".BR sockguard\\-filter (8)\n"
        "decides every request by that image.\n"
        "Without a file the defaults below apply: GET and HEAD of /_ping, GET of /version and of /events pass, "
        "everything else is refused.\n"
        ".PP\n"
        "A first configuration:\n"
        ".PP\n"
        ".RS 4\n"
        ".nf\n"
        "listen:\n"
        "  socket: /run/sockguard/docker.sock\n"
        "  socket_mode: \"0660\"\n"
        "  socket_gid: 998\n"
        "rules:\n"
        "  \\- match: {method: \"GET,HEAD\", path: /_ping}\n"
        "    action: allow\n"
        "  \\- match: {method: GET, path: /containers/*/json}\n"
        "    action: allow\n"
        "  \\- match: {method: \"*\", path: /**}\n"
        "    action: deny\n"
        "    reason: not in the list\n"
        ".fi\n"
        ".RE\n"
        ".SH FORMAT\n"
        "YAML 1.2; JSON is YAML too. The name of the file ends in .yaml, .yml or .json. It is at most 4 MiB of "
        "UTF\\-8, and only its first document is\n"
        "read.\n"
        ".PP\n"
        "Only true and false are booleans: yes, no, on and off are texts. An unquoted number with a leading zero is "
        "octal, so a mode is written in\n"
        "quotes: \"0660\". An unquoted date is not a text.\n"
        ".PP\n"
        "Keys are read in any letter case; the names of labels keep theirs. A key that does not exist is an error, and "
        "so is one that stands twice.\n"
        "Keys at the top that begin with x\\- are not read: a place for anchors. Anchors, aliases and merge keys\n"
        ".RB ( << )\n"
        "work; what is written beats what is merged.\n"
        ".PP\n"
        "A list of texts may be written as one text with commas; blanks count. null leaves an option as if it were "
        "absent.\n"
        ".PP\n"
        "A duration is a number with a unit, or several: 250ms, 30s, 1h30m. Sizes are plain numbers of bytes.\n"
        ".PP\n"
        "Defaults do not reach into lists. In an entry of a list every option that is not written is false, empty or "
        "zero; so a profile's\n"
        "request_body permits nothing that it does not name, not even official images.\n"
        ".SH ENVIRONMENT\n"
        "An option outside lists is overridden by the variable SOCKGUARD_ and its name in capitals with underscores:\n"
        ".B SOCKGUARD_LOG_LEVEL\n"
        "is log.level. An empty variable counts as unset. Lists are split at commas.\n"
        ".PP\n"
        ".B SOCKET_PATH\n"
        "and\n"
        ".B LOG_LEVEL\n"
        "stand for upstream.socket and log.level. Above all stand the flags of\n"
        ".BR \"sockguard\\-ctl serve\" .\n"
        ".PP\n"
        "As long as the rules are the built\\-in ones, the variables of the Tecnativa and LinuxServer socket proxies "
        "(CONTAINERS, IMAGES, POST,\n"
        "ALLOW_START and so on) replace them. Any rule of your own switches that off.\n"
        ".PP\n"
        ".B SOCKGUARD_ALLOW_UNKNOWN_KEYS=true\n"
        "turns unknown keys into warnings, for a migration.\n"
        ".SH RULES\n"
        "The first rule whose method and path match decides; without one the request is refused. The path is compared "
        "after decoding and cleaning,\n"
        "without its version prefix and without its query. In a pattern\n"
        ".B *\n"
        "matches any run without a slash,\n"
        ".B **\n"
        "any run, and\n"
        ".B /**\n"
        "nothing, or a slash and anything. Everything else is itself.\n"
        ".PP\n"
        "A client that gets a profile is judged by the profile's rules and request_body alone: nothing is inherited.\n"
        ".PP\n"
        "Some rules are refused unless they are acknowledged: those that open writes whose bodies nothing judges\n"
        "(insecure_allow_body_blind_writes), reading data out of the engine (insecure_allow_read_exfiltration), or "
        "BuildKit tunnels.\n"
        ".SH OPTIONS\n"
        "In front of a name stands the path of the mappings around it; [] is an entry of a list.\n"
        "\\(lqFixed until restart\\(rq: a reload that changes the option is refused.\n";

static const char tail[] =
        ".SH FILES\n"
        ".TP\n"
        ".I " SOCKGUARD_SYSCONFDIR "/sockguard/sockguard.yaml\n"
        "the configuration, unless \\-c names another\n"
        ".TP\n"
        ".I " SOCKGUARD_DATADIR "/presets\n"
        "ready\\-made configurations\n"
        ".TP\n"
        ".I " SOCKGUARD_DATADIR "/sockguard.schema.json\n"
        "a JSON schema for editors\n"
        ".SH DIAGNOSTICS\n"
        ".B sockguard\\-ctl validate\n"
        "reports everything that is wrong in one go, each problem as\n"
        ".IR file : line : column ,\n"
        "the option, the value, and what was expected;\n"
        ".B \\-\\-format json\n"
        "does so for programs.\n"
        ".B sockguard\\-ctl config\n"
        "shows what is in force and where it comes from.\n"
        ".SH NOT ENFORCED YET\n"
        "What these options ask for is not built. They are read and checked, and what depends on them is refused: "
        "BuildKit tunnels under\n"
        ".BR request_body.buildkit ;\n"
        "requests for images under an\n"
        ".B image_trust\n"
        "that enforces.\n"
        ".SH DIFFERENCES FROM THE GO SOCKGUARD\n"
        "Unknown keys are errors. TOML, dotenv files and keys with dots are refused. A number that does not fit is an "
        "error and does not wrap.\n"
        "A variable that names a whole block is ignored with a warning instead of emptying the block. Names of labels "
        "under inject_labels keep their\n"
        "letter case. Names of profiles lose outer blanks. upstream.socket beats DOCKER_HOST when it is set "
        "explicitly. Ports, signing keys and\n"
        "service.image_trust are checked when the file is read. In a pattern ** also matches a line feed.\n"
        "A misspelt SOCKGUARD_ variable is warned of, and so is a rule that lets some names of a guarded endpoint "
        "through.\n"
        ".SH SEE ALSO\n"
        ".BR sockguard\\-ctl (8),\n"
        ".BR sockguard\\-filter (8)\n";

void describe_manual(struct strbuf *out) {
        struct arena arena;
        struct manual m = { .out = out, .arena = &arena };

        arena_init(&arena, DESCRIPTION_MAX, NULL);
        strbuf_add(out, slice_of(head));
        for (uint32_t i = 0; i < opt_block_root.n_rows; i++) {
                const struct opt_row *row = opt_block_root.rows + i;
                struct slice path = arena_printf(&arena, "%s%s", row->key, row->kind == OPT_K_LIST ? "[]" : "");

                if (row->inner) {
                        strbuf_adds(out, ".SS ");
                        roff(out, slice_of(row->key));
                        strbuf_addc(out, '\n');
                        block(&m, row->inner, path, row->kind == OPT_K_LIST);
                        continue;
                }
                if (i && opt_block_root.rows[i - 1].inner)
                        strbuf_adds(out, ".SS acknowledgments\n");
                option(&m, row, path, false);
        }
        strbuf_add(out, slice_of(tail));
        arena_free(&arena);
}
