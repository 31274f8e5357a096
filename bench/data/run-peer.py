#!/usr/bin/env python3
"""Runs a command to its end, its output dropped, and prints what it took as JSON: Node cannot ask wait4 for a child.

usage: run-peer.py COMMAND [ARGUMENT...]
"""
import json
import os
import subprocess
import sys
import time

started = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
errors = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
wall = time.monotonic() - started
if status != 0:
    sys.exit(f'{sys.argv[1]} failed: {errors[-600:].decode(errors="replace")}')
print(
    json.dumps(
        {
            'wallMs': wall * 1000,
            'cpuMs': (usage.ru_utime + usage.ru_stime) * 1000,
            'peakBytes': usage.ru_maxrss * 1024,
        }
    )
)
