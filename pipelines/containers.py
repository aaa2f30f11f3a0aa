"""A source's files, whether it is a folder or a tar: names and contents, one after another."""

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.raw import Progress

# What Python's tar and compression readers raise on damaged input.
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)
_BLOCK = 1 << 20


class Member(NamedTuple):
    """A file of a container.

    Attributes:
        name: its path inside the container.
        size: its length in bytes.
        read: returns its content; of a tar's member, only until the next is asked for.
    """

    name: PurePosixPath
    size: int
    read: Callable[[], bytes]


class Folder:
    """A folder on disk. Links in it are followed: it is the user's own."""

    def __init__(self, path: Path):
        self.path = path

    def members(self) -> Iterator[Member]:
        """Yield the visible files in the order of their names.

        Raises:
            DataError: a folder cannot be read, a link leads nowhere or in a circle.
        """
        for entry in self._walk():
            if entry.is_file():
                path = Path(entry.path)
                yield Member(self._name(path), entry.stat().st_size, path.read_bytes)

    def folders(self) -> Iterator[PurePosixPath]:
        """Yield the visible folders, so that an empty one does not go unnoticed."""
        for entry in self._walk():
            if entry.is_dir():
                yield self._name(Path(entry.path))

    def sha256(self, progress: Progress) -> str:
        """Return the SHA-256 of the sorted names, lengths and contents of the files."""
        return digest_files(
            [(str(name), self.path / name) for name, _, _ in self.members()], progress
        )

    def _name(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self.path).as_posix())

    def _walk(self, *below: str) -> Iterator[os.DirEntry]:
        """Yield what lies in the last folder of `below`, and in the folders inside."""
        folder = below[-1] if below else self.path
        above = [os.path.realpath(one) for one in (self.path, *below)]
        # One folder's names at a time: all paths of ImageNet together take a gigabyte.
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
        for entry in entries:
            if _hidden(entry.name):
                continue
            if entry.is_symlink():
                check_link(Path(entry.path))
                target = os.path.realpath(entry.path)
                if any(Path(one).is_relative_to(target) for one in above):
                    raise DataError(
                        f"{entry.path} is a link to {target}, a folder that it lies in itself. "
                        "Remove the link."
                    )
            yield entry
            if entry.is_dir():
                yield from self._walk(*below, entry.path)


class Tar:
    """A tar, compressed in any way that Python's `tarfile` reads."""

    def __init__(self, path: Path):
        self.path = path
        self._folders: set[PurePosixPath] = set()

    def members(self) -> Iterator[Member]:
        """Yield the visible files in the order of the archive.

        Raises:
            DataError: a member's path leaves the archive, or is a link or device.
            CorruptDataError: the archive is damaged or incomplete.
        """
        try:
            with tarfile.open(self.path, "r:*") as archive:
                for member, name in self._checked(archive, self.path):
                    yield Member(name, member.size, lambda m=member: self._read(archive, m))
                # tarfile stops at the end mark of the tar; the checksum of the
                # compressed stream comes after it.
                while archive.fileobj.read(_BLOCK):
                    pass
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def tars(self) -> Iterator[tuple[PurePosixPath, Iterator[Member]]]:
        """Yield the name and the files of each tar that lies inside this one.

        Raises:
            DataError, CorruptDataError: as `members`, of this tar or of one inside.
        """
        try:
            with tarfile.open(self.path, "r:") as archive:
                for member, name in self._checked(archive, self.path):
                    yield name, self._inside(archive.extractfile(member), name)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def folders(self) -> Iterator[PurePosixPath]:
        """Yield the folders met by the last pass of `members`."""
        yield from sorted(self._folders)

    def sha256(self, progress: Progress) -> str:
        """Return the SHA-256 of the archive's bytes."""
        digest = hashlib.sha256()
        _digest(digest, self.path, 0, self.path.stat().st_size, progress)
        return digest.hexdigest()

    def _inside(self, file: IO[bytes], tar: PurePosixPath) -> Iterator[Member]:
        try:
            with tarfile.open(fileobj=file, mode="r:") as inner:
                for member, name in self._checked(inner, f"{self.path}: {tar}"):
                    yield Member(name, member.size, lambda m=member: self._read(inner, m))
        except _DAMAGE as error:
            raise self._damaged(f"{tar}: {error}") from error

    def _checked(
        self, archive: tarfile.TarFile, place: object
    ) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
        """Yield the visible files, after a look at every member."""
        while (member := archive.next()) is not None:
            # tarfile remembers every member, a kilobyte each.
            archive.members.clear()
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or "\\" in member.name:
                raise DataError(
                    f"{place}: the member {member.name!r} leads out of the archive. "
                    "Such an archive is not read; pack the folder again with `tar -cf`."
                )
            if not (member.isfile() or member.isdir()):
                raise DataError(
                    f"{place}: the member {member.name!r} is a link or a device. "
                    "Only files and folders are read; pack it again with `tar --dereference -cf`."
                )
            if member.isdir():
                self._folders.add(name)
            elif not any(map(_hidden, name.parts)):
                yield member, name

    def _read(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        try:
            content = archive.extractfile(member).read()
        except _DAMAGE as error:
            raise self._damaged(error) from error
        if len(content) != member.size:
            raise self._damaged(f"{member.name} ends after {len(content)} of {member.size} bytes")
        return content

    def _damaged(self, reason: object) -> CorruptDataError:
        return CorruptDataError(
            f"{self.path} is damaged or incomplete ({reason}). Copy or download it again."
        )


def open_container(path: Path) -> Folder | Tar:
    """Return `path` as a folder or tar, recognised by what it is and not by its name.

    Raises:
        DataError: it does not exist, or is neither.
        CorruptDataError: it begins like a compressed tar and cannot be read.
    """
    start = _first_bytes(path)
    if start is None:
        return Folder(path)
    try:
        with tarfile.open(path, "r:*"):
            return Tar(path)
    except _DAMAGE as error:
        if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
            raise CorruptDataError(
                f"{path} begins like a compressed tar and cannot be read as one: it is "
                "damaged or incomplete. Copy or download it again."
            ) from error
        hint = " Unpack the zip file and give the folder." if start.startswith(b"PK") else ""
        raise DataError(f"The source {path} is neither a folder nor a tar.{hint}") from error


def check_link(path: Path) -> None:
    """Refuse a link that leads nowhere.

    Raises:
        DataError: `path` is such a link.
    """
    if not path.is_symlink():
        return
    try:
        path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        fault = "does not exist" if missing else f"cannot be read: {error.strerror}"
        raise DataError(
            f"{path} is a link to {path.readlink()}, which {fault}. Mend the link or remove it."
        ) from error


def digest_files(files: Iterable[tuple[str, Path]], progress: Progress) -> str:
    """Return the SHA-256 of the names, lengths and contents of `files`, in their order."""
    files = [(name, path, path.stat().st_size) for name, path in files]
    total = sum(size for _, _, size in files)
    digest, done = hashlib.sha256(), 0
    for name, path, size in files:
        digest.update(f"{name}\0{size}\0".encode())
        _digest(digest, path, done, total, progress)
        done += size
    return digest.hexdigest()


def _digest(digest, path: Path, done: int, total: int, progress: Progress) -> None:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                done += len(block)
                progress(done >> 20, total >> 20, "taking the fingerprint of the source, in MiB")
    except OSError as error:
        raise DataError(f"The source {path} cannot be read: {error.strerror}.") from error


def _first_bytes(path: Path) -> bytes | None:
    """Return the beginning of a file, or None for a folder."""
    try:
        if path.is_dir():
            return None
        with path.open("rb") as file:
            return file.read(6)
    except OSError as error:
        raise DataError(f"The source {path} cannot be read: {error.strerror}.") from error


def _hidden(part: str) -> bool:
    # .DS_Store, ._airplane.png and the like, which file managers leave behind.
    return part.startswith(".") or part == "__MACOSX"
