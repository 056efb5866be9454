"""Two object stores on this machine, looked at through their own clients and not through Beam."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import boto3
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage


class Client(Protocol):
    """What the tests ask of a store."""

    def make(self, bucket: str) -> None: ...

    def put(self, bucket: str, name: str, data: bytes) -> None: ...

    def get(self, bucket: str, name: str) -> bytes: ...

    def delete(self, bucket: str, name: str) -> None: ...

    def names(self, bucket: str) -> set[str]: ...


class GoogleClient:
    def __init__(self, endpoint: str) -> None:
        options = {"api_endpoint": endpoint}
        self._client = storage.Client("project", AnonymousCredentials(), client_options=options)

    def make(self, bucket: str) -> None:
        self._client.create_bucket(bucket)

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self._client.bucket(bucket).blob(name).upload_from_string(data)

    def get(self, bucket: str, name: str) -> bytes:
        return bytes(self._client.bucket(bucket).blob(name).download_as_bytes())

    def delete(self, bucket: str, name: str) -> None:
        self._client.bucket(bucket).blob(name).delete()

    def names(self, bucket: str) -> set[str]:
        return {blob.name for blob in self._client.list_blobs(bucket)}


class AmazonClient:
    def __init__(self, endpoint: str) -> None:
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)

    def make(self, bucket: str) -> None:
        self._client.create_bucket(Bucket=bucket)

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self._client.put_object(Bucket=bucket, Key=name, Body=data)

    def get(self, bucket: str, name: str) -> bytes:
        return bytes(self._client.get_object(Bucket=bucket, Key=name)["Body"].read())

    def delete(self, bucket: str, name: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=name)

    def names(self, bucket: str) -> set[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", ())}

    def forbid(self, bucket: str, prefix: str, *actions: str) -> None:
        """Let no one do this with objects whose names begin so."""
        rule = {"Effect": "Deny", "Principal": "*", "Action": [f"s3:{name}" for name in actions]}
        rule["Resource"] = f"arn:aws:s3:::{bucket}/{prefix}*"
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
        self._client.put_bucket_policy(Bucket=bucket, Policy=policy)


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test.

    Attributes:
        flags: what a job needs besides the URL.
    """

    scheme: str
    name: str
    client: Client
    flags: tuple[str, ...]

    def url(self, path: str = "") -> str:
        return f"{self.scheme}://{self.name}/{path}"

    def put(self, path: str, data: bytes) -> str:
        self.client.put(self.name, path, data)
        return self.url(path)

    def get(self, path: str) -> bytes:
        return self.client.get(self.name, path)

    def delete(self, path: str) -> None:
        self.client.delete(self.name, path)

    def upload(self, folder: Path, path: str) -> str:
        """All files of a folder, and the URL of what is then a folder there."""
        for file in filter(Path.is_file, folder.rglob("*")):
            self.put(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        return self.url(path)

    def names(self, path: str = "") -> set[str]:
        """What is in a folder and below it."""
        prefix = f"{path}/" if path else ""
        found = self.client.names(self.name)
        return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}

    def snapshot(self, path: str = "") -> dict[str, bytes]:
        prefix = f"{path}/" if path else ""
        return {name: self.get(prefix + name) for name in self.names(path)}

    def download(self, path: str, folder: Path) -> Path:
        """A folder as a local one, with a manifest that names the local files.

        Objects that only stand for folders are left out.
        """
        for name, data in self.snapshot(path).items():
            if not name or name.endswith("/"):
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        manifest = folder / "_manifest.json"
        if manifest.exists():
            here, there = (
                json.dumps(place, ensure_ascii=False)[:-1]
                for place in (str(folder), self.url(path))
            )
            manifest.write_text(manifest.read_text().replace(there, here))
        return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(module: str, *arguments: str) -> Iterator[str]:
    """A server in a process of its own, by the name of its module; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", module, *arguments, f"--port={port}"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=plain_environment()
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def plain_environment() -> dict[str, str]:
    """This one's without what leads to a proxy, to a cloud, or to an account in one."""
    words = ("proxy", "aws_", "google_", "gce_", "storage_emulator", "cloudsdk")
    return {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.lower() for word in words)
    }


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)
