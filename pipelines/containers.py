"""A source's files, whether it is a folder or a tar: names and contents, one after another."""

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from bnkeras.errors import CorruptDataError, DataError

# What Python's tar and compression readers raise on damaged input.
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)
_BLOCK = 1 << 20

# (name inside the container, function that returns the content)
Member = tuple[PurePosixPath, Callable[[], bytes]]


class Folder:
    """A folder on disk."""

    def __init__(self, path: Path):
        self.path = path

    def members(self) -> Iterator[Member]:
        """Yield the visible files in the order of their names."""
        for path in sorted(self.path.rglob("*")):
            name = PurePosixPath(path.relative_to(self.path).as_posix())
            if not _hidden(name) and path.is_file():
                yield name, path.read_bytes

    def folders(self) -> Iterator[PurePosixPath]:
        """Yield the folders, so that an empty one does not go unnoticed."""
        for path in sorted(self.path.rglob("*")):
            if path.is_dir():
                yield PurePosixPath(path.relative_to(self.path).as_posix())

    def sha256(self) -> str:
        """Return the SHA-256 of the sorted names, lengths and contents of the files."""
        digest = hashlib.sha256()
        for name, read in self.members():
            content = read()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


class Tar:
    """A tar, compressed in any way that Python's `tarfile` reads."""

    def __init__(self, path: Path):
        self.path = path
        self._folders: set[PurePosixPath] = set()

    def members(self) -> Iterator[Member]:
        """Yield the visible files in the order of the archive.

        A content can be read only until the next member is asked for.

        Raises:
            DataError: a member's path leaves the archive, or is a link or device.
            CorruptDataError: the archive is damaged or incomplete.
        """
        try:
            with tarfile.open(self.path, "r:*") as archive:
                for member in archive:
                    name = self._checked(member)
                    if member.isdir():
                        self._folders.add(name)
                    elif not _hidden(name):
                        yield name, lambda member=member: self._read(archive, member)
                # tarfile stops at the end mark of the tar; the checksum of the
                # compressed stream comes after it.
                while archive.fileobj.read(_BLOCK):
                    pass
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def folders(self) -> Iterator[PurePosixPath]:
        """Yield the folders met by the last pass of `members`."""
        yield from sorted(self._folders)

    def sha256(self) -> str:
        """Return the SHA-256 of the archive's bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _checked(self, member: tarfile.TarInfo) -> PurePosixPath:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or "\\" in member.name:
            raise DataError(
                f"{self.path}: the member {member.name!r} leads out of the archive. "
                "Such an archive is not read; pack the folder again with `tar -cf`."
            )
        if not (member.isfile() or member.isdir()):
            raise DataError(
                f"{self.path}: the member {member.name!r} is a link or a device. "
                "Only files and folders are read; pack it again with `tar --dereference -cf`."
            )
        return name

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


def _first_bytes(path: Path) -> bytes | None:
    """Return the beginning of a file, or None for a folder."""
    try:
        if path.is_dir():
            return None
        with path.open("rb") as file:
            return file.read(6)
    except OSError as error:
        raise DataError(f"The source {path} cannot be read: {error.strerror}.") from error


def _hidden(name: PurePosixPath) -> bool:
    # .DS_Store, ._airplane.png and the like, which file managers leave behind.
    return any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
