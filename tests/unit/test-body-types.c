/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "inspect.h"

/*
 * Every member that an inspector of containers reads, with values of every type (chapter 03, 1.4, item 8): a value of
 * the wrong type is a malformed body, at that member, however its name is spelled; a value of the right type is judged.
 */

/* The kinds: String, Bool, Integer, List of strings, List of lists (N), Map of strings, Object, map of Endpoints, Array
 * of objects. */
static const struct {
        const char *json, *fits;
} values[] = {
        { "null", "SBILNMOEA" },
        { "true", "B" },
        { "false", "B" },
        { "0", "I" },
        { "-0", "I" },
        { "-7", "I" },
        { "9223372036854775807", "I" },
        { "-9223372036854775808", "I" },
        { "9223372036854775808", "" },
        { "-9223372036854775809", "" },
        { "123456789012345678901234567890", "" },
        { "1.0", "" },
        { "1e2", "" },
        { "1E-2", "" },
        { "''", "S" },
        { "'x'", "S" },
        { "'0'", "S" },
        { "'true'", "S" },
        { "[]", "LNA" },
        { "['x','']", "L" },
        { "[null]", "LNA" },
        { "[null,'x',null]", "L" },
        { "[1]", "" },
        { "[true]", "" },
        { "['x',1]", "" },
        { "[[]]", "N" },
        { "[['x',null],null]", "N" },
        { "[['x',1]]", "" },
        { "[[['x']]]", "" },
        { "[{}]", "A" },
        { "[{},null]", "A" },
        { "[{},'x']", "" },
        { "{}", "MOE" },
        { "{'a':'b'}", "MO" },
        { "{'a':null}", "MOE" },
        { "{'a':1}", "O" },
        { "{'a':{}}", "OE" },
        { "{'a':[]}", "O" },
};

struct member {
        const char *pointer; /* "*" is the name "a" of a map's member, "0" the first of an array */
        char kind;
};

static const struct member create_members[] = {
        { "/Image", 'S' },
        { "/User", 'S' },
        { "/MacAddress", 'S' },
        { "/Labels", 'M' },
        { "/NetworkingConfig", 'O' },
        { "/NetworkingConfig/EndpointsConfig", 'E' },
        { "/NetworkingConfig/EndpointsConfig/*/IPAMConfig", 'O' },
        { "/NetworkingConfig/EndpointsConfig/*/IPAMConfig/IPv4Address", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/IPAMConfig/IPv6Address", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/IPAMConfig/LinkLocalIPs", 'L' },
        { "/NetworkingConfig/EndpointsConfig/*/Links", 'L' },
        { "/NetworkingConfig/EndpointsConfig/*/Aliases", 'L' },
        { "/NetworkingConfig/EndpointsConfig/*/Gateway", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/IPAddress", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/IPv6Gateway", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/GlobalIPv6Address", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/MacAddress", 'S' },
        { "/NetworkingConfig/EndpointsConfig/*/IPPrefixLen", 'I' },
        { "/NetworkingConfig/EndpointsConfig/*/GlobalIPv6PrefixLen", 'I' },
        { "/NetworkingConfig/EndpointsConfig/*/GwPriority", 'I' },
        { "/NetworkingConfig/EndpointsConfig/*/DriverOpts", 'O' },
        { "/HostConfig", 'O' },
        { "/HostConfig/Privileged", 'B' },
        { "/HostConfig/ReadonlyRootfs", 'B' },
        { "/HostConfig/NetworkMode", 'S' },
        { "/HostConfig/PidMode", 'S' },
        { "/HostConfig/IpcMode", 'S' },
        { "/HostConfig/UsernsMode", 'S' },
        { "/HostConfig/CgroupnsMode", 'S' },
        { "/HostConfig/UTSMode", 'S' },
        { "/HostConfig/CgroupParent", 'S' },
        { "/HostConfig/Runtime", 'S' },
        { "/HostConfig/VolumeDriver", 'S' },
        { "/HostConfig/Binds", 'L' },
        { "/HostConfig/VolumesFrom", 'L' },
        { "/HostConfig/GroupAdd", 'L' },
        { "/HostConfig/ExtraHosts", 'L' },
        { "/HostConfig/Links", 'L' },
        { "/HostConfig/DeviceCgroupRules", 'L' },
        { "/HostConfig/SecurityOpt", 'L' },
        { "/HostConfig/CapAdd", 'L' },
        { "/HostConfig/CapDrop", 'L' },
        { "/HostConfig/MaskedPaths", 'L' },
        { "/HostConfig/ReadonlyPaths", 'L' },
        { "/HostConfig/Sysctls", 'M' },
        { "/HostConfig/Tmpfs", 'M' },
        { "/HostConfig/Mounts", 'A' },
        { "/HostConfig/Mounts/0/Type", 'S' },
        { "/HostConfig/Mounts/0/Source", 'S' },
        { "/HostConfig/Mounts/0/VolumeOptions", 'O' },
        { "/HostConfig/Mounts/0/VolumeOptions/Subpath", 'S' },
        { "/HostConfig/Mounts/0/VolumeOptions/DriverConfig", 'O' },
        { "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Name", 'S' },
        { "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Options", 'M' },
        { "/HostConfig/Mounts/0/ImageOptions", 'O' },
        { "/HostConfig/Mounts/0/ImageOptions/Subpath", 'S' },
        { "/HostConfig/Mounts/0/TmpfsOptions", 'O' },
        { "/HostConfig/Mounts/0/TmpfsOptions/Options", 'N' },
        { "/HostConfig/Devices", 'A' },
        { "/HostConfig/Devices/0/PathOnHost", 'S' },
        { "/HostConfig/DeviceRequests", 'A' },
        { "/HostConfig/DeviceRequests/0/Driver", 'S' },
        { "/HostConfig/DeviceRequests/0/Count", 'I' },
        { "/HostConfig/DeviceRequests/0/DeviceIDs", 'L' },
        { "/HostConfig/DeviceRequests/0/Capabilities", 'N' },
        { "/HostConfig/DeviceRequests/0/Options", 'M' },
        { "/HostConfig/Memory", 'I' },
        { "/HostConfig/MemoryReservation", 'I' },
        { "/HostConfig/NanoCpus", 'I' },
        { "/HostConfig/CpuQuota", 'I' },
        { "/HostConfig/CpuPeriod", 'I' },
        { "/HostConfig/CpuShares", 'I' },
        { "/HostConfig/PidsLimit", 'I' },
};

static const struct member exec_members[] = { { "/Privileged", 'B' }, { "/User", 'S' }, { "/Env", 'L' } };

enum spelling { EXACT, UPPER, FOLDED, ESCAPED, SPELLING_MAX_ };

/* A member's name as a client may write it: the engine's decoder takes them all for the same. */
static void spell(struct strbuf *b, struct slice name, enum spelling how) {
        for (size_t i = 0; i < name.len; i++) {
                char c = name.at[i];

                if (how == FOLDED && (c | 0x20) == 's')
                        strbuf_adds(b, "\u017f");
                else if (how == FOLDED && (c | 0x20) == 'k')
                        strbuf_adds(b, "\u212a");
                else if (how == ESCAPED)
                        strbuf_addf(b, "\\u%04X", (unsigned) c);
                else
                        strbuf_addc(b, how == UPPER && c >= 'a' && c <= 'z' ? (char) (c - 32) : c);
        }
}

/* {"A":{"B":[{"C":value}]}} for /A/B/0/C. */
static void build(struct strbuf *b, const char *pointer, const char *value, enum spelling how) {
        struct slice rest = slice_of(pointer + 1), token;
        char close[32];
        size_t n = 0;

        for (bool more = true; more;) {
                more = slice_cut(rest, '/', &token, &rest);
                if (slice_eq(token, SLICE("0"))) {
                        strbuf_addc(b, '[');
                        close[n++] = ']';
                        continue;
                }
                strbuf_adds(b, "{'");
                if (slice_eq(token, SLICE("*")))
                        strbuf_adds(b, "a");
                else
                        spell(b, token, how);
                strbuf_adds(b, "':");
                close[n++] = '}';
        }
        strbuf_add(b, slice_of(value));
        while (n > 0)
                strbuf_addc(b, close[--n]);
        strbuf_addc(b, '\0');
}

static bool is_malformed(void) {
        return judge_.result.outcome == INSPECT_DENY &&
               slice_starts(judge_.result.reason, SLICE("the request body is malformed"));
}

static void types_hold(const char *path, const struct member *members, size_t n) {
        struct strbuf body;

        strbuf_init(&body, 4096);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++)
                        for (enum spelling how = EXACT; how < SPELLING_MAX_; how++) {
                                bool fits = strchr(values[j].fits, members[i].kind) != NULL;

                                strbuf_reset(&body);
                                build(&body, members[i].pointer, values[j].json, how);
                                (void) judge_body(HTTP_POST, path, body.at);
                                if (is_malformed() == fits) {
                                        fprintf(stderr, "%s %s: %.*s\n", body.at,
                                                fits ? "is refused" : "is not malformed",
                                                SLICE_ARG(judge_.result.reason));
                                        check_failures_++;
                                }
                        }
        strbuf_free(&body);
}

static void a_create_body_has_members_of_the_right_types(void) {
        judge_policy("");
        types_hold("/containers/create", create_members, sizeof(create_members) / sizeof(create_members[0]));
}

static void an_exec_body_has_members_of_the_right_types(void) {
        judge_policy("request_body: {exec: {allow_root_user: true, allowed_commands: [[id]]}}");
        types_hold("/containers/x/exec", exec_members, sizeof(exec_members) / sizeof(exec_members[0]));
        types_hold("/libpod/containers/x/exec", exec_members, sizeof(exec_members) / sizeof(exec_members[0]));
}

static void a_member_that_nobody_reads_may_be_anything(void) {
        static const char *const unread[] = { "/Env",
                                              "/Cmd",
                                              "/Entrypoint",
                                              "/Healthcheck",
                                              "/ExposedPorts",
                                              "/Volumes",
                                              "/WorkingDir",
                                              "/HostConfig/LogConfig",
                                              "/HostConfig/PortBindings",
                                              "/HostConfig/Ulimits",
                                              "/HostConfig/RestartPolicy",
                                              "/HostConfig/ShmSize",
                                              "/HostConfig/Mounts/0/Target",
                                              "/HostConfig/Devices/0/CgroupPermissions",
                                              "/New",
                                              "/HostConfig/New" };
        struct strbuf body;

        judge_policy("");
        strbuf_init(&body, 4096);
        for (size_t i = 0; i < sizeof(unread) / sizeof(unread[0]); i++)
                for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
                        strbuf_reset(&body);
                        build(&body, unread[i], values[j].json, EXACT);
                        (void) judge_body(HTTP_POST, "/containers/create", body.at);
                        CHECK(!is_malformed());
                }
        strbuf_free(&body);
}

static void a_command_is_a_list_of_strings_or_one_string(void) {
        static const struct judge_row rows[] = {
                { "request_body: {exec: {allow_root_user: true, allowed_commands: [[id], [id, '**'], ['**', '**', "
                  "'**']]}}",
                  "{'Cmd':['id']}", "ok" },
                { NULL, "{'cmd':['id']}", "ok" },
                { NULL, "{'CM\\u0044':'id'}", "ok" },
                { NULL, "{'Cmd':' id \\u2003\\n-u '}", "ok" },
                { NULL, "{'Cmd':['id','']}", "ok" },
                { NULL, "{'Cmd':['']}", "/Cmd" },
                { NULL, "{'Cmd':''}", "/Cmd" },
                { NULL, "{'Cmd':' \\u3000 '}", "/Cmd" },
                { NULL, "{'Cmd':null}", "/Cmd" },
                { NULL, "{'Cmd':5}", "/Cmd" },
                { NULL, "{'Cmd':true}", "/Cmd" },
                { NULL, "{'Cmd':{}}", "/Cmd" },
                { NULL, "{'Cmd':{'0':'id'}}", "/Cmd" },
                { NULL, "{'Cmd':['id',5]}", "/Cmd" },
                { NULL, "{'Cmd':['id',null]}", "/Cmd" },
                { NULL, "{'Cmd':[['id']]}", "/Cmd" },
                { NULL, "{'Cmd':['id'],'Cmd':['id']}", "" },
                { NULL, "[]", "" },
                { NULL, "'id'", "" },
                { NULL, "", "ok" },
                { NULL, " ", "" },
                { NULL, "{'Cmd':['id\\u0000']}", "" },
        };

        JUDGE(HTTP_POST, "/containers/x/exec", rows);
}

CHECK_MAIN(CHECK_TEST(a_create_body_has_members_of_the_right_types),
           CHECK_TEST(an_exec_body_has_members_of_the_right_types),
           CHECK_TEST(a_member_that_nobody_reads_may_be_anything),
           CHECK_TEST(a_command_is_a_list_of_strings_or_one_string))
