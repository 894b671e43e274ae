"""A server that misbehaves before it is ready: `python stub_server.py PORT MODEL MODE`.

`tests.fake_server` answers its first, unstreamed request well on purpose: its faults begin under load.
"""

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, MODEL, MODE = int(sys.argv[1]), sys.argv[2], sys.argv[3]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if MODE == "html":
            self._answer(200, b"<html>login</html>")
        else:
            self._answer(200, json.dumps({"data": [{"id": MODEL}]}).encode())

    def do_POST(self) -> None:
        if MODE == "health_only":
            self._answer(500, b"no kernel image")
        elif MODE == "dies_in_completion":
            sys.stdout.write("about to die\n")
            sys.stdout.flush()
            signal.raise_signal(signal.SIGKILL)
        elif MODE == "hangs_in_completion":
            time.sleep(60)
        else:
            self._answer(200, json.dumps({"choices": [{"text": "x", "finish_reason": "length"}]}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if MODE == "exits":
    sys.exit(3)
if MODE == "ignores_sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if MODE == "never_listens":
    time.sleep(60)
HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
