/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unicode.h"
#include "ctl/common.h"
#include "ctl/companion.h"
#include "policy/scalar.h"
#include "trust/bundle.h"

/*
 * Signed policies (chapter 07, part B). Whoever can write the file could also take the keys in it, or the switch: so
 * once a signed policy is in force every further one must be, by the keys of the first; the environment can ask for a
 * signature and not do without one; and
 * --policy-trust-file has the keys where the writer of policies cannot reach them.
 */

#define KEYS_MAX 64u
#define VERIFY_TIMEOUT_NS (10 * NSEC_PER_SEC)

bool signed_wanted(const struct companion *c, const struct config *alone, const struct config *overlaid) {
        return c->signed_only || c->trust_file || (alone && config_root(alone)->policy_bundle.enabled) ||
               (overlaid && config_root(overlaid)->policy_bundle.enabled);
}

/*
 * A whole small file. Symbolic links are followed: a ConfigMap has nothing else, and it is the signature that decides.
 * `trusted`: nobody but root and we may be able to change it; of other files only those that their owner, a stranger,
 * lets others write are refused.
 */
static int read_file(const char *path, bool trusted, char **ret, size_t *ret_len, struct error *e) {
        struct stat st;
        bool ours;
        int r = ctl_read_file(path, BUNDLE_MAX, &st, ret, ret_len, e);

        if (r < 0)
                return r;
        ours = st.st_uid == 0 || st.st_uid == geteuid();
        if ((st.st_mode & (S_IWGRP | S_IWOTH)) && (trusted || !ours))
                r = error_set(e, -EPERM, "others than its owner may write %s", path);
        else if (trusted && !ours)
                r = error_set(e, -EPERM, "%s belongs to user %u, not to root", path, st.st_uid);
        if (r < 0)
                free(*ret);
        return r;
}

/* Each PEM block of a text is a key. */
static size_t split_keys(struct slice text, struct slice keys[KEYS_MAX]) {
        static const char begin[] = "-----BEGIN ";
        size_t n = 0, from = 0;

        for (size_t i = 0; i + sizeof(begin) - 1 <= text.len && n < KEYS_MAX; i++) {
                if (memcmp(text.at + i, begin, sizeof(begin) - 1) != 0)
                        continue;
                if (n > 0)
                        keys[n - 1] = slice_make(text.at + from, i - from);
                from = i;
                keys[n++] = slice_from(text, i);
        }
        return n;
}

static int keys_of(const struct companion *c, struct config *from, struct slice keys[KEYS_MAX], size_t *ret_n,
                   struct error *e) {
        const struct opt_policy_bundle *b = &config_root(from)->policy_bundle;
        const struct opt_signing_key *at =
                policy_list(config_policy(from), b->allowed_signing_keys, struct opt_signing_key);
        char *text;
        size_t len;

        *ret_n = 0;
        if (c->trust_file) {
                int r = read_file(c->trust_file, true, &text, &len,
                                  e); /* not freed: the keys point into it, and this is a child */

                if (r < 0)
                        return r;
                *ret_n = split_keys(slice_make(text, len), keys);
        } else
                for (uint32_t i = 0; i < b->allowed_signing_keys.n && *ret_n < KEYS_MAX; i++)
                        keys[(*ret_n)++] = policy_str(config_policy(from), at[i].pem);
        return *ret_n ? 0
                      : error_set(e, -ENOKEY, "there is no key to verify it with%s%s",
                                  c->trust_file ? " in " : ": set policy_bundle.allowed_signing_keys",
                                  c->trust_file ? c->trust_file : "");
}

/* Reading and verifying may take so long: a signature on a file system that does not answer in time is none. */
static uint64_t timeout_of(struct config *from) {
        struct slice text =
                unicode_trim(policy_str(config_policy(from), config_root(from)->policy_bundle.verify_timeout));
        int64_t ns;

        return text.len && duration_parse(text, &ns) == 0 && ns > 0 ? (uint64_t) ns : VERIFY_TIMEOUT_NS;
}

int signed_verify(const struct companion *c, struct slice text, struct config *candidate, struct config *running,
                  struct signed_by *ret, struct error *e) {
        struct slice named = policy_str(config_policy(candidate), config_root(candidate)->policy_bundle.signature_path),
                     keys[KEYS_MAX];
        uint64_t started = now_ns();
        struct bundle_verdict v;
        struct arena arena;
        char *bundle;
        size_t len, n;
        int r;

        *ret = (struct signed_by){ 0 };
        if (named.len == 0 || named.len >= sizeof(ret->path) || slice_find(named, '\0') >= 0)
                return error_set(e, -EINVAL, "policy_bundle.signature_path does not name a file");
        snprintf(ret->path, sizeof(ret->path), "%.*s", SLICE_ARG(named));
        r = keys_of(c, running ? running : candidate, keys, &n, e);
        if (r == 0)
                r = read_file(ret->path, false, &bundle, &len, e);
        if (r < 0)
                return r;
        arena_init(&arena, 64u << 20, NULL);
        r = bundle_verify(text, slice_make(bundle, len), keys, n, &arena, &v, e);
        arena_free(&arena);
        free(bundle);
        if (r < 0)
                return error_prefix(e, r, "%s", ret->path);
        memcpy(ret->digest, v.digest, sizeof(ret->digest));
        memcpy(ret->signer, v.signer, sizeof(ret->signer));
        if (now_ns() - started > timeout_of(running ? running : candidate))
                return error_set(e, -ETIMEDOUT, "%s: verification took longer than policy_bundle.verify_timeout",
                                 ret->path);
        ret->elapsed_ms = (uint32_t) ((now_ns() - started) / NSEC_PER_MSEC);
        ret->on = 1;
        return 0;
}

void signed_note(const struct signed_by *s) {
        struct log *l = ctl_log(LEVEL_INFO, "policy bundle verified");
        char hex[65];

        if (!l)
                return;
        for (size_t i = 0; i < sizeof(s->digest); i++)
                snprintf(hex + 2 * i, 3, "%02x", s->digest[i]);
        log_str(l, "signature_path", slice_of(s->path));
        log_str(l, "signer", slice_of(s->signer));
        log_str(l, "digest", slice_of(hex));
        log_u64(l, "elapsed_ms", s->elapsed_ms);
        log_end(l);
}
