#!/usr/bin/env python3
"""Serves S3 by moto, one request at a time.

moto looks whether an object is there and then writes it, and nothing keeps another thread from doing so
between: with threads it is a store that lets two writers win now and then, which `doctor` finds.

Usage: serve_moto.py PORT
"""

import sys

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

run_simple(
    "127.0.0.1",
    int(sys.argv[1]),
    DomainDispatcherApplication(create_backend_app),
    threaded=False,
    request_handler=MotoRequestHandler,
)
