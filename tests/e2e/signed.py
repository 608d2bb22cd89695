#!/usr/bin/env python3
"""Signed policies: which signatures are good, what a signed policy can no longer be talked out of, and reloads of them."""
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import sg
from companion import RULES, Companion
from sg import CTL, check

if not shutil.which("openssl"):
    sg.skip("no openssl")
D = tempfile.mkdtemp(prefix="sg-signed-")
KINDS = {"p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
         "p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
         "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "ed": ["-algorithm", "ED25519"], "other": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


for name, how in KINDS.items():
    openssl("genpkey", *how, "-out", D + "/" + name + ".key")
    openssl("pkey", "-in", D + "/" + name + ".key", "-pubout", "-out", D + "/" + name + ".pub")
openssl("rsa", "-in", D + "/rsa.key", "-RSAPublicKey_out", "-out", D + "/pkcs1.pub")


def pem(name):
    return open(D + "/" + name + ".pub").read()


def b64(data):
    return base64.b64encode(data).decode()


def sign(name, data, digest="sha256"):
    with open(D + "/data", "wb") as f:
        f.write(data)
    if name == "ed":
        return openssl("pkeyutl", "-sign", "-rawin", "-in", D + "/data", "-inkey", D + "/ed.key")
    return openssl("dgst", "-" + digest, "-sign", D + "/" + name + ".key", D + "/data")


def bundle(data, signature, **over):
    b = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {"publicKey": {"hint": "x"}},
         "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(data).digest())}, "signature": b64(signature)}}
    b.update(over)
    return b


def p1363(der, size):
    out, at = b"", 2 + (der[1] & 0x80 > 0)
    for _ in range(2):
        n = der[at + 1]
        out += der[at + 2:at + 2 + n].lstrip(b"\0").rjust(size, b"\0")
        at += 2 + n
    return out


def policy(c, keys, extra="", rules=RULES):
    block = "policy_bundle:\n  enabled: true\n  signature_path: %s\n  allowed_signing_keys:\n" % json.dumps(c.dir + "/sig.json")
    block += "".join("    - pem: %s\n" % json.dumps(pem(k)) for k in keys)
    return c.text("reload: {enabled: true, debounce: 40ms}\nadmin: {enabled: true}\n" + block + extra + rules)


def start(c, text, sig, *extra, env=None):
    """What a start makes of a file and a bundle: None when it serves, else what it says."""
    with open(c.config, "wb") as f:
        f.write(text)
    with open(c.dir + "/sig.json", "wb") as f:
        f.write(sig if isinstance(sig, bytes) else json.dumps(sig).encode())
    e = dict(sg.env(), **(env or {}))
    p = subprocess.Popen([CTL, "run", "--config", c.config, "--runtime-dir", c.run, *extra], env=e, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 10
    while time.monotonic() < end and p.poll() is None and not os.path.exists(c.run + "/control"):
        time.sleep(0.01)
    if p.poll() is None:
        p.terminate()
        p.communicate()
        return None
    return p.communicate()[1]


def test_signatures(up):
    with Companion(RULES, up.path, start=False) as c:
        for name in ("p256", "p384", "p521", "rsa", "ed"):
            text = policy(c, [name]).encode()
            check("a signature by %s is good" % name, start(c, text, bundle(text, sign(name, text))) is None)
        text = policy(c, ["other", "p256"]).encode()
        good = sign("p256", text)
        check("the second of two keys will do", start(c, text, bundle(text, good)) is None)
        check("so does a key by PKCS #1", start(c, (t := policy(c, ["pkcs1"]).encode()), bundle(t, sign("rsa", t))) is None)
        check("r and s side by side are a signature", start(c, text, bundle(text, p1363(good, 32))) is None)
        ed, small = policy(c, ["ed"]).encode(), policy(c, ["rsa1024"]).encode()
        digest = hashlib.sha256(ed).digest()
        d = {"messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(text).digest())}, "signature": b64(good)}
        raw = json.dumps(bundle(text, good))
        refused = {
            "Ed25519 over the digest": (ed, bundle(ed, sign("ed", digest))),
            "RSA of 1024 bits": (small, bundle(small, sign("rsa1024", small))),
            "P-384 with SHA-384": ((p384 := policy(c, ["p384"]).encode()), bundle(p384, sign("p384", p384, "sha384"))),
            "another key": (text, bundle(text, sign("rsa", text))),
            "another text's digest": (text + b"#", bundle(text, good)),
            "a digest that fits and a signature that does not": (text + b"#", bundle(text + b"#", good)),
            "no messageDigest": (text, bundle(text, good, messageSignature={"signature": b64(good)})),
            "SHA2_512 as algorithm": (text, bundle(text, good, messageSignature=dict(d, messageDigest=dict(d["messageDigest"], algorithm="SHA2_512")))),
            "an unknown algorithm": (text, bundle(text, good, messageSignature=dict(d, messageDigest=dict(d["messageDigest"], algorithm="BOGUS")))),
            "version 0.4": (text, bundle(text, good, mediaType="application/vnd.dev.sigstore.bundle.v0.4+json")),
            "no version": (text, bundle(text, good, mediaType="application/vnd.dev.sigstore.bundle+json")),
            "an unknown member": (text, bundle(text, good, more=1)),
            "an unknown member deep inside": (text, bundle(text, good, verificationMaterial={"publicKey": {"hint": "x", "key": "y"}})),
            "a member twice": (text, (raw[:-1] + ', "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}').encode()),
            "a member in both spellings": (text, bundle(text, good, media_type="application/vnd.dev.sigstore.bundle.v0.3+json")),
            "trailing bytes": (text, (raw + "{}").encode()),
            "empty material": (text, bundle(text, good, verificationMaterial={})),
            "a certificate": (text, bundle(text, good, verificationMaterial={"certificate": {"rawBytes": "AAAA"}})),
            "a key and a certificate": (text, bundle(text, good, verificationMaterial={"publicKey": {}, "certificate": {"rawBytes": "AAAA"}})),
            "mixed alphabets": (text, bundle(text, good, messageSignature=dict(d, signature="+_" + b64(good)[2:]))),
            "a log entry of no kind": (text, bundle(text, good, verificationMaterial={"publicKey": {}, "tlogEntries": [
                {"logIndex": "1", "logId": {"keyId": "AA=="}, "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"}, "canonicalizedBody": b64(b'{"apiVersion":"0.0.1","spec":{}}'),
                 "inclusionProof": {"checkpoint": {"envelope": "x"}}}]})),
            "an attestation": (text, {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {"publicKey": {}},
                                      "dsseEnvelope": {"payload": b64(b"{}"), "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": b64(good)}]}}),
            "deep nesting": (text, b'{"mediaType":' + b"[" * 5000),
            "too much of it": (text, b" " * ((1 << 20) + 1)),
            "nothing": (text, b""),
        }
        for name, (body, sig) in refused.items():
            said = start(c, body, sig)
            check("refused: " + name, said is not None and said.startswith("Error: policy bundle: "), said)
        taken = {
            "no hint": bundle(text, good, verificationMaterial={"publicKey": {}}),
            "snake case": {"media_type": "application/vnd.dev.sigstore.bundle+json;version=0.2", "verification_material": {"public_key": {}},
                           "message_signature": {"message_digest": d["messageDigest"], "signature": d["signature"]}},
            "nulls": bundle(text, good, dsseEnvelope=None),
            "URL-safe without padding": bundle(text, good, messageSignature=dict(d, signature=base64.urlsafe_b64encode(good).decode().rstrip("="))),
            "no algorithm": bundle(text, good, messageSignature=dict(d, messageDigest={"digest": d["messageDigest"]["digest"]})),
            "version 0.1 in the new form": bundle(text, good, mediaType="application/vnd.dev.sigstore.bundle.v0.1+json"),
            "a patch version": bundle(text, good, mediaType="application/vnd.dev.sigstore.bundle.v0.3.2+json"),
            "a well-formed log entry": bundle(text, good, verificationMaterial={"publicKey": {}, "tlogEntries": [
                {"logIndex": 1e3, "logId": {"keyId": "AA=="}, "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"}, "integratedTime": "5",
                 "canonicalizedBody": b64(b'{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}'), "inclusionProof": {"hashes": ["AAAA"], "checkpoint": {"envelope": "x"}}}]}),
        }
        for name, sig in taken.items():
            said = start(c, text, sig)
            check("taken: " + name, said is None, said)
        hasty = text.replace(b"  allowed_signing_keys", b"  verify_timeout: 1ns\n  allowed_signing_keys")
        said = start(c, hasty, bundle(hasty, sign("p256", hasty)))
        check("verification has its time and no more", said is not None and "verify_timeout" in said, said)
        os.unlink(c.dir + "/sig.json")
        r = subprocess.run([CTL, "run", "--config", c.config, "--runtime-dir", c.run], env=sg.env(), capture_output=True, text=True, timeout=20)
        check("no signature is an error that names it", r.returncode == 1 and "sig.json" in r.stderr, r.stderr)
        keyless = text.replace(b"  allowed_signing_keys", b"  allowed_keyless: [{issuer: i, subject_pattern: s}]\n  allowed_signing_keys")
        said = start(c, keyless, bundle(keyless, sign("p256", keyless)))
        check("identities without keys are refused, not ignored", said is not None and "allowed_signing_keys" in said, said)
        r = sg.ctl("compile", "--config", c.config, "--output", c.dir + "/image")
        check("compile does not put a signed policy in force unseen", r.returncode == 1 and not os.path.exists(c.dir + "/image"), r.stderr)
        check("validate does not ask for signatures", sg.ctl("validate", "--config", c.config).returncode == (1 if b"keyless" not in keyless else 0))


def test_switch(up):
    """Who writes the policy, or the environment, cannot do without the signature."""
    with Companion(RULES, up.path, start=False) as c:
        text = policy(c, ["p256"]).encode()
        bad = bundle(text, sign("other", text))
        said = start(c, text, bad, env={"SOCKGUARD_POLICY_BUNDLE_ENABLED": "false"})
        check("the environment cannot switch verification off", said is not None and "policy bundle" in said, said)
        off = text.replace(b"enabled: true\n  signature", b"enabled: false\n  signature")
        said = start(c, off, bad, env={"SOCKGUARD_POLICY_BUNDLE_ENABLED": "true"})
        check("... but on", said is not None and "policy bundle" in said, said)
        check("without either it is off", start(c, off, bad) is None)
        with open(D + "/trust", "w") as f:
            f.write(pem("rsa") + "\n" + pem("other"))
        said = start(c, off, bundle(off, sign("p256", off)), "--policy-trust-file", D + "/trust")
        check("with a trust file the policy's own keys do not count", said is not None and "policy bundle" in said, said)
        check("... only those in it do", start(c, off, bundle(off, sign("other", off)), "--policy-trust-file", D + "/trust") is None)
        os.chmod(D + "/trust", 0o666)
        said = start(c, off, bundle(off, sign("other", off)), "--policy-trust-file", D + "/trust")
        check("... if nobody else may write it", said is not None and "may write" in said, said)
        env = {"SOCKGUARD_RESPONSE_DENY_VERBOSITY": "verbose", "CONTAINERS": "1"}
        with open(c.config, "wb") as f:
            f.write(text)
        with open(c.dir + "/sig.json", "w") as f:
            json.dump(bundle(text, sign("p256", text)), f)
        old = dict(os.environ)
        os.environ.update(env)
        c.start()
        os.environ.clear()
        os.environ.update(old)
        check("the environment adds nothing to a signed policy", "reason" not in c.get("/info").json() and c.get("/containers/json").status == 403, c.log())


def test_reload(up):
    with Companion(RULES, up.path, start=False) as c:
        def put(text, key, first="policy"):
            sig = json.dumps(bundle(text, sign(key, text))).encode()
            for name, data in ((c.config, text), (c.dir + "/sig.json", sig))[::1 if first == "policy" else -1]:
                with open(name + ".tmp", "wb") as f:
                    f.write(data)
                os.rename(name + ".tmp", name)
                time.sleep(0.25)

        one = policy(c, ["p256"]).encode()
        with open(c.config, "wb") as f:
            f.write(one)
        with open(c.dir + "/sig.json", "w") as f:
            json.dump(bundle(one, sign("p256", one)), f)
        c.start()
        got = c.wait_log("policy bundle verified")
        der = openssl("pkey", "-pubin", "-in", D + "/p256.pub", "-outform", "DER")
        who = "keyed:" + hashlib.sha256(der).hexdigest()
        check("a good signature is recorded, with whose it is", got and (got[0]["signer"], got[0]["digest"]) == (who, hashlib.sha256(one).hexdigest()), c.log())
        v = c.get("/admin/policy/version").json()
        check("the version says which bundle, whose and of what", (v.get("bundle_source"), v.get("bundle_signer"), v.get("bundle_digest")) ==
              ("sig.json", who, hashlib.sha256(one).hexdigest()), v)
        more = "  - {match: {method: GET, path: /info}, action: allow}\n"
        two = policy(c, ["p256"], rules=RULES + more).encode()
        put(two, "p256")
        check("written one after the other, policy first: in force at last", len(c.wait_log("reload applied", 1)) == 1 and c.get("/info").status == 200, c.log()[-4:])
        bad = c.log("reload rejected", result="reject_signature")
        check("... and refused between the two", bad and bad[0]["signature_path"] == c.dir + "/sig.json" and "error" in bad[0], c.log()[-4:])
        put(one, "p256", first="signature")
        check("... signature first", len(c.wait_log("reload applied", 2)) == 2 and c.get("/info").status == 403, c.log()[-4:])
        n = len(c.log("reload rejected", result="reject_signature"))
        put(two, "other")
        check("a policy that somebody else signed is refused", len(c.wait_log("reload rejected", n + 1, result="reject_signature")) > n and c.get("/info").status == 403)
        put(policy(c, ["other"], rules=RULES + more).encode(), "other")
        check("... even if it brings its own key", c.get("/info").status == 403)
        put(two.replace(b"enabled: true\n  signature", b"enabled: false\n  signature"), "other")
        check("... or says that no signature is needed", c.get("/info").status == 403, c.log()[-3:])
        put(two.replace(b"enabled: true\n  signature", b"enabled: false\n  signature"), "p256")
        check("a signed one cannot switch it off either", c.wait_log("reload rejected", result="reject_immutable") != [] and c.get("/info").status == 403, c.log()[-3:])
        os.unlink(c.config)
        c.proc.send_signal(signal.SIGHUP)
        time.sleep(0.4)
        check("a missing file is refused for want of a signature", c.log("reload rejected")[-1]["result"] == "reject_signature", c.log()[-2:])


def main():
    with sg.StandIn({("GET", "/containers/json"): (200, [], [])}) as up:
        for t in (test_signatures, test_switch, test_reload):
            try:
                t(up)
            except Exception as e:   # noqa: one broken test must not hide the others
                check(t.__name__, False, "%s: %s" % (type(e).__name__, e))
    shutil.rmtree(D)
    sg.done()


if __name__ == "__main__":
    main()
