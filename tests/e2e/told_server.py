"""A small HTTP/1.1 server for a test image: says who answers, streams numbered lines.

Environment: REVISION is said in every answer, PORT is where it listens (8080),
EXIT is the code with which it ends at once, UNWELL makes /ok answer 503.

/socket is a websocket that echoes short messages; /heard has all that came, a line
each, in their order.

It is not polite: asked to end, it drops what it is answering. And like uvicorn it
closes connections on which nothing came for 5 s.
"""

import base64
import hashlib
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

# What RFC 6455 has a server append to the key.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# All that was said at sockets.
HEARD = []
WHO = f"{os.environ['REVISION']} {os.environ.get('OCTOAI_REPLICA_NAME', '')}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):
        asked = urlsplit(self.path)
        if asked.path == "/stream":
            self.stream(**dict(parse_qsl(asked.query)))
        elif asked.path == "/socket":
            self.socket()
        elif asked.path == "/heard":
            self.answer(200, "".join(f"{text}\n" for text in HEARD).encode())
        elif asked.path == "/ok" and os.environ.get("UNWELL"):
            self.answer(503, b"unwell\n")
        else:
            self.answer(200, f"{WHO}\n".encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, f"{WHO}\n".encode() + body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, lines, pause, until=""):
        """So many lines "WHO NUMBER", each a chunk of its own; then "end".

        until: what ends it before once it was said at a socket.
        """
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(1, int(lines) + 1):
            if until in HEARD:
                break
            self.chunk(f"{WHO} {number}\n".encode())
            time.sleep(float(pause))
        self.chunk(b"end\n")
        self.wfile.write(b"0\r\n\r\n")

    def socket(self):
        """Say "WHO: " and what came, until the other side closes."""
        key = self.headers["Sec-WebSocket-Key"] + GUID
        digest = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        self.connection.settimeout(None)
        self.close_connection = True
        while head := self.rfile.read(2):
            size = head[1] & 127
            mask, data = self.rfile.read(4), self.rfile.read(size)
            text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
            if head[0] & 15 == 8:  # a close, answered by one
                self.wfile.write(bytes([0x88, len(text)]) + text)
                return
            if head[0] & 15 == 9:  # a ping, which clients send by themselves
                self.wfile.write(bytes([0x8A, len(text)]) + text)
                continue
            HEARD.append(text.decode())
            said = f"{WHO}: ".encode() + text
            self.wfile.write(bytes([0x81, len(said)]) + said)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *words):
        """Nothing: thousands of requests are made."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if code := os.environ.get("EXIT"):
    sys.stderr.write("told to end\n")
    sys.exit(int(code))
print(f"{WHO} serves", flush=True)
Server(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
