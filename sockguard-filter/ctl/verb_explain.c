/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "ctl/common.h"
#include "policy/layout.h"

/*
 * Why a request would be denied, and what would allow it. Nothing is decided here: a filter is started with --dry-run
 * and gets the request; its answer is put into words.
 */

/* Bytes: more than any body that is inspected in memory, and room for a head. */
#define REQUEST_MAX (64u * 1024 * 1024)
#define ANSWER_MAX (4u * 1024 * 1024)

enum {
        FLAG_METHOD,
        FLAG_PATH,
        FLAG_BODY,
        FLAG_TYPE,
        FLAG_REQUEST,
        FLAG_PROFILE,
        FLAG_LISTENER,
        FLAG_OUTPUT,
        FLAG_UNKNOWN
};

static const struct verb_flag flags[] = {
        [FLAG_METHOD] = { .name = "method",
                          .letter = 'X',
                          .value = "METHOD",
                          .help = "HTTP method (default GET, or POST with a body)" },
        [FLAG_PATH] = { .name = "path", .value = "TARGET", .help = "request target, with its query" },
        [FLAG_BODY] = { .name = "body", .value = "FILE", .help = "request body; - is standard input" },
        [FLAG_TYPE] = { .name = "content-type", .value = "TYPE", .help = "of the body (default application/json)" },
        [FLAG_REQUEST] = { .name = "request",
                           .value = "FILE",
                           .help = "a whole HTTP/1.1 request as it is on the wire, instead of all these" },
        [FLAG_PROFILE] = { .name = "profile", .value = "NAME", .help = "judge as a client of this profile" },
        [FLAG_LISTENER] = { .name = "listener", .value = "NAME", .help = "judge as on this listener" },
        [FLAG_OUTPUT] = { .name = "output", .letter = 'o', .value = "FORMAT", .help = "text (default) or json" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

static int read_file(const char *path, struct strbuf *out) {
        bool is_stdin = strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = 1;

        if (fd < 0)
                return -errno;
        while (n > 0) {
                char *room = strbuf_reserve(out, 65536);

                if (!room) {
                        n = -1;
                        errno = EFBIG;
                        break;
                }
                do
                        n = read(fd, room, 65536);
                while (n < 0 && errno == EINTR);
                if (n > 0)
                        out->len += (size_t) n;
        }
        if (n < 0)
                n = -errno;
        if (!is_stdin)
                close(fd);
        return (int) n;
}

/* The request's bytes. 0, or the exit status after a message. */
static int make_request(const struct verb_args *args, struct strbuf *out) {
        const char *method = args->value[FLAG_METHOD], *path = args->value[FLAG_PATH],
                   *body_path = args->value[FLAG_BODY];
        const char *type = args->value[FLAG_TYPE] ? args->value[FLAG_TYPE] : "application/json";
        _cleanup_strbuf_ struct strbuf body;
        int r;

        strbuf_init(&body, REQUEST_MAX);
        if (args->value[FLAG_REQUEST]) {
                if (method || path || body_path || args->value[FLAG_TYPE])
                        return verb_fail("--request is the whole request: it goes with no part of one");
                r = read_file(args->value[FLAG_REQUEST], out);
                return r < 0 ? verb_fail("cannot read %s: %s", args->value[FLAG_REQUEST], strerror(-r)) : 0;
        }
        if (!path)
                return verb_fail("--path or --request is needed");
        if (strpbrk(path, " \r\n") || strpbrk(type, "\r\n") || (method && strpbrk(method, " \r\n")))
                return verb_fail("a method, a target and a content type have no blanks or line ends");
        if (body_path) {
                r = read_file(body_path, &body);
                if (r < 0)
                        return verb_fail("cannot read %s: %s", body_path, strerror(-r));
        }
        strbuf_addf(out, "%s %s HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n",
                    method      ? method
                    : body_path ? "POST"
                                : "GET",
                    path);
        if (body_path)
                strbuf_addf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body.len);
        strbuf_adds(out, "\r\n");
        strbuf_add(out, strbuf_view(&body));
        return out->failed ? verb_fail("the request is too large") : 0;
}

/* ---- the policy ---- */

/*
 * Makes a copy of the image in which every client has the profile: nothing selects another, and it is the default.
 * -ENOENT when there is no such profile.
 */
static int force_profile(char *image, size_t size, const char *name) {
        struct policy_header *header = (struct policy_header *) (void *) image;
        struct opt_root *root = (struct opt_root *) (void *) (image + header->root);
        const struct opt_profile *profiles;
        struct policy p;
        struct error e;

        if (policy_image_view(image, size, &p, &e) < 0)
                return -EBADMSG;
        profiles = policy_list(&p, p.root->clients.profiles, struct opt_profile);
        for (uint32_t i = 0; i < p.root->clients.profiles.n; i++) {
                if (!slice_eq(slice_trim_ows(policy_str(&p, profiles[i].name)), slice_of(name)))
                        continue;
                root->clients.default_profile = profiles[i].name;
                root->clients.allowed_cidrs.n = 0;
                root->clients.source_ip_profiles.n = 0;
                root->clients.client_certificate_profiles.n = 0;
                root->clients.unix_peer_profiles.n = 0;
                root->clients.container_labels.enabled = false;
                header->checksum = policy_checksum(image + POLICY_CHECKSUM_FROM, size - POLICY_CHECKSUM_FROM);
                return 0;
        }
        return -ENOENT;
}

/* The compiled policy in a file of its own: its descriptor, or -1 after a message. */
static int make_policy(const struct verb_args *args) {
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        const char *profile = args->value[FLAG_PROFILE];
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text;
        struct slice image = SLICE("");
        char *copy;
        int r, fd;

        strbuf_init(&text, 1u << 20);
        source.must_exist = true;
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (r == 0)
                r = config_compile(c, 0, &image);
        if (r < 0) {
                if (r == -EBADMSG)
                        ctl_describe(config_problems(c), &text);
                verb_fail("%s%.*s", r == -EBADMSG ? "" : strerror(-r), SLICE_ARG(strbuf_view(&text)));
                return -1;
        }
        copy = malloc(image.len);
        fd = memfd_create("explain", 0); /* for the filter: not closed when it starts */
        if (copy)
                memcpy(copy, image.at, image.len);
        r = copy && fd >= 0 ? 0 : -errno;
        if (r == 0 && profile)
                r = force_profile(copy, image.len, profile);
        if (r == 0 && write(fd, copy, image.len) != (ssize_t) image.len)
                r = -EIO;
        free(copy);
        if (r == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        verb_fail(r == -ENOENT ? "there is no profile \"%s\"" : "cannot hand the policy on%s",
                  r == -ENOENT ? profile : "");
        return -1;
}

/* ---- the filter ---- */

static void start_filter(int policy, const char *listener, int request, int answer) {
        const char *filter = getenv("SOCKGUARD_FILTER");
        char path[32];
        const char *argv[] = { "sockguard-filter", "--dry-run", "--limits-optional",
                               "--policy",         path,        listener ? "--listener" : NULL,
                               listener,           NULL };

        if (!filter || filter[0] != '/')
                filter = SOCKGUARD_BINDIR "/sockguard-filter";
        snprintf(path, sizeof(path), "/proc/self/fd/%d", policy);
        unsetenv("LISTEN_FDS");
        if (dup2(request, STDIN_FILENO) < 0 || dup2(answer, STDOUT_FILENO) < 0)
                _exit(127);
        execv(filter, (char *const *) (uintptr_t) argv);
        dprintf(STDERR_FILENO, "Error: cannot start %s: %s\n", filter, strerror(errno));
        _exit(127);
}

/* Gives the filter the request and takes its answer. 0, or 1 after a message. */
static int ask_filter(int policy, const char *listener, struct slice request, struct strbuf *answer) {
        int in = memfd_create("request", MFD_CLOEXEC), out[2], status = 0;
        ssize_t n = 1;
        pid_t pid;

        /* The request is a file: a filter that has decided early does not leave us with a full pipe. */
        if (in < 0 || write(in, request.at, request.len) != (ssize_t) request.len || lseek(in, 0, SEEK_SET) < 0 ||
            pipe2(out, O_CLOEXEC) < 0)
                return verb_fail("cannot hand the request on: %s", strerror(errno)), 1;
        pid = fork();
        if (pid < 0)
                return verb_fail("cannot start a filter: %s", strerror(errno)), 1;
        if (pid == 0)
                start_filter(policy, listener, in, out[1]);
        close(in);
        close(out[1]);
        while (n > 0) {
                char *room = strbuf_reserve(answer, 65536);

                n = room ? read(out[0], room, 65536) : 0;
                if (n > 0)
                        answer->len += (size_t) n;
        }
        close(out[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (answer->len == 0)
                return verb_fail("the filter gave no answer"), 1;
        return 0;
}

/* ---- words ---- */

static const char *text_of(const cJSON *verdict, const char *key) {
        const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(verdict, key));

        return s ? s : "";
}

static void line(const char *label, const char *value) {
        if (*value)
                printf("%-13s %s\n", label, value);
}

/* One line of the filter's answer. True when the request would reach the daemon. */
static bool print_text(const cJSON *verdict) {
        const cJSON *rule = cJSON_GetObjectItemCaseSensitive(verdict, "rule"),
                    *status = cJSON_GetObjectItemCaseSensitive(verdict, "status");
        bool relayed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(verdict, "relayed"));
        const char *decision = text_of(verdict, "decision"), *profile = text_of(verdict, "profile"),
                   *option = text_of(verdict, "option");
        char where[256] = ""; /* the profile's own block */
        bool no_rule;

        printf("%s %s\n", text_of(verdict, "method"), text_of(verdict, "path"));
        if (cJSON_IsNumber(status))
                printf("%-13s %s, %d\n", "Decision:", *decision ? decision : "answered here",
                       (int) status->valuedouble);
        else
                printf("%-13s %s\n", "Decision:",
                       strcmp(decision, "would_deny") == 0 ? "would be denied, but the profile only reports it"
                                                           : decision);
        line("Judged as:", text_of(verdict, "normalized_path"));
        line("Profile:", profile);
        if (cJSON_IsNumber(rule) && rule->valuedouble >= 0)
                printf("%-13s %d\n", "Rule:", (int) rule->valuedouble + 1);
        line("Stage:", strcmp(decision, "allow") == 0 ? "" : text_of(verdict, "stage"));
        line("Because:", text_of(verdict, "reason"));
        line("Code:", text_of(verdict, "reason_code"));
        line("Field:", text_of(verdict, "field"));
        line("Value:", text_of(verdict, "value"));
        no_rule = strcmp(text_of(verdict, "reason_code"), "no_matching_allow_rule") == 0;
        if (*profile && (no_rule || strncmp(option, "request_body.", 13) == 0))
                snprintf(where, sizeof(where), "clients.profiles[name=%s].", profile);
        if (no_rule)
                printf("%-13s %srules: - {match: {method: %s, path: \"%s\"}, action: allow}\n", "Option:", where,
                       text_of(verdict, "method"), text_of(verdict, "normalized_path"));
        else if (*option)
                printf("%-13s %s%s\n", "Option:", where, option);
        return relayed;
}

static int run(const struct verb_args *args) {
        const char *output = args->value[FLAG_OUTPUT] ? args->value[FLAG_OUTPUT] : "text";
        bool json = strcmp(output, "json") == 0, relayed = true;
        _cleanup_strbuf_ struct strbuf request, answer;
        struct slice rest, one;
        int r, policy;

        strbuf_init(&request, REQUEST_MAX);
        strbuf_init(&answer, ANSWER_MAX);
        if (!json && strcmp(output, "text") != 0)
                return verb_fail("--output is text or json, not \"%s\"", output);
        if (args->argc > 0)
                return verb_fail("unexpected argument \"%s\"", args->argv[0]);
        r = make_request(args, &request);
        if (r != 0)
                return r;
        policy = make_policy(args);
        if (policy < 0)
                return 1;
        r = ask_filter(policy, args->value[FLAG_LISTENER], strbuf_view(&request), &answer);
        close(policy);
        if (r != 0)
                return r;
        strbuf_addc(&answer, '\0');
        rest = slice_make(answer.at, answer.len - 1);
        while (rest.len) {
                cJSON *verdict;

                (void) slice_cut(rest, '\n', &one, &rest);
                verdict = cJSON_ParseWithLength(one.at, one.len);
                if (!verdict)
                        return verb_fail("the filter's answer makes no sense: %.*s", SLICE_ARG(one)), 1;
                if (json) {
                        printf("%.*s\n", SLICE_ARG(one));
                        relayed = relayed && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(verdict, "relayed"));
                } else {
                        relayed = print_text(verdict) && relayed;
                }
                cJSON_Delete(verdict);
        }
        return relayed ? 0 : 1;
}

const struct verb verb_explain = {
        .name = "explain",
        .summary = "say why a request would be denied, and which option would allow it",
        VERB_FLAGS(flags),
        .run = run,
};
