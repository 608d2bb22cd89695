/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockguard-ctl VERB: a table of verbs, one file each, and the reading of their flags.
 */
#include "ctl/verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/load.h"

static const struct verb *const verbs[] = {
        &verb_serve,    &verb_run,   &verb_status,  &verb_top,     &verb_doctor, &verb_units,  &verb_compile,
        &verb_validate, &verb_match, &verb_explain, &verb_migrate, &verb_config, &verb_schema, &verb_version,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb_flag common_flags[] = {
        { .name = "config",
          .letter = 'c',
          .value = "PATH",
          .help = "configuration file (default " CONFIG_DEFAULT_PATH ")" },
        { .name = "help", .letter = 'h', .help = "this text" },
};

#define N_COMMON (sizeof(common_flags) / sizeof(common_flags[0]))

int verb_fail(const char *format, ...) {
        va_list ap;

        fputs("Error: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return VERB_USAGE;
}

static void print_flag(FILE *out, const struct verb_flag *f) {
        char text[64];

        snprintf(text, sizeof(text), "--%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
        if (f->letter)
                fprintf(out, "  -%c, %-28s %s\n", f->letter, text, f->help);
        else
                fprintf(out, "      %-28s %s\n", text, f->help);
}

static void print_usage(FILE *out, const struct verb *v) {
        if (v) {
                fprintf(out, "Usage: sockguard-ctl %s [FLAGS]\n\n%s\n\nFlags:\n", v->name, v->summary);
                for (size_t i = 0; i < v->n_flags; i++)
                        print_flag(out, v->flags + i);
        } else {
                fputs("Usage: sockguard-ctl VERB [FLAGS]\n\nVerbs:\n", out);
                for (size_t i = 0; i < N_VERBS; i++)
                        if (!verbs[i]->hidden)
                                fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
                fputs("  help       this text, or that of a verb\n\nFlags:\n", out);
        }
        for (size_t i = 0; i < N_COMMON; i++)
                print_flag(out, common_flags + i);
}

static const struct verb *verb_named(const char *name) {
        for (size_t i = 0; i < N_VERBS; i++)
                if (strcmp(verbs[i]->name, name) == 0)
                        return verbs[i];
        return NULL;
}

/* The flag that `arg` names, its argument when it is attached, and where the verb's table has it (-1: a common flag).
 */
static const struct verb_flag *find_flag(const struct verb *v, const char *arg, const char **ret_attached,
                                         int *ret_index) {
        const char *name = arg + (arg[1] == '-' ? 2 : 1), *equals = arg[1] == '-' ? strchr(name, '=') : NULL;
        size_t n = equals ? (size_t) (equals - name) : strlen(name), n_own = v ? v->n_flags : 0;

        for (size_t i = 0; i < n_own + N_COMMON; i++) {
                const struct verb_flag *f = i < n_own ? v->flags + i : common_flags + (i - n_own);

                if (arg[1] == '-' ? strlen(f->name) != n || strncmp(f->name, name, n) != 0
                                  : !f->letter || name[0] != f->letter)
                        continue;
                *ret_index = i < n_own ? (int) i : -1;
                *ret_attached = equals ? equals + 1 : arg[1] != '-' && name[1] ? name + 1 : NULL;
                if (arg[1] != '-' && *ret_attached && **ret_attached == '=')
                        (*ret_attached)++;
                return f;
        }
        return NULL;
}

/*
 * Reads flags until the end; what is no flag is collected in front of argv. Without a verb yet, stops behind the first
 * word. 0, 1 when help was asked for, or VERB_USAGE after a message.
 */
static int read_flags(const struct verb *v, int argc, char **argv, int *from, struct verb_args *args) {
        for (; *from < argc; (*from)++) {
                char *arg = argv[*from];
                const char *attached = NULL;
                const struct verb_flag *f;
                int index = -1;

                if (arg[0] != '-' || !arg[1]) {
                        if (!v)
                                return 0;
                        args->argv[args->argc++] = arg;
                        continue;
                }
                if (strcmp(arg, "--") == 0) {
                        while (++*from < argc)
                                args->argv[args->argc++] = argv[*from];
                        return 0;
                }
                f = find_flag(v, arg, &attached, &index);
                if (!f)
                        return verb_fail("unknown flag: %s", arg);
                if (f->value && !attached) {
                        if (*from + 1 >= argc)
                                return verb_fail("flag needs an argument: %s", arg);
                        attached = argv[++*from];
                } else if (!f->value && attached) {
                        return verb_fail("flag takes no argument: %s", arg);
                }
                if (index >= 0) {
                        args->value[index] = f->value ? attached : "";
                } else if (f->letter == 'h') {
                        return 1;
                } else {
                        args->config = attached;
                        args->config_given = true;
                }
        }
        return 0;
}

static int help(int argc, char **argv, int from) {
        const struct verb *v = from < argc ? verb_named(argv[from]) : NULL;

        if (from < argc && !v && argv[from][0] != '-') {
                verb_fail("unknown verb: %s", argv[from]);
                return 1;
        }
        print_usage(stdout, v);
        return 0;
}

int main(int argc, char **argv) {
        struct verb_args args = { .config = CONFIG_DEFAULT_PATH };
        const struct verb *v = NULL;
        int from = 1, r;

        r = read_flags(NULL, argc, argv, &from, &args);
        if (r == 0 && from < argc) {
                if (strcmp(argv[from], "help") == 0)
                        return help(argc, argv, from + 1);
                v = verb_named(argv[from]);
                if (!v) {
                        verb_fail("unknown verb: %s", argv[from]);
                        fputs("Run 'sockguard-ctl help' for the list of verbs.\n", stderr);
                        return 1;
                }
                from++;
        } else if (r == 0) {
                v = verb_named("serve");
        }
        args.argv = argv; /* positional arguments move to the front; what is there has been read */
        if (r == 0 && v)
                r = read_flags(v, argc, argv, &from, &args);
        if (r == 1) {
                print_usage(stdout, v);
                return 0;
        }
        if (r == 0)
                r = v ? v->run(&args) : verb_fail("a verb is needed");
        if (r == VERB_USAGE) {
                fputc('\n', stderr);
                print_usage(stderr, v);
                return 1;
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                verb_fail("cannot write to standard output");
                return 1;
        }
        return r;
}
