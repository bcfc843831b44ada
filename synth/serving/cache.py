"""The response cache: what a model answered once is not paid for twice.

One SQLite file serves every run on the machine. It may hold answers that the PHI check rejected later, so only its
owner can read it, it never lies in a run directory, and nothing of it is published. It belongs on a local disk: the
write-ahead log does not work over a network file system that several hosts write to (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from pydantic_core import to_json

from synth.errors import UserError
from synth.records import JsonObject, Usage
from synth.serving.replies import Reply

_VERSION = 1
"""Of the table; kept in ``PRAGMA user_version``."""
_TABLE = "CREATE TABLE replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL)"
_BATCH = 256
"""Replies that are written without waiting for the time to come; one transaction takes at most four times as many."""
_MOST_WAITING = 10_000
"""Replies kept in memory; further ones are not kept at all until the disk has caught up."""
_EVERY_S = 0.5
"""Longest time that a reply is kept in memory alone; what a kill -9 can lose."""
_SPARE = 256 * 1024 * 1024
"""Bytes that are left free on the disk, so that the cache never takes the last ones from a run."""
_PATIENCE_S = 5.0
"""How long another process may keep the file locked while it is opened or written."""
_READ_PATIENCE_S = 0.1
"""How long it may keep this process waiting for one reply."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def request_key(body: JsonObject, model: str, revision: str | None) -> bytes:
    """Return the SHA-256, 32 bytes, of all that decides an answer: the whole request body and the model behind it.

    The order of keys counts, because a server that constrains decoding writes an object's properties in the order in
    which the schema names them.
    """
    parts = [model, revision, body]
    try:
        text = to_json(parts)
    except ValueError:
        text = json.dumps(parts).encode()  # a lone surrogate, which UTF-8 has no place for
    return hashlib.sha256(text).digest()


def default_cache_path() -> Path:
    """Return ``$NOTEWRIGHT_CACHE``, else ``notewright/responses.sqlite`` in the user's cache folder.

    That folder is ``$XDG_CACHE_HOME`` where it is an absolute path (XDG Base Directory Specification 0.8), else
    ``~/.cache``.
    """
    if own := os.environ.get("NOTEWRIGHT_CACHE"):
        return Path(own)
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not caches.is_absolute():
        try:
            caches = Path.home() / ".cache"
        except RuntimeError:
            caches = Path("/.cache")  # an account without a home; as a container does that sets HOME to /
    return caches / "notewright" / "responses.sqlite"


def default_kept_path() -> Path | None:
    """Return the folder ``phi-recall`` beside the cache; None where the cache's path is no file, such as
    ``/dev/null``."""
    cache = default_cache_path()
    return cache.with_name("phi-recall") if cache.is_file() or not cache.exists() else None


def folder_revision(model_folder: Path) -> str:
    """Return what stands for the revision of a model in a local folder, for the cache's key alone.

    It is the SHA-256, hexadecimal, of the relative name, the size in bytes and the modification time in nanoseconds of
    every file: weights are too big to hash their content. A copy of the folder counts as another revision, and a
    file changed in place with its size and time kept is not noticed. Raises UserError where the folder cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if not model_folder.is_dir():
            raise UserError(f"{model_folder} is no folder of a model; check --teacher")
        for file in sorted(model_folder.rglob("*")):
            if file.is_file():
                status = file.stat()
                line = [file.relative_to(model_folder).as_posix(), status.st_size, status.st_mtime_ns]
                digest.update(json.dumps(line).encode() + b"\n")
    except OSError as error:
        raise UserError(f"cannot read {error.filename or model_folder}: {error.strerror}") from error
    return digest.hexdigest()


class ResponseCache:
    """Replies by request key; for one event loop, with any number of processes at the same file.

    It never stops a run: at the first failure it says one line and from then on knows nothing and keeps nothing.
    Replies are written by a thread of its own, so that neither the disk nor another process keeps the loop waiting.
    """

    def __init__(self, path: Path, notify: Callable[[str], None]) -> None:
        """Open the file, or make it with mode 0600 in a folder with mode 0700.

        ``notify`` is told, in the caller's thread, why the cache is off.
        """
        self.hits = 0
        self.misses = 0
        self._path = path
        self._notify = notify
        self._reader: sqlite3.Connection | None = None
        self._waiting: dict[bytes, Reply] = {}
        """Put, and not yet given to the thread."""
        self._written: dict[bytes, Reply] = {}
        """Given to the thread, and perhaps not yet in the file."""
        self._fault: str | None = None
        """Why the thread ended; set by it, told by the caller's thread."""
        self._closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._keep_writing, name="response-cache", daemon=True)
        try:
            self._reader = _open(path, _PATIENCE_S)
            self._reader.execute(f"PRAGMA busy_timeout = {int(_READ_PATIENCE_S * 1000)}")
        except (OSError, sqlite3.Error) as error:
            self._turn_off(_why(error))
        else:
            self._thread.start()

    def get(self, key: bytes) -> Reply | None:
        """Return the reply that was kept under a key; None where there is none, or the cache is off."""
        reply = self._find(key)
        if reply is None:
            self.misses += 1
        else:
            self.hits += 1
        return reply

    def put(self, key: bytes, reply: Reply) -> None:
        """Keep a reply; where the file has one under the same key, that one stays."""
        if self._reader is None:
            return
        if self._fault is not None:
            self._turn_off(self._fault)
            return
        with self._wake:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting[key] = reply
            if len(self._waiting) >= _BATCH:
                self._wake.notify()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        if self._reader is not None and self._fault is not None:
            self._turn_off(self._fault)
        self._close_reader()

    def _find(self, key: bytes) -> Reply | None:
        if self._reader is None:
            return None
        if self._fault is not None:
            self._turn_off(self._fault)
            return None
        with self._wake:
            fresh = self._waiting.get(key) or self._written.get(key)
        if fresh is not None:
            return fresh
        try:
            rows = self._reader.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchall()
            return _unpack(key, rows[0][0]) if rows else None
        except (sqlite3.Error, zlib.error, ValueError, TypeError) as error:
            self._turn_off(_why(error))
            return None

    def _turn_off(self, why: str) -> None:
        """Tell why, once, and forget the rest."""
        self._close_reader()
        with self._wake:
            self._closing = True
            self._waiting.clear()
            self._wake.notify()
        self._notify(f"the response cache {self._path} is off: {why}; the run goes on without it")

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _keep_writing(self) -> None:
        """Write batches until the cache is closed or a write fails; runs in the thread."""
        try:
            connection = _open(self._path, _PATIENCE_S)
            try:
                while self._take_batch():
                    if shutil.disk_usage(self._path.parent).free < _SPARE:
                        raise OSError(0, f"its disk has less than {_SPARE // 2**20} MiB left")
                    if self._written:
                        _insert(connection, self._written)
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            self._fault = _why(error)

    def _take_batch(self) -> bool:
        """Wait for a full batch, for the time, or for the end; return whether there may be something to write."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or len(self._waiting) >= _BATCH, timeout=_EVERY_S)
            self._written = dict(islice(self._waiting.items(), 4 * _BATCH))
            for key in self._written:
                del self._waiting[key]
            return bool(self._written) or not self._closing


def _open(path: Path, patience: float) -> sqlite3.Connection:
    """Return a connection to the cache, which is made where there is none.

    Several processes may do so at once. Switching to the write-ahead log does not wait for a lock whatever the time-out
    says, so it is tried again. Raises OSError, sqlite3.Error.
    """
    _make_private(path)
    end = time.monotonic() + patience
    while True:
        # None leaves transactions to this module; the thread's connection is closed by the thread.
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
        try:
            _prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return connection


def _make_private(path: Path) -> None:
    """Create the folder and the file for their owner alone; leave what exists as it is.

    A file that exists must not even be opened: closing it would drop every lock that SQLite holds on it in this process
    (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise OSError(0, "it is not a file", str(path)) from None


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table in a new file; sqlite3.DatabaseError where the file is of another version, or not a cache.

    Nothing is written to a file before it is known to be a cache.
    """
    if _version(connection) == 0:
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection) == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]:
                raise sqlite3.DatabaseError("it is a database of something else")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    if (found := _version(connection)) != _VERSION:
        raise sqlite3.DatabaseError(f"it has version {found}, not {_VERSION}")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchall()[0][0])


def _insert(connection: sqlite3.Connection, replies: dict[bytes, Reply]) -> None:
    """Write replies in one transaction. Raises OSError, sqlite3.Error."""
    rows = [(key, _pack(key, reply)) for key, reply in replies.items()]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?)", rows)
    connection.execute("COMMIT")


def _pack(key: bytes, reply: Reply) -> bytes:
    """Return a reply as bytes: JSON, deflated.

    Deflating makes it smaller, and its check sum and the key notice a damaged page, which SQLite itself does not.
    """
    fields = [key.hex(), reply.text, reply.finish_reason, reply.usage.prompt_tokens, reply.usage.completion_tokens]
    return zlib.compress(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)


def _unpack(key: bytes, packed: bytes) -> Reply:
    """Return the reply; zlib.error, ValueError or TypeError where the bytes are damaged, or belong to another key."""
    fields: object = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
    match fields:
        case [own, str(text), str(finish_reason), int(prompt), int(completion)] if own == key.hex():
            return Reply(text, finish_reason, Usage(prompt_tokens=prompt, completion_tokens=completion))
    raise ValueError("it is damaged")


def _why(error: Exception) -> str:
    """Return what went wrong in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is damaged" if isinstance(error, zlib.error | TypeError | UnicodeDecodeError) else str(error)
