#!/usr/bin/env python3
"""A proxy before an S3 store that is not to be relied on, in one of several ways.

Usage: proxy.py MODE LISTEN-PORT STORE-PORT COUNT-FILE

ambiguous   loses the answer to nearly every write that asks for a name to be free, or for what lies there
            to be what was seen: the store has made the object, and the writer hears 503, 400 or nothing,
            or waits until it gives up
check-then-write  looks whether the name is free, and then writes whatever came between
blind       ignores the condition
forgetful   acknowledges every fifth write and keeps nothing of it

COUNT-FILE holds how many answers were lost, or conditions broken.
"""

import http.client
import itertools
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE, LISTEN, STORE, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
# What happens to conditional writes, in turn. `pass` is an answer that arrives.
TURNS = itertools.cycle(
    ["503", "drop", "503", "drop", "400", "503", "drop", "refused", "503", "pass", "drop", "500"] * 4
    + ["wait"]
)
lock = threading.Lock()
counted = 0


def count():
    global counted
    with lock:
        counted += 1
        with open(COUNT, "w") as file:
            file.write(str(counted))


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self, method, headers, body):
        store = http.client.HTTPConnection("127.0.0.1", STORE, timeout=60)
        store.putrequest(method, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in HOP:
                store.putheader(name, value)
        store.putheader("Host", self.headers["Host"])
        # Without a type the store may take the body for a form.
        if not any(name.lower() == "content-type" for name, _ in headers):
            store.putheader("Content-Type", "application/octet-stream")
        store.putheader("Content-Length", str(len(body)))
        store.endheaders(body)
        answer = store.getresponse()
        content = answer.read()
        store.close()
        return answer, content

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = len(content)
        if self.command == "HEAD":
            length = next((v for k, v in headers if k.lower() == "content-length"), 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def act(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = list(self.headers.items())
        is_conditional = self.command == "PUT" and self.headers.get("If-None-Match") == "*"
        if MODE == "ambiguous" and self.command == "PUT" and self.headers.get("If-Match"):
            is_conditional = True
        without = [(k, v) for k, v in headers if k.lower() != "if-none-match"]
        if not is_conditional:
            answer, content = self.forward(self.command, headers, body)
            return self.answer(answer.status, answer.getheaders(), content)
        if MODE == "check-then-write":
            there, _ = self.forward("HEAD", without, b"")
            time.sleep(0.01)
            if there.status == 200:
                return self.answer(412, [], b"<Error><Code>PreconditionFailed</Code></Error>")
            headers = without
            count()
        elif MODE == "blind":
            headers = without
            count()
        elif MODE == "forgetful":
            with lock:
                turn = next(TURNS)
            if turn == "400":
                count()
                return self.answer(200, [("ETag", '"0"')], b"")
        elif MODE == "ambiguous":
            with lock:
                turn = next(TURNS)
            if turn == "refused":
                return self.answer(503, [], b"")
            answer, content = self.forward(self.command, headers, body)
            if turn == "pass" or answer.status != 200:
                return self.answer(answer.status, answer.getheaders(), content)
            count()
            if turn == "drop":
                return self.drop()
            if turn == "wait":
                time.sleep(4)
                return self.drop()
            code = {"503": "SlowDown", "500": "InternalError", "400": "RequestTimeout"}[turn]
            return self.answer(int(turn), [], f"<Error><Code>{code}</Code></Error>".encode())
        answer, content = self.forward(self.command, headers, body)
        return self.answer(answer.status, answer.getheaders(), content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = act


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


Server(("127.0.0.1", LISTEN), Proxy).serve_forever()
