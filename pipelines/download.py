"""Downloading a dataset's archive through TFDS, after a look whether the host answers."""

import urllib.error
import urllib.request
from pathlib import Path

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.containers import Tar
from bnkeras.pipelines.prepared import prepare_command
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.registry import DatasetSpec
from bnkeras.pipelines.sources import KINDS

_PATIENCE = 5  # seconds


def download(spec: DatasetSpec, folder: Path, progress: Progress) -> Path:
    """Return the archive of `spec` in `folder`, downloaded if it is not there yet.

    The archive alone is fetched, not TFDS' own prepared form of it, so that a
    downloaded and a given file take one way and have one fingerprint.

    Raises:
        DataError: the host cannot be reached, or the download fails.
        CorruptDataError: what came is not the known file.
    """
    known = spec.download
    # TFDS names the file after its address and checksum, and puts it here when complete.
    if not any(folder.glob("*.tar.gz")):
        _check_reachable(spec, folder)
        progress(0, None, f"downloading {known.bytes / 1e6:,.0f} MB from {known.url}")
    path = _fetch(spec, folder)
    if Tar(path).sha256(progress) != known.sha256:
        path.unlink()
        raise CorruptDataError(
            f"The file downloaded from {known.url} was damaged since, and is deleted. "
            f"Run the same command again."
        )
    return path


def ask(url: str) -> None:
    """Ask a host whether it has `url`, through the proxies of the environment, as TFDS goes.

    Raises:
        urllib.error.HTTPError: it answers no.
        OSError: it does not answer within some seconds.
    """
    request = urllib.request.Request(url, method="HEAD")
    # Not `urlopen`: it keeps the proxies of its first call in the process.
    urllib.request.build_opener().open(request, timeout=_PATIENCE).close()


def _fetch(spec: DatasetSpec, folder: Path) -> Path:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.checksums import UrlInfo
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    known = spec.download
    tfds.disable_progress_bar()
    manager = tfds.download.DownloadManager(
        download_dir=folder,
        url_infos={
            known.url: UrlInfo(size=known.bytes, checksum=known.sha256, filename=known.filename)
        },
        force_checksums_validation=True,
    )
    try:
        return Path(manager.download(known.url))
    except NonMatchingChecksumError as error:
        raise CorruptDataError(
            f"What {known.url} sent is not the file with the SHA-256 {known.sha256}."
            f"{_remedy(spec, folder)}"
        ) from error
    except Exception as error:  # of requests, urllib3 or TFDS; all mean the same here
        raise DataError(
            f"{known.url} cannot be downloaded ({error}).{_remedy(spec, folder)}"
        ) from error


def _check_reachable(spec: DatasetSpec, folder: Path) -> None:
    # TFDS itself retries for 204 seconds before it gives up.
    url = spec.download.url
    try:
        ask(url)
    except urllib.error.HTTPError as error:
        raise DataError(
            f"{spec.name} cannot be downloaded: {url} answers {error.code} {error.reason}."
            f"{_remedy(spec, folder)}"
        ) from error
    except OSError as error:
        raise DataError(
            f"{spec.name} cannot be downloaded: {url} does not answer "
            f"({getattr(error, 'reason', error)}).{_remedy(spec, folder)}"
        ) from error


def _remedy(spec: DatasetSpec, folder: Path) -> str:
    kinds = "".join(f"\n  - {kind}" for kind in KINDS)
    command = prepare_command(spec, folder.parents[1])
    return f"\nGive a source that you have instead:\n  {command}\nwhere PATH is{kinds}"
