/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/date.h"
#include "base/unicode.h"

#define LINE_LIMIT (256u * 1024)
#define DROP_REPORT_NS (60 * NSEC_PER_SEC)

static const struct {
        const char *name;
        char syslog; /* facility daemon, severity debug / info / warning / err: 24 + severity */
} levels[] = {
        [LEVEL_DEBUG] = { "DEBUG", 31 },
        [LEVEL_INFO] = { "INFO", 30 },
        [LEVEL_WARN] = { "WARN", 28 },
        [LEVEL_ERROR] = { "ERROR", 27 },
};

/* ---- where lines go ---- */

/* Is the descriptor the client's stream? A terminal is not a stream in this sense: who types there sees both. */
static bool is_client(int fd, const int *client, size_t n_client) {
        struct stat mine, theirs;

        if (fstat(fd, &mine) < 0)
                return false;
        if (S_ISCHR(mine.st_mode))
                return false;
        for (size_t i = 0; i < n_client; i++)
                if (fstat(client[i], &theirs) == 0 && mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino)
                        return true;
        return false;
}

/* systemd names the stream that it made ("device:inode", systemd.exec(5)); stderr may have been sent elsewhere since.
 */
static bool is_journal(const struct stat *st) {
        const char *stream = getenv("JOURNAL_STREAM");
        char own[64];

        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t) st->st_dev, (uintmax_t) st->st_ino);
        return stream && strcmp(stream, own) == 0;
}

static enum log_kind kind_of(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return LOG_NOWHERE;
        if (S_ISSOCK(st.st_mode))
                return is_journal(&st) ? LOG_JOURNAL : LOG_SOCKET;
        return S_ISFIFO(st.st_mode) ? LOG_PIPE : LOG_FILE;
}

static void open_syslog(struct log *l) {
        static const struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return;
        if (connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0) {
                (void) close(fd);
                return;
        }
        l->fd = fd;
        l->own_fd = true;
        l->kind = LOG_SYSLOG;
}

int log_open(struct log *l, struct slice output, const int *client, size_t n_client, struct error *e) {
        char path[PATH_MAX];
        int std = -1, fd;

        *l = (struct log){ .fd = -1, .threshold = LEVEL_INFO };
        strbuf_init(&l->line, LINE_LIMIT);
        output = unicode_trim(output);
        if (slice_eq(output, SLICE("stderr")))
                std = STDERR_FILENO;
        else if (slice_eq(output, SLICE("stdout")))
                std = STDOUT_FILENO;
        if (std >= 0) {
                l->kind = is_client(std, client, n_client) ? LOG_NOWHERE : kind_of(std);
                if (l->kind != LOG_NOWHERE)
                        l->fd = std;
                else
                        open_syslog(l);
                return 0;
        }
        if (slice_starts(output, SLICE("file:")))
                output = slice_from(output, 5);
        if (output.len == 0 || output.len >= sizeof(path) || slice_find(output, '\0') >= 0)
                return error_set(e, -EINVAL, "log output: not a file name");
        memcpy(path, output.at, output.len);
        path[output.len] = '\0';
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        if (fd < 0)
                return error_errno(e, -errno, "log output %s", path);
        l->fd = fd;
        l->own_fd = true;
        l->kind = kind_of(fd);
        return 0;
}

void log_close(struct log *l) {
        if (l->own_fd)
                (void) close(l->fd);
        strbuf_free(&l->line);
        l->fd = -1;
        l->own_fd = false;
        l->kind = LOG_NOWHERE;
}

/* A disk that fills in the middle of a line leaves half a line: the next one begins on a line of its own. */
static bool write_file(struct log *l, struct slice line) {
        ssize_t n;

        if (l->torn && write(l->fd, "\n", 1) != 1)
                return false;
        n = write(l->fd, line.at, line.len);
        l->torn = n > 0 && (size_t) n < line.len;
        return n == (ssize_t) line.len;
}

/* One system call, which never waits. */
static bool write_line(struct log *l, struct slice line) {
        struct iovec iov[2] = { { (void *) line.at, line.len } };
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = 1 };
        struct pollfd p = { .fd = l->fd, .events = POLLOUT };
        char prefix[64];
        int n;

        switch (l->kind) {
        case LOG_FILE:
                return write_file(l, line);
        case LOG_PIPE:
                return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR)) == POLLOUT &&
                       write(l->fd, line.at, line.len) == (ssize_t) line.len;
        case LOG_SOCKET:
                return sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) line.len;
        case LOG_JOURNAL:
                /* sd-daemon(3): the severity alone, in front of the line. */
                n = snprintf(prefix, sizeof(prefix), "<%d>", levels[l->level].syslog & 7);
                iov[1] = iov[0];
                iov[0] = (struct iovec){ prefix, (size_t) n };
                m.msg_iovlen = 2;
                return sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) line.len + n;
        case LOG_SYSLOG:
                n = snprintf(prefix, sizeof(prefix), "<%d>sockguard[%ld]: ", levels[l->level].syslog, (long) getpid());
                iov[1] = (struct iovec){ (void *) line.at, line.len - 1 };
                iov[0] = (struct iovec){ prefix, (size_t) n };
                m.msg_iovlen = 2;
                return sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
        case LOG_NOWHERE:
        default:
                return true;
        }
}

/* ---- time ---- */

static char *put_digits(char *p, unsigned v, unsigned n) {
        for (unsigned i = n; i-- > 0; v /= 10)
                p[i] = (char) ('0' + v % 10);
        return p + n;
}

#define TIME_MAX 40

/* RFC 3339 in UTC. `fixed`: three digits of fraction; else up to nine without trailing zeros. Returns the length. */
static size_t format_time(char *text, bool fixed) {
        struct timespec ts;
        char *p = text;
        unsigned n = 9;
        struct date d;

        clock_gettime(CLOCK_REALTIME, &ts);
        d = date_of(ts.tv_sec);
        p = put_digits(p, (unsigned) d.year, 4);
        *p++ = '-';
        p = put_digits(p, d.month, 2);
        *p++ = '-';
        p = put_digits(p, d.day, 2);
        *p++ = 'T';
        p = put_digits(p, d.hour, 2);
        *p++ = ':';
        p = put_digits(p, d.minute, 2);
        *p++ = ':';
        p = put_digits(p, d.second, 2);
        if (fixed) {
                *p++ = '.';
                p = put_digits(p, (unsigned) ts.tv_nsec / 1000000, 3);
        } else if (ts.tv_nsec > 0) {
                *p++ = '.';
                p = put_digits(p, (unsigned) ts.tv_nsec, n);
                while (p[-1] == '0')
                        p--;
        }
        *p++ = 'Z';
        return (size_t) (p - text);
}

/* ---- values ---- */

static void put_key(struct log *l, const char *key) {
        size_t n;
        char *p;

        if (l->text) {
                if (l->line.len > 0)
                        strbuf_addc(&l->line, ' ');
                if (l->group != NULL) {
                        strbuf_add(&l->line, slice_of(l->group));
                        strbuf_addc(&l->line, '.');
                }
                strbuf_add(&l->line, slice_of(key));
                strbuf_addc(&l->line, '=');
                return;
        }
        n = strlen(key);
        p = strbuf_reserve(&l->line, n + 4);
        if (p == NULL)
                return;
        if (!l->first)
                *p++ = ',';
        *p++ = '"';
        memcpy(p, key, n);
        p += n;
        *p++ = '"';
        *p++ = ':';
        l->line.len = (size_t) (p - l->line.at);
        l->first = false;
}

/* Control, format-breaking or invalid: such a text value is quoted. */
static bool needs_quotes(struct slice s) {
        if (s.len == 0)
                return true;
        for (size_t i = 0; i < s.len;) {
                unsigned char c = (unsigned char) s.at[i];
                uint32_t cp;
                size_t n = 1;

                if (c <= ' ' || c == '=' || c == '"' || c == 0x7f)
                        return true;
                if (c >= 0x80) {
                        n = unicode_decode(slice_from(s, i), &cp);
                        if (n == 0 || cp < 0xa0 || unicode_is_space(cp) || cp == 0xfeff ||
                            (cp >= 0x200b && cp <= 0x200f))
                                return true;
                }
                i += n;
        }
        return false;
}

static void put_text(struct strbuf *b, struct slice s) {
        static const char letters[] = "abtnvfr"; /* \a is 7 ... \r is 13 */

        if (!needs_quotes(s)) {
                strbuf_add(b, s);
                return;
        }
        strbuf_addc(b, '"');
        for (size_t i = 0; i < s.len;) {
                unsigned char c = (unsigned char) s.at[i];
                uint32_t cp = c;
                size_t n = c < 0x80 ? 1 : unicode_decode(slice_from(s, i), &cp);

                if (c == '"' || c == '\\') {
                        strbuf_addc(b, '\\');
                        strbuf_addc(b, (char) c);
                } else if (c >= 7 && c <= 13) {
                        strbuf_addc(b, '\\');
                        strbuf_addc(b, letters[c - 7]);
                } else if (n == 0 || c < ' ' || c == 0x7f) {
                        strbuf_adds(b, "\\x");
                        strbuf_add_hex(b, &c, 1);
                } else if (cp >= 0x80 &&
                           (cp < 0xa0 || unicode_is_space(cp) || cp == 0xfeff || (cp >= 0x200b && cp <= 0x200f))) {
                        strbuf_addf(b, "\\u%04x", cp);
                } else {
                        strbuf_add(b, slice_make(s.at + i, n));
                }
                i += n ? n : 1;
        }
        strbuf_addc(b, '"');
}

/* Printable ASCII without quote and backslash: most values are, and are copied as they are. */
static bool is_plain(struct slice s) {
        unsigned char bad = 0;

        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i];

                bad |= (unsigned char) ((c < 0x20) | (c > 0x7e) | (c == '"') | (c == '\\'));
        }
        return bad == 0;
}

static void put_plain(struct strbuf *b, struct slice s) {
        char *p = strbuf_reserve(b, s.len + 2);

        if (p == NULL)
                return;
        *p++ = '"';
        if (s.len > 0)
                memcpy(p, s.at, s.len);
        p[s.len] = '"';
        b->len += s.len + 2;
}

static bool has_line_ends(struct slice s) {
        return s.len > 0 && (memchr(s.at, '\n', s.len) != NULL || memchr(s.at, '\r', s.len) != NULL);
}

void log_str_max(struct log *l, const char *key, struct slice value, size_t max) {
        char copy[2 * LOG_TEXT_MAX + 3];
        bool cut, flat;
        size_t n = 0;

        if (max > LOG_TEXT_MAX)
                max = LOG_TEXT_MAX;
        if (l->cap > 0 && max > l->cap)
                max = l->cap;
        cut = value.len > max;
        if (cut) {
                value.len = max;
                /* Not through the middle of a character. */
                for (unsigned i = 0; i < 3 && value.len > 0 && ((unsigned char) value.at[value.len] & 0xc0) == 0x80;
                     i++)
                        value.len--;
        }
        flat = l->flat && has_line_ends(value);
        if (cut || flat) {
                for (size_t i = 0; i < value.len; i++) {
                        char c = value.at[i];

                        if (flat && (c == '\n' || c == '\r')) {
                                copy[n++] = '\\';
                                c = c == '\n' ? 'n' : 'r';
                        }
                        copy[n++] = c;
                }
                if (cut) {
                        memcpy(copy + n, "\xe2\x80\xa6", 3);
                        n += 3;
                }
                value = slice_make(copy, n);
        }
        put_key(l, key);
        if (l->text)
                put_text(&l->line, value);
        else if (is_plain(value))
                put_plain(&l->line, value);
        else
                strbuf_add_json(&l->line, value, JSON_ESCAPE_LOG);
}

void log_str(struct log *l, const char *key, struct slice value) {
        log_str_max(l, key, value, LOG_TEXT_MAX);
}

void log_list(struct log *l, const char *key, const struct slice *at, size_t n) {
        char text[4 * LOG_TEXT_MAX];
        size_t used = 0;

        if (!l->text) {
                log_array(l, key);
                for (size_t i = 0; i < n; i++) {
                        if (i > 0)
                                strbuf_addc(&l->line, ',');
                        strbuf_add_json(&l->line, slice_upto(at[i], LOG_TEXT_MAX), JSON_ESCAPE_LOG);
                }
                log_array_end(l);
                return;
        }
        text[used++] = '[';
        for (size_t i = 0; i < n && at[i].len + used + 3 < sizeof(text); i++) {
                if (i > 0)
                        text[used++] = ' ';
                memcpy(text + used, at[i].at, at[i].len);
                used += at[i].len;
        }
        text[used++] = ']';
        put_key(l, key);
        put_text(&l->line, slice_make(text, used));
}

void log_int(struct log *l, const char *key, int64_t value) {
        put_key(l, key);
        strbuf_add_i64(&l->line, value);
}

void log_u64(struct log *l, const char *key, uint64_t value) {
        put_key(l, key);
        strbuf_add_u64(&l->line, value);
}

void log_bool(struct log *l, const char *key, bool value) {
        put_key(l, key);
        strbuf_add(&l->line, value ? SLICE("true") : SLICE("false"));
}

void log_double(struct log *l, const char *key, double value) {
        char text[40];

        put_key(l, key);
        if (value > -1e15 && value < 1e15 && (double) (int64_t) value - value >= 0 &&
            (double) (int64_t) value - value <= 0) {
                strbuf_add_i64(&l->line, (int64_t) value);
                return;
        }
        for (int precision = 1; precision <= 17; precision++) {
                (void) snprintf(text, sizeof(text), "%.*g", precision, value);
                if (strtod(text, NULL) >= value && strtod(text, NULL) <= value)
                        break;
        }
        strbuf_add(&l->line, slice_of(text));
}

void log_micros_as_ms(struct log *l, const char *key, uint64_t micros) {
        char fraction[3];
        size_t n = 3;

        put_key(l, key);
        strbuf_add_u64(&l->line, micros / 1000);
        put_digits(fraction, (unsigned) (micros % 1000), 3);
        while (n > 0 && fraction[n - 1] == '0')
                n--;
        if (n > 0) {
                strbuf_addc(&l->line, '.');
                strbuf_add(&l->line, slice_make(fraction, n));
        }
}

void log_now(struct log *l, const char *key) {
        char text[TIME_MAX];
        size_t n = format_time(text, l->text);

        put_key(l, key);
        if (!l->text)
                strbuf_addc(&l->line, '"');
        strbuf_add(&l->line, slice_make(text, n));
        if (!l->text)
                strbuf_addc(&l->line, '"');
}

/* ---- structure ---- */

static void open_bracket(struct log *l, char c) {
        if (l->text)
                return;
        strbuf_addc(&l->line, c);
        l->first = true;
}

static void close_bracket(struct log *l, char c) {
        if (l->text)
                return;
        strbuf_addc(&l->line, c);
        l->first = false;
}

void log_group(struct log *l, const char *key) {
        if (l->text) {
                l->group = key;
                return;
        }
        put_key(l, key);
        open_bracket(l, '{');
}

void log_group_end(struct log *l) {
        l->group = NULL;
        close_bracket(l, '}');
}

void log_array(struct log *l, const char *key) {
        if (!l->text)
                put_key(l, key);
        open_bracket(l, '[');
}

void log_array_end(struct log *l) {
        close_bracket(l, ']');
}

void log_object(struct log *l) {
        if (!l->text && !l->first)
                strbuf_addc(&l->line, ',');
        open_bracket(l, '{');
}

void log_object_end(struct log *l) {
        close_bracket(l, '}');
}

static void start(struct log *l) {
        strbuf_reset(&l->line);
        l->group = NULL;
        l->first = true;
        if (!l->text)
                strbuf_addc(&l->line, '{');
}

bool log_begin(struct log *l, enum level level, const char *msg) {
        if (level < l->threshold || l->kind == LOG_NOWHERE)
                return false;
        start(l);
        l->level = level;
        l->flat = true;
        log_now(l, "time");
        log_str(l, "level", slice_of(levels[level].name));
        log_str(l, "msg", slice_of(msg));
        return true;
}

void log_begin_bare(struct log *l) {
        start(l);
        l->level = LEVEL_INFO;
        l->flat = false;
}

/* Tells, at most once a minute, how many records were lost; a reader that takes lines again should know. */
static void report_drops(struct log *l) {
        uint64_t now = now_ns(), dropped = l->dropped;

        if (now < l->drop_report_at)
                return;
        l->drop_report_at = now + DROP_REPORT_NS;
        l->drop_reported = dropped;
        if (log_begin(l, LEVEL_WARN, "log records dropped")) {
                log_u64(l, "dropped_total", dropped);
                (void) log_end(l);
        }
}

bool log_end(struct log *l) {
        if (!l->text)
                strbuf_addc(&l->line, '}');
        strbuf_addc(&l->line, '\n');
        if (l->line.failed || (l->kind == LOG_PIPE && l->line.len > PIPE_BUF))
                return false;
        if (!write_line(l, strbuf_view(&l->line)))
                l->dropped++;
        else if (l->flat && l->dropped > l->drop_reported)
                report_drops(l);
        return true;
}
