/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/unicode.h"
#include "unpack/walk.h"

/* ---- paths ---- */

/* The next component between slashes; "." and empty ones are skipped. False at the end. */
static bool component(struct slice *rest, struct slice *ret) {
        while (rest->len > 0) {
                slice_cut(*rest, '/', ret, rest);
                if (ret->len > 0 && !slice_eq(*ret, SLICE(".")))
                        return true;
        }
        return false;
}

/*
 * Cleans lexically into `to`, which has room for one byte more than `path` has. `rooted`: ".." at the top is dropped,
 * as an engine does that joins the name to its root; otherwise it stays, and the path escapes.
 */
static struct slice clean_path(struct slice path, bool rooted, char *to) {
        struct slice c;
        size_t n = 0, floor = 0; /* what ".." may not take away */

        while (component(&path, &c)) {
                if (slice_eq(c, SLICE(".."))) {
                        if (n > floor) {
                                while (n > floor && to[n - 1] != '/')
                                        n--;
                                if (n > floor)
                                        n--;
                                continue;
                        }
                        if (rooted)
                                continue;
                }
                if (n > 0)
                        to[n++] = '/';
                memmove(to + n, c.at, c.len);
                n += c.len;
                if (slice_eq(c, SLICE("..")))
                        floor = n;
        }
        return slice_make(to, n);
}

static bool leaves_root(struct slice cleaned) {
        return slice_eq(cleaned, SLICE("..")) || slice_starts(cleaned, SLICE("../"));
}

/* ---- links ---- */

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash_more(uint64_t h, struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                h = (h ^ (unsigned char) s.at[i]) * 0x100000001b3u;
        return h;
}

/* FNV leaves its low bits poor; 0 is the free slot. */
static uint64_t hash_end(uint64_t h) {
        h ^= h >> 32;
        h *= 0xd6e8feb86659fd93u;
        h ^= h >> 32;
        return h ? h : 1;
}

static uint64_t *links_slot(struct walk_links *l, uint64_t h) {
        size_t i = h % WALK_LINKS_SLOTS;

        while (l->links[i] && l->links[i] != h)
                i = (i + 1) % WALK_LINKS_SLOTS;
        return &l->links[i];
}

static bool links_have(struct walk_links *l, uint64_t h) {
        return l->n_links > 0 && *links_slot(l, h) != 0;
}

static int links_add(struct walk_links *l, struct slice cleaned) {
        uint64_t h = hash_end(hash_more(HASH_START, cleaned)), *slot = links_slot(l, h);

        if (*slot)
                return 0;
        if (l->n_links == WALK_LINKS_MAX)
                return UNPACK_E_COUNT;
        *slot = h;
        l->n_links++;
        return 0;
}

/* Does the way to a cleaned path pass through a link seen so far? */
static bool passes_link(struct walk_links *l, struct slice cleaned) {
        uint64_t h = HASH_START;

        if (l->n_links == 0)
                return false;
        for (size_t i = 0; i < cleaned.len; i++) {
                if (cleaned.at[i] == '/' && links_have(l, hash_end(h)))
                        return true;
                h = hash_more(h, slice_make(cleaned.at + i, 1));
        }
        return false;
}

/*
 * A link's target is read lexically; that is wrong where ".." follows a component that is itself a symbolic link. Those
 * components are remembered, because the link may come later in the archive.
 */
static int note_dots(struct walk_links *l, struct slice target, char *scratch) {
        struct slice c;
        size_t n = 0;

        while (component(&target, &c)) {
                if (slice_eq(c, SLICE(".."))) {
                        if (n == 0)
                                continue;
                        if (l->n_dots == WALK_LINKS_MAX)
                                return UNPACK_E_COUNT;
                        l->dots[l->n_dots++] = hash_end(hash_more(HASH_START, slice_make(scratch, n)));
                        while (n > 0 && scratch[n - 1] != '/')
                                n--;
                        if (n > 0)
                                n--;
                        continue;
                }
                if (n > 0)
                        scratch[n++] = '/';
                memmove(scratch + n, c.at, c.len);
                n += c.len;
        }
        return 0;
}

/* ---- entries ---- */

static void note(struct walk *w, enum facts_property p, struct slice name) {
        struct walk_first *f = &w->first[p];

        if (f->index)
                return;
        f->index = w->entries;
        f->length = name.len < FACTS_NAME_MAX ? name.len : FACTS_NAME_MAX;
        if (f->length > 0)
                memcpy(f->name, name.at, f->length);
}

static void judge_name(struct walk *w, const struct tar_entry *e) {
        struct slice trimmed = unicode_trim(e->name);

        if (trimmed.len == 0 || trimmed.at[0] == '/' || leaves_root(clean_path(e->name, false, w->clean)) ||
            (trimmed.len != e->name.len && leaves_root(clean_path(trimmed, false, w->clean))))
                note(w, FACTS_P_NAME_ESCAPES, e->name);
        if (trimmed.len != e->name.len)
                note(w, FACTS_P_NAME_BLANK, e->name);
        for (size_t i = 0; i < e->name.len; i++)
                if ((unsigned char) e->name.at[i] < 0x20 || e->name.at[i] == 0x7f) {
                        note(w, FACTS_P_NAME_CONTROL, e->name);
                        break;
                }
}

/* Is `link`, read from the directory of the cleaned name (symbolic) or from the root (hard), outside of the root? */
static bool link_escapes(struct walk *w, const struct tar_entry *e, struct slice cleaned, struct slice link) {
        ssize_t slash = e->type == '2' ? slice_rfind(cleaned, '/') : -1;
        size_t n = 0;

        if (link.len == 0)
                return false;
        if (link.at[0] == '/')
                return true;
        if (slash > 0) {
                n = (size_t) slash + 1;
                memcpy(w->target, cleaned.at, n);
        }
        memcpy(w->target + n, link.at, link.len);
        return leaves_root(clean_path(slice_make(w->target, n + link.len), false, w->target));
}

static int judge_link(struct walk *w, const struct tar_entry *e) {
        enum facts_property escapes = e->type == '2' ? FACTS_P_SYMLINK_ESCAPES : FACTS_P_HARDLINK_ESCAPES;
        struct slice cleaned = clean_path(e->name, false, w->clean), full;
        ssize_t slash;
        size_t n = 0;
        int r;

        if (link_escapes(w, e, cleaned, e->link) || link_escapes(w, e, cleaned, unicode_trim(e->link)))
                note(w, escapes, e->name);

        cleaned = clean_path(e->name, true, w->clean);
        slash = e->type == '2' ? slice_rfind(cleaned, '/') : -1;
        if (slash > 0) {
                n = (size_t) slash + 1;
                memcpy(w->target, cleaned.at, n);
        }
        memcpy(w->target + n, e->link.at, e->link.len);
        full = slice_make(w->target, n + e->link.len);
        /* The scratch is the target itself: what has been cleaned is never longer than what has been read. */
        r = note_dots(&w->links, full, w->target);
        if (r < 0)
                return r;
        if (e->type == '2')
                return links_add(&w->links, cleaned);
        if (passes_link(&w->links, clean_path(e->link, true, w->target)))
                note(w, FACTS_P_THROUGH_LINK, e->name);
        return 0;
}

/* The spelling every engine agrees on: at most one leading slash, then relative and clean. */
static bool plainly_is(struct slice name, struct slice watched, char *scratch) {
        if (slice_starts(name, SLICE("/")))
                name = slice_from(name, 1);
        return !slice_starts(name, SLICE("/")) && slice_eq(clean_path(name, false, scratch), watched);
}

static int capture(struct walk *w, struct walk_watch *watch, const struct tar_entry *e) {
        int64_t n;

        if (e->size > w->request->content_limit)
                return UNPACK_E_CONTENT;
        if (watch->has_content)
                return 0;
        n = tar_read(&w->tar, watch->content, (size_t) e->size);
        if (n < 0)
                return (int) n;
        watch->length = (size_t) n;
        watch->has_content = true;
        return 0;
}

static int judge_watched(struct walk *w, const struct tar_entry *e) {
        struct slice trimmed = unicode_trim(e->name), cleaned;
        int r;

        if (e->type == 'g')
                return 0; /* nothing is unpacked from it */
        /* Blanks around a name are part of it, but not for everybody who reads archives. */
        cleaned = trimmed.len != e->name.len ? clean_path(trimmed, true, w->clean) : (struct slice){ 0 };
        for (size_t i = 0; i < w->request->n_watch && cleaned.len > 0; i++)
                w->watch[i].odd |= slice_eq(cleaned, w->request->watch[i]);
        cleaned = clean_path(e->name, true, w->clean);
        for (size_t i = 0; i < w->request->n_watch; i++) {
                struct slice wanted = w->request->watch[i];
                struct walk_watch *watch = &w->watch[i];

                if (cleaned.len < wanted.len && cleaned.len > 0 && e->type != '5' && slice_starts(wanted, cleaned) &&
                    wanted.at[cleaned.len] == '/')
                        watch->parent = true;
                if (!slice_eq(cleaned, wanted))
                        continue;
                watch->count++;
                if (e->type != '0' || e->sparse || !plainly_is(e->name, wanted, w->target)) {
                        watch->odd = true;
                        continue;
                }
                watch->regular++;
                r = capture(w, watch, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int judge_entry(struct walk *w, const struct tar_entry *e) {
        judge_name(w, e);
        if (e->mode & 06000)
                note(w, FACTS_P_SETID, e->name);
        if (e->type == '3' || e->type == '4')
                note(w, FACTS_P_DEVICE, e->name);
        if (e->capability)
                note(w, FACTS_P_CAPABILITY, e->name);
        if (w->links.n_links > 0 && passes_link(&w->links, clean_path(e->name, true, w->clean)))
                note(w, FACTS_P_THROUGH_LINK, e->name);
        if (e->type == '1' || e->type == '2') {
                int r = judge_link(w, e);

                if (r < 0)
                        return r;
        }
        return judge_watched(w, e);
}

static int walk_entries(struct walk *w) {
        struct tar_entry e;
        int r;

        tar_init(&w->tar, &w->stream);
        while ((r = tar_next(&w->tar, &e)) > 0) {
                if (++w->entries > WALK_ENTRIES_MAX)
                        return UNPACK_E_COUNT;
                r = judge_entry(w, &e);
                if (r < 0)
                        return r;
        }
        if (r == 0)
                for (size_t i = 0; i < w->links.n_dots; i++)
                        if (links_have(&w->links, w->links.dots[i])) {
                                note(w, FACTS_P_THROUGH_LINK, SLICE("(a link's target)"));
                                break;
                        }
        return r;
}

/* What follows the end marker: to be drained for gzip (damage counts), and to be zero. */
static int walk_rest(struct walk *w) {
        static unsigned char rest[64 * 1024];
        int64_t n;

        while ((n = stream_read(&w->stream, rest, sizeof(rest))) > 0)
                for (int64_t i = 0; i < n && !w->trailing; i++)
                        w->trailing = rest[i] != 0;
        return (int) n;
}

static enum facts_status status_of(const struct walk *w, int r) {
        switch (r) {
        case 0:
                return FACTS_S_END;
        case UNPACK_E_HDR:
                return w->entries == 0 ? FACTS_S_NOT_TAR : FACTS_S_HDR;
        case UNPACK_E_GZIP:
                return FACTS_S_GZIP;
        case UNPACK_E_OUTPUT:
                return FACTS_S_OUTPUT;
        case UNPACK_E_LONG:
                return FACTS_S_LONG;
        case UNPACK_E_COUNT:
                return FACTS_S_COUNT;
        case UNPACK_E_CONTENT:
                return FACTS_S_CONTENT;
        default:
                return FACTS_S_IO;
        }
}

static bool first_block_is_zero(struct slice body) {
        for (size_t i = 0; i < body.len && i < TAR_BLOCK; i++)
                if (body.at[i])
                        return false;
        return true;
}

void walk_run(struct walk *w, const struct walk_request *request, struct slice body) {
        int r = 0;

        w->request = request;
        w->kind = stream_detect(body);
        if (w->kind == STREAM_GZIP && request->gzip)
                r = stream_gunzip(&w->stream, body, request->output_limit);
        else if (w->kind == STREAM_PLAIN)
                stream_plain(&w->stream, body);
        else {
                w->status = FACTS_S_NONE;
                return;
        }
        if (r == 0)
                r = walk_entries(w);
        if (r == 0)
                r = walk_rest(w);
        else if (r == UNPACK_E_HDR && w->kind == STREAM_GZIP) {
                /* Still read to its end: damage further on counts more than a body that is no tar. */
                int drained = walk_rest(w);

                r = drained < 0 ? drained : r;
        }
        w->status = status_of(w, r);
        /* A body that cannot be an archive from its first block on. A short one may be either; its text decides. */
        if (request->raw && w->kind == STREAM_PLAIN && w->entries == 0 && body.len <= request->content_limit &&
            !first_block_is_zero(body) &&
            (w->status == FACTS_S_NOT_TAR || (w->status == FACTS_S_IO && body.len < TAR_BLOCK)))
                w->raw = body;
}
