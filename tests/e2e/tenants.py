#!/usr/bin/env python3
"""Two tenants share a real dockerd, each behind a `sockguard-ctl serve` with a listener and a pool of its own. Alice makes one of everything;
Bob tries every operation of the Docker API on hers. Needs root and dockerd; starts a daemon of its own, swarm included."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402
import tenancy  # noqa: E402

with sg.Daemon() as daemon:
    swarm = daemon.swarm("127.0.0.1:23779")
    with sg.Served(tenancy.POLICY % "alice", daemon.sock) as a, sg.Served(tenancy.POLICY % "bob", daemon.sock) as b:
        tenancy.play(tenancy.Tenant("alice", a.sock, a.log), tenancy.Tenant("bob", b.sock, b.log), daemon.request, swarm)
sg.done()
