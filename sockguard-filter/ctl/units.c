/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/units.h"

#include "base/address.h"

/* What the companion shares with filters belongs to it (units/sockguard.sysusers). */
#define COMPANION_GROUP "sockguard"

/* From version 255 on there is another limit, under which 150 connections in two seconds make a socket pause. */
#ifdef HAVE_POLL_LIMIT
#define POLL_LIMIT "PollLimitIntervalSec=0\n"
#else
#define POLL_LIMIT ""
#endif

void unit_stem(const struct policy *p, struct slice listener, char ret[128]) {
        if (p->compiled->listeners_explicit)
                snprintf(ret, 128, "sockguard-%.*s", SLICE_ARG(listener));
        else
                snprintf(ret, 128, "sockguard");
}

/* A value of a unit file: one line, no specifiers (systemd.unit(5), "%"). */
static int add_value(struct strbuf *b, struct slice v, struct error *e) {
        for (size_t i = 0; i < v.len; i++) {
                unsigned char c = (unsigned char) v.at[i];

                if (c < 0x20 || c == 0x7f || c == '\\' || c == '"' || c == '\'')
                        return error_set(e, -EINVAL, "\"%.*s\" has a character that a unit file cannot hold",
                                         SLICE_ARG(v));
                if (c == '%')
                        strbuf_addc(b, '%');
                strbuf_addc(b, v.at[i]);
        }
        return 0;
}

/* An argument of ExecStart=: additionally no blanks and no `$`, so that no quoting is needed. */
static int add_argument(struct strbuf *b, const char *text, struct error *e) {
        struct slice v = slice_of(text);

        if (v.len == 0 || slice_find(v, ' ') >= 0 || slice_find(v, '$') >= 0)
                return error_set(e, -EINVAL, "\"%s\" cannot be an argument in a unit file", text);
        strbuf_addc(b, ' ');
        return add_value(b, v, e);
}

/* host:port as ListenStream= takes it: numeric, or the port alone for every address. */
static int add_address(struct strbuf *b, struct slice address, struct error *e) {
        ssize_t colon = slice_rfind(address, ':');
        struct slice host, port;
        struct ip_address ip;
        uint64_t n;

        if (colon < 0)
                return error_set(e, -EINVAL, "\"%.*s\" is not host:port", SLICE_ARG(address));
        host = slice_upto(address, (size_t) colon);
        port = slice_from(address, (size_t) colon + 1);
        if (slice_parse_u64(port, &n) < 0 || n == 0 || n > 65535)
                return error_set(e, -EINVAL, "\"%.*s\": a socket unit needs a port from 1 to 65535",
                                 SLICE_ARG(address));
        if (host.len == 0)
                return strbuf_addf(b, "%u", (unsigned) n), 0;
        if (slice_eq(host, SLICE("localhost")))
                return strbuf_addf(b, "127.0.0.1:%u", (unsigned) n), 0;
        if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
                host = slice_make(host.at + 1, host.len - 2);
        if (ip_parse(host, &ip) < 0)
                return error_set(e, -EINVAL, "\"%.*s\": a socket unit listens on addresses, not on host names",
                                 SLICE_ARG(address));
        strbuf_addf(b, ip.v4 ? "%.*s:%u" : "[%.*s]:%u", SLICE_ARG(host), (unsigned) n);
        return 0;
}

/* The options of a unix listener, which the compiled listener does not repeat. */
struct socket_options {
        struct slice mode;
        struct opt_int uid, gid;
};

static struct socket_options socket_options(const struct policy *p, uint32_t i) {
        if (p->compiled->listeners_explicit) {
                const struct opt_listener *l = &policy_list(p, p->root->listeners, struct opt_listener)[i];

                return (struct socket_options){ policy_str(p, l->socket_mode), l->socket_uid, l->socket_gid };
        }
        return (struct socket_options){ policy_str(p, p->root->listen.socket_mode), p->root->listen.socket_uid,
                                        p->root->listen.socket_gid };
}

static const struct policy_listener *listener_at(const struct policy *p, uint32_t i) {
        return &policy_list(p, p->compiled->listeners, struct policy_listener)[i];
}

int unit_socket(const struct policy *p, uint32_t i, const struct unit_choice *choice, struct strbuf *b,
                struct error *e) {
        const struct policy_listener *l = listener_at(p, i);
        struct slice name = policy_str(p, l->name), path = policy_str(p, l->socket);
        char stem[128];
        int r;

        strbuf_adds(b, UNITS_MARK "[Unit]\n");
        strbuf_addf(b, "Description=Sockguard listener %.*s\nDocumentation=man:sockguard-filter(8)\n", SLICE_ARG(name));
        strbuf_adds(b, "\n[Socket]\nListenStream=");
        if (path.len > 0) {
                struct socket_options o = socket_options(p, i);

                if (path.at[0] != '/')
                        return error_set(e, -EINVAL,
                                         "listener \"%.*s\": a socket unit needs an absolute path, not \"%.*s\"",
                                         SLICE_ARG(name), SLICE_ARG(path));
                r = add_value(b, path, e);
                strbuf_addf(b, "\nSocketMode=%.*s\n", SLICE_ARG(slice_trim_ows(o.mode)));
                if (o.uid.set)
                        strbuf_addf(b, "SocketUser=%lld\n", (long long) o.uid.value);
                if (o.gid.set)
                        strbuf_addf(b, "SocketGroup=%lld\n", (long long) o.gid.value);
                strbuf_adds(b, "DirectoryMode=0755\nRemoveOnStop=yes\n");
        } else {
                r = add_address(b, policy_str(p, l->address), e);
                strbuf_adds(b, "\nNoDelay=yes\nKeepAlive=yes\n");
        }
        if (r < 0)
                return r;
        strbuf_addf(b, "FileDescriptorName=%.*s\nAccept=%s\n", SLICE_ARG(name), choice->pool ? "no" : "yes");
        /* A flood fills these and waits; it does not stop the socket, which is what the default trigger limit would do.
         */
        if (!choice->pool)
                strbuf_addf(b, "MaxConnections=%u\nMaxConnectionsPerSource=%u\n", choice->connections,
                            choice->per_source);
        strbuf_adds(b, "TriggerLimitIntervalSec=0\n" POLL_LIMIT);
        if (choice->pool) {
                /* Named, because the name without "-pool" is the companion's where there is one listener. */
                unit_stem(p, name, stem);
                strbuf_addf(b, "Service=%s-pool.service\n", stem);
        }
        strbuf_adds(b, "\n[Install]\nWantedBy=sockets.target\n");
        return b->failed ? error_set(e, -ENOMEM, "no memory") : 0;
}

/*
 * Which capabilities a TLS unit starts with: to read a key that only root may read, and to become `user`, which it does
 * at once. Nothing of it is left in the filter.
 */
static const char tls_capabilities[] = "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_SETPCAP\n";

/*
 * systemd.exec(5). What costs no time at a start is for every unit. A filter of an Accept=yes socket is started for
 * each connection, and a mount namespace and a long list of system calls take ten times as long as all the rest
 * (measured: 45 ms instead of 4): there it is the filter's own list, which is shorter and in force before the first
 * byte of a client, that confines it. A pool starts once.
 */
static const char hardening[] = "NoNewPrivileges=yes\n"
                                "Environment=TMPDIR=/var/cache/sockguard\n"
                                "ProtectHostname=yes\n"
                                "ProtectClock=yes\n"
                                "RestrictNamespaces=yes\n"
                                "RestrictRealtime=yes\n"
                                "RemoveIPC=yes\n"
                                "LockPersonality=yes\n"
                                "MemoryDenyWriteExecute=yes\n"
                                "SystemCallArchitectures=native\n"
                                "SystemCallErrorNumber=EPERM\n"
                                "KeyringMode=private\n"
                                "DevicePolicy=closed\n"
                                "UMask=0077\n"
                                "LimitCORE=0\n";

static const char hardening_connection[] =
        "SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap\n";

/*
 * A filter sees /home and /tmp as the daemon does, because it follows the links in bind sources (inspect/beneath.h):
 * PrivateTmp=yes or ProtectHome=yes would make it blind there, RestrictSUIDSGID=yes takes openat2(2) away.
 */
static const char hardening_pool[] = "ProtectSystem=strict\n"
                                     "ReadWritePaths=-/run/sockguard -/var/cache/sockguard\n"
                                     "ProtectHome=read-only\n"
                                     "PrivateDevices=yes\n"
                                     "PrivateMounts=yes\n"
                                     "ProtectKernelTunables=yes\n"
                                     "ProtectKernelModules=yes\n"
                                     "ProtectKernelLogs=yes\n"
                                     "ProtectControlGroups=yes\n"
                                     "ProtectProc=invisible\n"
                                     "SystemCallFilter=@system-service\n"
                                     "SystemCallFilter=~@privileged @resources @obsolete\n"
                                     "SystemCallFilter=prlimit64 setrlimit sched_getaffinity capset seccomp%s\n";

static bool dials_network(const struct policy *p) {
        const struct policy_endpoint *at = policy_list(p, p->compiled->endpoints, struct policy_endpoint);

        for (uint32_t i = 0; i < p->compiled->endpoints.n; i++)
                if (at[i].kind != ENDPOINT_UNIX)
                        return true;
        return false;
}

int unit_service(const struct policy *p, uint32_t i, const struct unit_choice *choice, struct strbuf *b,
                 struct error *e) {
        const struct policy_listener *l = listener_at(p, i);
        struct slice name = policy_str(p, l->name);
        int r;

        strbuf_adds(b, UNITS_MARK "[Unit]\n");
        strbuf_addf(b,
                    choice->pool ? "Description=Sockguard filters of listener %.*s\n"
                                 : "Description=Sockguard connection to listener %.*s (%%i)\n",
                    SLICE_ARG(name));
        strbuf_adds(b, "Documentation=man:sockguard-filter(8)\nWants=sockguard.service\nAfter=sockguard.service\n");
        /* A start that fails must not fail the socket with it: the next connection tries again. */
        strbuf_addf(b, "%s\n", choice->pool ? "StartLimitIntervalSec=0" : "CollectMode=inactive-or-failed");

        strbuf_addf(b, "\n[Service]\nExecStart=%s --policy",
                    l->tls ? SOCKGUARD_LIBEXECDIR "/sockguard-tls" : SOCKGUARD_BINDIR "/sockguard-filter");
        r = add_argument(b, choice->image, e);
        if (r < 0)
                return r;
        strbuf_addf(b, " --listener %.*s", SLICE_ARG(name));
        if (choice->pool)
                strbuf_addf(b, " --pool 8 --pool-max %u", choice->connections);
        if (l->tls) {
                strbuf_adds(b, " --user");
                r = add_argument(b, choice->user, e);
                if (r < 0)
                        return r;
                strbuf_addf(b, "\n%s", tls_capabilities);
        } else {
                strbuf_adds(b, "\nUser=");
                r = add_value(b, slice_of(choice->user), e);
                if (r < 0)
                        return r;
                strbuf_adds(b, "\nCapabilityBoundingSet=\nAmbientCapabilities=\n");
        }
        strbuf_adds(b, "SupplementaryGroups=");
        r = add_value(b, slice_of(choice->group), e);
        if (r < 0)
                return r;
        strbuf_addf(b, "%s\n", choice->group[0] != '\0' ? " " COMPANION_GROUP : COMPANION_GROUP);
        if (!choice->pool)
                strbuf_adds(b, "TasksMax=16\nMemoryMax=256M\n");
        else
                strbuf_adds(b, "Restart=always\nRestartSec=1s\n");
        /* The request in hand is finished; tunnels end with the second signal. */
        strbuf_adds(b, "KillMode=mixed\nTimeoutStopSec=35\nStandardError=journal\n");
        /* sockguard-tls starts as root and becomes another user. */
        strbuf_add(b, slice_of(hardening));
        if (!choice->pool)
                strbuf_add(b, slice_of(hardening_connection));
        else
                strbuf_addf(b, hardening_pool, l->tls ? " setuid setgid setresuid setresgid setgroups" : "");
        if (dials_network(p))
                strbuf_adds(b, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n");
        else if (policy_str(p, l->socket).len > 0)
                strbuf_adds(b, "RestrictAddressFamilies=AF_UNIX\nPrivateNetwork=yes\nIPAddressDeny=any\n");
        else
                strbuf_adds(b, "RestrictAddressFamilies=AF_UNIX\n");
        return b->failed ? error_set(e, -ENOMEM, "no memory") : 0;
}

/* ---- difference ---- */

#define DIFF_LINES 512u /* more of them and the whole text counts as changed */
#define DIFF_CONTEXT 3u

static size_t split(struct slice text, struct slice *lines) {
        size_t n = 0;

        while (text.len > 0 && n < DIFF_LINES) {
                (void) slice_cut(text, '\n', &lines[n++], &text);
        }
        return n;
}

struct diff_line {
        char kind; /* ' ', '-', '+' */
        struct slice text;
};

/* The longest common subsequence, forwards: length[i][k] is that of the texts from line i and k on. */
static size_t compare(const struct slice *a, size_t n, const struct slice *b, size_t m, struct diff_line *out) {
        static uint16_t length[DIFF_LINES + 1][DIFF_LINES + 1];
        size_t i, k, at = 0;

        for (i = n + 1; i-- > 0;)
                for (k = m + 1; k-- > 0;) {
                        if (i == n || k == m)
                                length[i][k] = 0;
                        else if (slice_eq(a[i], b[k]))
                                length[i][k] = (uint16_t) (length[i + 1][k + 1] + 1);
                        else
                                length[i][k] =
                                        length[i + 1][k] > length[i][k + 1] ? length[i + 1][k] : length[i][k + 1];
                }
        for (i = k = 0; i < n || k < m;) {
                if (i < n && k < m && slice_eq(a[i], b[k])) {
                        out[at++] = (struct diff_line){ ' ', a[i] };
                        i++;
                        k++;
                } else if (i < n && (k == m || length[i + 1][k] >= length[i][k + 1]))
                        out[at++] = (struct diff_line){ '-', a[i++] };
                else
                        out[at++] = (struct diff_line){ '+', b[k++] };
        }
        return at;
}

void text_diff(struct slice old_text, struct slice new_text, const char *name, struct strbuf *out) {
        static struct slice a[DIFF_LINES], b[DIFF_LINES];
        static struct diff_line lines[2 * DIFF_LINES];
        size_t n, old_line = 1, new_line = 1, i = 0;

        if (slice_eq(old_text, new_text))
                return;
        n = compare(a, split(old_text, a), b, split(new_text, b), lines);
        strbuf_addf(out, "--- %s\n+++ %s\n", old_text.len ? name : "/dev/null", new_text.len ? name : "/dev/null");
        while (i < n) {
                size_t start = i, end, olds = 0, news = 0, quiet = 0;

                /* To the next change, less its context; then on until there are twice as many unchanged lines. */
                while (i < n && lines[i].kind == ' ')
                        i++;
                if (i == n)
                        break;
                if (i - start > DIFF_CONTEXT) {
                        old_line += i - start - DIFF_CONTEXT;
                        new_line += i - start - DIFF_CONTEXT;
                        start = i - DIFF_CONTEXT;
                }
                for (end = i; end < n && quiet <= 2 * DIFF_CONTEXT; end++)
                        quiet = lines[end].kind == ' ' ? quiet + 1 : 0;
                if (quiet > DIFF_CONTEXT)
                        end -= quiet - DIFF_CONTEXT;
                for (size_t k = start; k < end; k++) {
                        olds += lines[k].kind != '+';
                        news += lines[k].kind != '-';
                }
                strbuf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", olds ? old_line : old_line - 1, olds,
                            news ? new_line : new_line - 1, news);
                for (size_t k = start; k < end; k++) {
                        strbuf_addc(out, lines[k].kind);
                        strbuf_add(out, lines[k].text);
                        strbuf_addc(out, '\n');
                }
                old_line += olds;
                new_line += news;
                i = end;
        }
}
