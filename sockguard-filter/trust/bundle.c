/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/bundle.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <math.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/json.h"
#include "trust/key.h"

#define DEPTH_MAX 32u
#define ENTRIES_MAX 32u

/* ---- the container: protobuf as JSON, by tables ---- */

enum kind { BYTES, STRING, INT64, ALGORITHM, OBJECT, OBJECTS };

struct member {
        const char *camel, *snake; /* the two spellings */
        enum kind kind;
        const struct shape *of; /* OBJECT, OBJECTS */
        unsigned oneof;         /* members of one object with the same number exclude each other; 0: none */
};

struct shape {
        const struct member *members;
        size_t n;
};

#define SHAPE(name, ...) \
        static const struct member name##_members[] = { __VA_ARGS__ }; \
        static const struct shape name = { name##_members, sizeof(name##_members) / sizeof(name##_members[0]) }

SHAPE(shape_hint, { "hint", "hint", STRING, NULL, 0 });
SHAPE(shape_raw, { "rawBytes", "raw_bytes", BYTES, NULL, 0 });
SHAPE(shape_chain, { "certificates", "certificates", OBJECTS, &shape_raw, 0 });
SHAPE(shape_key_id, { "keyId", "key_id", BYTES, NULL, 0 });
SHAPE(shape_kind, { "kind", "kind", STRING, NULL, 0 }, { "version", "version", STRING, NULL, 0 });
SHAPE(shape_promise, { "signedEntryTimestamp", "signed_entry_timestamp", BYTES, NULL, 0 });
SHAPE(shape_checkpoint, { "envelope", "envelope", STRING, NULL, 0 });
/* `hashes` is a list of bytes: looked at by hand. */
SHAPE(shape_proof, { "logIndex", "log_index", INT64, NULL, 0 }, { "rootHash", "root_hash", BYTES, NULL, 0 },
      { "treeSize", "tree_size", INT64, NULL, 0 }, { "hashes", "hashes", OBJECTS, NULL, 0 },
      { "checkpoint", "checkpoint", OBJECT, &shape_checkpoint, 0 });
SHAPE(shape_entry, { "logIndex", "log_index", INT64, NULL, 0 }, { "logId", "log_id", OBJECT, &shape_key_id, 0 },
      { "kindVersion", "kind_version", OBJECT, &shape_kind, 0 },
      { "integratedTime", "integrated_time", INT64, NULL, 0 },
      { "inclusionPromise", "inclusion_promise", OBJECT, &shape_promise, 0 },
      { "inclusionProof", "inclusion_proof", OBJECT, &shape_proof, 0 },
      { "canonicalizedBody", "canonicalized_body", BYTES, NULL, 0 });
SHAPE(shape_timestamp, { "signedTimestamp", "signed_timestamp", BYTES, NULL, 0 });
SHAPE(shape_timestamps, { "rfc3161Timestamps", "rfc3161_timestamps", OBJECTS, &shape_timestamp, 0 });
SHAPE(shape_material, { "publicKey", "public_key", OBJECT, &shape_hint, 1 },
      { "x509CertificateChain", "x509_certificate_chain", OBJECT, &shape_chain, 1 },
      { "certificate", "certificate", OBJECT, &shape_raw, 1 },
      { "tlogEntries", "tlog_entries", OBJECTS, &shape_entry, 0 },
      { "timestampVerificationData", "timestamp_verification_data", OBJECT, &shape_timestamps, 0 });
SHAPE(shape_digest, { "algorithm", "algorithm", ALGORITHM, NULL, 0 }, { "digest", "digest", BYTES, NULL, 0 });
SHAPE(shape_message, { "messageDigest", "message_digest", OBJECT, &shape_digest, 0 },
      { "signature", "signature", BYTES, NULL, 0 });
SHAPE(shape_signature, { "sig", "sig", BYTES, NULL, 0 }, { "keyid", "keyid", STRING, NULL, 0 });
SHAPE(shape_envelope, { "payload", "payload", BYTES, NULL, 0 }, { "payloadType", "payload_type", STRING, NULL, 0 },
      { "signatures", "signatures", OBJECTS, &shape_signature, 0 });
SHAPE(shape_bundle, { "mediaType", "media_type", STRING, NULL, 0 },
      { "verificationMaterial", "verification_material", OBJECT, &shape_material, 0 },
      { "messageSignature", "message_signature", OBJECT, &shape_message, 1 },
      { "dsseEnvelope", "dsse_envelope", OBJECT, &shape_envelope, 1 });

/* Standard or URL-safe alphabet, padded or not. */
static bool bytes_of(struct json_value v, struct arena *a, struct slice *ret) {
        struct slice text = json_string(v, a);
        bool url = slice_find(text, '-') >= 0 || slice_find(text, '_') >= 0,
             padded = text.len > 0 && text.at[text.len - 1] == '=';

        return base64_decode(text, url, padded, a, ret);
}

/* A string of digits, or a number that is whole: 1e3 is. */
static bool int64_of(struct json_value v, struct arena *a, int64_t *ret) {
        struct slice text = v.type == JSON_STRING ? json_string(v, a) : v.text;
        char copy[40];
        char *end;
        double d;

        if ((v.type != JSON_STRING && v.type != JSON_NUMBER) || text.len == 0 || text.len >= sizeof(copy))
                return false;
        memcpy(copy, text.at, text.len);
        copy[text.len] = '\0';
        if (copy[strspn(copy, "-0123456789")] == '\0') {
                errno = 0;
                *ret = strtoll(copy, &end, 10);
                return *end == '\0' && errno == 0 && copy[0] != '\0';
        }
        if (v.type == JSON_STRING)
                return false;
        d = strtod(copy, &end);
        if (*end != '\0' || !(d >= -9007199254740992.0 && d <= 9007199254740992.0) || trunc(d) < d || trunc(d) > d)
                return false;
        *ret = (int64_t) d;
        return true;
}

static const char *const algorithms[] = {
        "HASH_ALGORITHM_UNSPECIFIED", "SHA2_256", "SHA2_384", "SHA2_512", "SHA3_256", "SHA3_384"
};

static bool algorithm_of(struct json_value v, struct arena *a, int64_t *ret) {
        struct slice name;

        if (v.type != JSON_STRING)
                return int64_of(v, a, ret) && *ret >= INT32_MIN && *ret <= INT32_MAX;
        name = json_string(v, a);
        for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
                if (slice_eq(name, slice_of(algorithms[i]))) {
                        *ret = (int64_t) i;
                        return true;
                }
        return false;
}

static int check_object(struct json_value v, const struct shape *shape, struct arena *a, struct error *e);

static int check_list(struct json_value v, const struct member *m, struct arena *a, struct error *e) {
        struct json_iter it = json_iter_of(v);
        struct json_value element;
        struct slice bytes;
        int r = 0;

        if (v.type != JSON_ARRAY)
                return error_set(e, -EBADMSG, "%s is not a list", m->camel);
        while (r == 0 && json_next(&it, NULL, &element))
                if (m->of)
                        r = check_object(element, m->of, a, e);
                else if (element.type != JSON_STRING || !bytes_of(element, a, &bytes))
                        r = error_set(e, -EBADMSG, "%s has an element that is not base64", m->camel);
        return r;
}

static int check_value(struct json_value v, const struct member *m, struct arena *a, struct error *e) {
        struct slice bytes;
        int64_t number;

        switch (m->kind) {
        case BYTES:
                return v.type == JSON_STRING && bytes_of(v, a, &bytes)
                               ? 0
                               : error_set(e, -EBADMSG, "%s is not base64", m->camel);
        case STRING:
                return v.type == JSON_STRING ? 0 : error_set(e, -EBADMSG, "%s is not a string", m->camel);
        case INT64:
                return int64_of(v, a, &number) ? 0 : error_set(e, -EBADMSG, "%s is not a whole number", m->camel);
        case ALGORITHM:
                return algorithm_of(v, a, &number) ? 0 : error_set(e, -EBADMSG, "%s is not a hash algorithm", m->camel);
        case OBJECTS:
                return check_list(v, m, a, e);
        case OBJECT:
        default:
                return check_object(v, m->of, a, e);
        }
}

/* Only known members, each once under whichever name, each of its type, no two of a oneof. Null is absent. */
static int check_object(struct json_value v, const struct shape *shape, struct arena *a, struct error *e) {
        struct json_iter it = json_iter_of(v);
        struct json_value value;
        struct slice name;
        unsigned seen = 0, groups = 0;
        int r;

        if (v.type != JSON_OBJECT)
                return error_set(e, -EBADMSG, "an object is something else");
        while (json_next(&it, &name, &value)) {
                size_t i = 0;

                while (i < shape->n && !json_name_is(name, slice_of(shape->members[i].camel)) &&
                       !json_name_is(name, slice_of(shape->members[i].snake)))
                        i++;
                if (i == shape->n)
                        return error_set(e, -EBADMSG, "%.*s is no member of a bundle", SLICE_ARG(slice_upto(name, 64)));
                if (seen & 1u << i)
                        return error_set(e, -EBADMSG, "%s is there twice", shape->members[i].camel);
                seen |= 1u << i;
                if (value.type == JSON_NULL)
                        continue;
                if (shape->members[i].oneof && (groups & 1u << shape->members[i].oneof))
                        return error_set(e, -EBADMSG, "%s excludes another member", shape->members[i].camel);
                groups |= shape->members[i].oneof ? 1u << shape->members[i].oneof : 0;
                r = check_value(value, &shape->members[i], a, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The member under either name; absent when it is null. */
static struct json_value get(struct json_value object, const char *camel, const char *snake) {
        struct json_value v = json_member_exact(object, slice_of(camel));

        if (v.type == JSON_ABSENT)
                v = json_member_exact(object, slice_of(snake));
        if (v.type == JSON_NULL)
                v.type = JSON_ABSENT;
        return v;
}

static bool has(struct json_value object, const char *camel, const char *snake) {
        return get(object, camel, snake).type != JSON_ABSENT;
}

/* ---- what must hold of every bundle (A.3) ---- */

/* Minor version, or -1. */
static int version_of(struct slice media_type) {
        static const struct {
                const char *text;
                int minor;
        } known[] = {
                { "application/vnd.dev.sigstore.bundle+json;version=0.1", 1 },
                { "application/vnd.dev.sigstore.bundle+json;version=0.2", 2 },
                { "application/vnd.dev.sigstore.bundle+json;version=0.3", 3 },
                { "application/vnd.dev.sigstore.bundle.v0.1+json", 1 },
                { "application/vnd.dev.sigstore.bundle.v0.2+json", 2 },
                { "application/vnd.dev.sigstore.bundle.v0.3+json", 3 },
        };
        static const char patch[] = "application/vnd.dev.sigstore.bundle.v0.3.";

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (slice_eq(media_type, slice_of(known[i].text)))
                        return known[i].minor;
        if (slice_starts(media_type, slice_of(patch)) && slice_ends(media_type, SLICE("+json"))) {
                struct slice digits =
                        slice_make(media_type.at + sizeof(patch) - 1, media_type.len - (sizeof(patch) - 1) - 5);
                uint64_t n;

                if (slice_parse_u64(digits, &n) == 0)
                        return 3;
        }
        return -1;
}

/* A log entry's body is JSON of a kind that logs have, and the one that the entry names (A.6). */
static int check_body(struct slice body, struct json_value kind_version, struct arena *a, struct error *e) {
        static const struct {
                const char *kind, *version;
        } known[] = {
                { "hashedrekord", "0.0.1" }, { "dsse", "0.0.1" }, { "intoto", "0.0.2" },
                { "hashedrekord", "0.0.2" }, { "dsse", "0.0.2" },
        };
        struct json_value root, kind, version;

        if (json_validate(body, JSON_ALLOW_NUL, DEPTH_MAX, a, NULL) < 0)
                return error_set(e, -EBADMSG, "the body of a log entry is not JSON");
        root = json_root(body);
        kind = json_member_exact(root, SLICE("kind"));
        version = json_member_exact(root, SLICE("apiVersion"));
        if (kind.type != JSON_STRING || version.type != JSON_STRING ||
            json_member_exact(root, SLICE("spec")).type != JSON_OBJECT)
                return error_set(e, -EBADMSG, "the body of a log entry has no kind, apiVersion or spec");
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (slice_eq(json_string(kind, a), slice_of(known[i].kind)) &&
                    slice_eq(json_string(version, a), slice_of(known[i].version)) &&
                    slice_eq(json_string(get(kind_version, "kind", "kind"), a), slice_of(known[i].kind)) &&
                    slice_eq(json_string(get(kind_version, "version", "version"), a), slice_of(known[i].version)))
                        return 0;
        return error_set(e, -EBADMSG, "a log entry is of an unknown kind, or not of the kind that it names");
}

static int check_entry(struct json_value entry, struct arena *a, struct error *e) {
        struct json_value id = get(entry, "logId", "log_id"), kind = get(entry, "kindVersion", "kind_version"),
                          body = get(entry, "canonicalizedBody", "canonicalized_body"),
                          proof = get(entry, "inclusionProof", "inclusion_proof"),
                          index = get(entry, "logIndex", "log_index");
        struct slice bytes;
        int64_t n = 0;

        if (body.type == JSON_ABSENT || kind.type == JSON_ABSENT || !has(id, "keyId", "key_id"))
                return error_set(e, -EBADMSG, "a log entry lacks its body, log id or kind");
        if (index.type != JSON_ABSENT && (!int64_of(index, a, &n) || n < 0))
                return error_set(e, -EBADMSG, "a log entry's index is negative");
        if (proof.type != JSON_ABSENT &&
            json_string(get(get(proof, "checkpoint", "checkpoint"), "envelope", "envelope"), a).len == 0)
                return error_set(e, -EBADMSG, "an inclusion proof has no checkpoint");
        (void) bytes_of(body, a, &bytes); /* decoded once already */
        return check_body(bytes, kind, a, e);
}

static int check_entries(struct json_value material, int version, struct arena *a, struct error *e) {
        struct json_iter it = json_iter_of(get(material, "tlogEntries", "tlog_entries"));
        unsigned n = 0, promises = 0, proofs = 0;
        struct json_value entry;

        while (json_next(&it, NULL, &entry)) {
                int r = check_entry(entry, a, e);

                if (r < 0)
                        return r;
                if (++n > ENTRIES_MAX)
                        return error_set(e, -EBADMSG, "more than %u log entries", ENTRIES_MAX);
                promises += has(entry, "inclusionPromise", "inclusion_promise");
                proofs += has(entry, "inclusionProof", "inclusion_proof");
        }
        if (n > 0 && (version == 1 ? promises : proofs) == 0)
                return error_set(e, -EBADMSG, "no log entry has %s",
                                 version == 1 ? "an inclusion promise" : "an inclusion proof");
        return 0;
}

static int check_bundle(struct json_value root, struct arena *a, struct error *e) {
        struct json_value material = get(root, "verificationMaterial", "verification_material"),
                          media = get(root, "mediaType", "media_type");
        bool chain = has(material, "x509CertificateChain", "x509_certificate_chain");
        int version = version_of(json_string(media, a));

        if (version < 0)
                return error_set(e, -EBADMSG, "its mediaType is not one of a Sigstore bundle, version 0.1 to 0.3");
        if (!has(root, "messageSignature", "message_signature") && !has(root, "dsseEnvelope", "dsse_envelope"))
                return error_set(e, -EBADMSG, "there is no signature in it");
        if (!chain && !has(material, "publicKey", "public_key") && !has(material, "certificate", "certificate"))
                return error_set(e, -EBADMSG, "it does not say what made the signature");
        if (version >= 3 && chain)
                return error_set(e, -EBADMSG, "version 0.3 has one certificate, not a chain");
        return check_entries(material, version, a, e);
}

/* ---- the signature ---- */

/* The signature's bytes, once it is clear that it means this artifact. */
static int signature_of(struct json_value root, const unsigned char digest[32], struct arena *a, struct slice *ret,
                        struct error *e) {
        struct json_value message = get(root, "messageSignature", "message_signature"),
                          material = get(root, "verificationMaterial", "verification_material"),
                          sum = get(message, "messageDigest", "message_digest"),
                          algorithm = get(sum, "algorithm", "algorithm");
        struct slice bytes = { 0 };
        int64_t number = 0;

        if (message.type == JSON_ABSENT)
                return error_set(
                        e, -EKEYREJECTED,
                        "an attestation about a policy is no approval of it: sign its bytes (cosign sign-blob)");
        if (!has(material, "publicKey", "public_key"))
                return error_set(e, -EKEYREJECTED, "it was made with a certificate, and only keys are trusted");
        if (sum.type == JSON_ABSENT || !bytes_of(get(sum, "digest", "digest"), a, &bytes) || bytes.len != 32 ||
            memcmp(bytes.at, digest, 32) != 0)
                return error_set(e, -EKEYREJECTED, "it is for other bytes");
        if (algorithm.type != JSON_ABSENT && (!algorithm_of(algorithm, a, &number) || (number != 0 && number != 1)))
                return error_set(e, -EKEYREJECTED, "its digest is not SHA-256");
        if (!bytes_of(get(message, "signature", "signature"), a, ret) || ret->len == 0)
                return error_set(e, -EKEYREJECTED, "the signature is empty");
        return 0;
}

int bundle_verify(struct slice artifact, struct slice bundle, const struct slice *pems, size_t n_pems, struct arena *a,
                  struct bundle_verdict *ret, struct error *e) {
        struct json_error why = { 0 };
        struct slice signature;
        struct json_value root;
        int r;

        if (artifact.len == 0)
                return error_set(e, -EBADMSG, "nothing is signed: it is empty");
        if (bundle.len > BUNDLE_MAX)
                return error_set(e, -EBADMSG, "it is larger than %u bytes", BUNDLE_MAX);
        if (json_validate(bundle, 0, DEPTH_MAX, a, &why) < 0)
                return error_set(e, -EBADMSG, "it is not JSON: %s at byte %zu", why.what ? why.what : "malformed",
                                 why.offset);
        root = json_root(bundle);
        r = check_object(root, &shape_bundle, a, e);
        if (r == 0)
                r = check_bundle(root, a, e);
        if (r < 0)
                return r;
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, artifact.at, artifact.len, ret->digest) < 0)
                return error_set(e, -EINVAL, "SHA-256 is not available");
        r = signature_of(root, ret->digest, a, &signature, e);
        for (size_t i = 0; r == 0 && i < n_pems; i++) {
                struct trust_key key;
                bool good;

                r = trust_key_read(pems[i], &key, e);
                if (r < 0)
                        return error_prefix(e, r, "signing key %zu", i + 1);
                good = trust_key_verify(&key, artifact, ret->digest, signature);
                snprintf(ret->signer, sizeof(ret->signer), "keyed:%s", key.fingerprint);
                trust_key_free(&key);
                if (good)
                        return 0;
        }
        return r < 0 ? r : error_set(e, -EKEYREJECTED, "none of the %zu trusted keys made it", n_pems);
}
