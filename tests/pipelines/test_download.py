"""Downloading, from a server of our own."""

import hashlib
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import load_split, prepare
from bnkeras.pipelines.registry import Download

from .conftest import content


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.downloads += 1
        super().do_GET()


@pytest.fixture
def served(binary_archive, spec, tmp_path, monkeypatch):
    """The binary archive on a local server: (specification, server)."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    archive = binary_archive()
    handler = partial(_Handler, directory=str(archive.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.downloads = 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    download = Download(
        url=f"http://127.0.0.1:{server.server_port}/{archive.name}",
        bytes=archive.stat().st_size,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    yield replace(spec, download=download), server
    server.shutdown()
    server.server_close()
    thread.join()


def test_download(served, truth, tmp_path, capfd):
    spec, server = served
    prepared = prepare(spec, data_dir=tmp_path / "data")
    assert content(load_split(prepared, "train")) == truth["train"].counter()
    assert (prepared.source, prepared.sha256) == ("cifar-10-binary.tar.gz", spec.download.sha256)
    assert prepare(spec, data_dir=tmp_path / "data") == prepared
    assert server.downloads == 1
    assert capfd.readouterr().out == ""
    # The archive itself, given as a source, is the same dataset.
    archive = tmp_path / "cifar-10-binary.tar.gz"
    assert prepare(spec, archive, tmp_path / "data") == prepared


def test_archive_is_kept_and_checked(served, tmp_path):
    spec, server = served
    prepared = prepare(spec, data_dir=tmp_path / "data")
    (prepared.path / "dataset_info.json").unlink()
    prepare(spec, data_dir=tmp_path / "data")
    assert server.downloads == 1

    (prepared.path / "dataset_info.json").unlink()
    (kept,) = (tmp_path / "data" / "cifar10" / "downloads").glob("*.tar.gz")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptDataError, match="was damaged since, and is deleted"):
        prepare(spec, data_dir=tmp_path / "data")
    prepare(spec, data_dir=tmp_path / "data")
    assert server.downloads == 2


def test_another_file_than_the_known_one(served, tmp_path):
    spec, _ = served
    spec = replace(spec, download=replace(spec.download, sha256="0" * 64))
    with pytest.raises(CorruptDataError, match=r"is not the file with the SHA-256 0000"):
        prepare(spec, data_dir=tmp_path / "data")


def test_not_found(served, tmp_path):
    spec, _ = served
    spec = replace(spec, download=replace(spec.download, url=f"{spec.download.url}.gone"))
    with pytest.raises(DataError, match=r"\.gone answers 404"):
        prepare(spec, data_dir=tmp_path / "data")


def test_no_network(spec, tmp_path, monkeypatch):
    # Nothing listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(DataError) as caught:
        prepare(spec, data_dir=tmp_path / "data")
    assert time.perf_counter() - start < 6
    message = str(caught.value)
    assert "cifar-10-binary.tar.gz does not answer" in message
    assert "Connection refused" in message
    assert f"bnkeras data prepare cifar10 --source PATH --data-dir {tmp_path / 'data'}" in message
    assert "cifar-10-python.tar.gz" in message
    assert "train/CLASS/*.jpg" in message
