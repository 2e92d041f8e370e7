"""A real S3 server on loopback, behind a proxy that counts what is asked and may do things in between."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.fakes.envoy import free_port

KEY, SECRET = "key", "secret"
START_SECONDS = 60


@dataclass(frozen=True)
class Asked:
    """One request as the store got it."""

    method: str
    path: str
    headers: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class ObjectStore:
    """`direct`: past the proxy, for what a test needs to be there. `asked`: all requests since the last `forget`; `before` is called with each before it is passed on."""

    url: str
    direct: str
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[Asked], None] = lambda asked: None

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def count(self, method: str) -> int:
        return sum(asked.method == method for asked in self.asked)

    def forget(self) -> None:
        self.asked.clear()
        self.before = lambda asked: None


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Started with one bucket, `bucket`."""
    port = free_port()
    process = _weed(folder, port)
    store = ObjectStore("", f"http://127.0.0.1:{port}")
    proxy = _proxy(store, port)
    store.url = f"http://127.0.0.1:{proxy.server_address[1]}"
    try:
        _await(process, port, folder)
        yield store
    finally:
        proxy.shutdown()
        proxy.server_close()
        process.kill()  # nothing of it is needed again, and its own end takes half a minute
        process.wait()


def _weed(folder: Path, port: int) -> subprocess.Popen[bytes]:
    identity = {
        "name": "test",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    ports = {name: free_port() for name in ("master", "volume", "filer")}
    grpc = {f"{name}.port.grpc": free_port() for name in (*ports, "s3")}
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.port": port,
        "s3.config": folder / "s3.json",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 20,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": folder / "s3.sock",
        **{f"{name}.port": number for name, number in ports.items()},
        **grpc,
    }
    program = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    command = [program, "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            if _bucket_made(port):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text()[-3000:])


def _bucket_made(port: int) -> bool:
    import pyarrow.fs as pafs

    files = pafs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{port}",
        scheme="http",
        access_key=KEY,
        secret_key=SECRET,
        region="us-east-1",
        allow_bucket_creation=True,
    )
    files.create_dir("bucket")
    with files.open_output_stream("bucket/ready") as stream:
        stream.write(b"yes")
    files.delete_file("bucket/ready")
    return True


def _proxy(store: ObjectStore, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            store.asked.append(asked)
            store.before(asked)
            connection = http.client.HTTPConnection("127.0.0.1", port)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                self._pass_on(answer, answer.read())
            finally:
                connection.close()

        def _pass_on(self, answer: http.client.HTTPResponse, data: bytes) -> None:
            self.send_response_only(answer.status)
            hop = ("content-length", "transfer-encoding", "connection")
            for name, value in answer.getheaders():
                if name.lower() not in hop:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815 names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
