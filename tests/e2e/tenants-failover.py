#!/usr/bin/env python3
"""With several daemons to fall back on, a request goes to the daemon that was asked whose the thing is, or nowhere: on the next one the same
name may be somebody else's."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

LABELS = {"com.sockguard.owner": "alice", "vis": "1"}


def answers(first, dies):
    """Answers an inspect as Alice's, and then, if it dies, is gone."""
    def inspect(connection, f, *_):
        body = b'{"Config": {"Labels": {"com.sockguard.owner": "alice", "vis": "1"}}}'
        if dies:
            os.unlink(first.path)
        f.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" %
                (len(body), b"Connection: close\r\n" if dies else b"", body))
        f.flush()
    return inspect


for option, method, target in (("ownership: {owner: alice}\n", "POST", "/containers/box/stop"), ("ownership: {owner: alice}\n", "DELETE", "/containers/box"),
                               ("response: {visible_resource_labels: [vis=1]}\n", "GET", "/containers/box/logs")):
    for dies in (False, True):
        a, b = sg.StandIn(), sg.StandIn()
        for s in (a, b):
            s.answers = {("GET", "/containers/box/json"): answers(s, dies and s is a), "*": (200, [], b"{}")}
        policy = sg.ALLOW_ALL + option + 'upstream: {endpoints: [{address: "unix://%s"}, {address: "unix://%s"}]}\n' % (a.path, b.path)
        with a, b, sg.Sockguard(policy, "") as g:
            r = sg.request(g.sock, method, target, timeout=20)
            elsewhere = [q[:2] for q in b.requests() if q[:2] == (method, target)]
            if dies:
                sg.check("%s %s does not go on to a daemon that was not asked" % (method, target), r and r.status == 502 and not elsewhere, (r and r.status, elsewhere))
            else:
                sg.check("%s %s goes to the daemon that was asked" % (method, target), r and r.status == 200 and len(a.requests()) == 2 and not b.requests(), r and r.status)
sg.done()
