"""Records that lie in a file until they are asked for, so that memory does not grow with their number."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

from synth.errors import UserError
from synth.records import Record

R = TypeVar("R", bound=Record)


class Spool(Sequence[R], Generic[R]):
    """A sequence of records of one kind in a temporary file, which goes when the sequence does.

    Eight bytes a record stay in memory, and the fields that are to be ``kept``. A slice is a list, but for the whole,
    which is the sequence itself.
    """

    def __init__(self, kind: type[R], records: Iterable[R] = (), kept: Sequence[str] = ()) -> None:
        """Raises UserError where the temporary file cannot be written."""
        self._kind = kind
        self.kept: dict[str, list[object]] = {name: [] for name in kept}
        """Field → its values, in order."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the sequence
        self._ends = array("q", [0])
        self.extend(records)

    def extend(self, records: Iterable[R]) -> None:
        """Add records; UserError where they cannot be written."""
        self.extend_lines(
            (record.model_dump_json().encode(), {name: getattr(record, name) for name in self.kept})
            for record in records
        )

    def extend_lines(self, given: Iterable[tuple[bytes, Mapping[str, object]]]) -> None:
        """Add records as JSON, each with its fields that are kept; they are checked when they are asked for.

        Raises UserError where they cannot be written.
        """
        try:
            self._file.seek(self._ends[-1])
            for data, fields in given:
                self._file.write(data)
                self._ends.append(self._ends[-1] + len(data))
                for name, values in self.kept.items():
                    values.append(fields[name])
            self._file.flush()
        except OSError as error:
            raise UserError(f"{tempfile.gettempdir()}: cannot be written: {error.strerror}") from error

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            return self if chosen == range(len(self)) else [self._at(i) for i in chosen]
        return self._at(range(len(self))[index])

    def __iter__(self) -> Iterator[R]:
        return (self._at(i) for i in range(len(self)))

    def line(self, i: int) -> bytes:
        """Return a record as JSON."""
        start = self._ends[i]
        self._file.seek(start)
        return self._file.read(self._ends[i + 1] - start)

    def _at(self, i: int) -> R:
        return self._kind.model_validate_json(self.line(i))


def lines(records: Sequence[Record], rows: Iterable[int]) -> list[bytes]:
    """Return some records of a sequence as JSON; those in a spool are not read for it."""
    if isinstance(records, Spool):
        return [records.line(i) for i in rows]
    return [records[i].model_dump_json().encode() for i in rows]


def line_of(records: Sequence[Record], i: int) -> bytes:
    """Return one record of a sequence as JSON."""
    return lines(records, (i,))[0]


def values_of(records: Sequence[Record], field: str) -> list[object]:
    """Return one field of every record; a spool that has kept it is not read for it."""
    if isinstance(records, Spool) and field in records.kept:
        return list(records.kept[field])
    return [getattr(record, field) for record in records]
