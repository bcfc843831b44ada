"""Fits the tagger of identifiers: ``make phi-tagger``.

    python tools/phi/tagger.py

Fitted on ``tools/phi/documents.jsonl.gz`` (see the README beside it). Writes
``synth/checks/phi/lexicon/tagger.txt.gz``; the same documents give the same bytes. Needs scikit-learn.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tagger import context
from synth.checks.phi.units import BITS, Vocabulary

OUT = Path(__file__).resolve().parents[2] / "synth" / "checks" / "phi" / "lexicon" / "tagger.txt.gz"
DOCUMENTS = Path(__file__).resolve().parent / "documents.jsonl.gz"
_LEAST = 3
"""Documents' words in which a feature stands before it is one."""
_CONTEXT_DOCUMENTS = 4
_STRENGTH = 1.0
"""Inverse of the L1 penalty: of 0.1, 0.3, 1 and 3 the best on phi-dev, which is not among the documents."""


class Document(TypedDict):
    """A labelled document."""

    text: str
    spans: list[dict[str, int | str]]


def read() -> list[Document]:
    """Return the documents that hold identifiers; the tagger is asked only about such."""
    lines = gzip.decompress(DOCUMENTS.read_bytes()).decode().splitlines()
    documents: list[Document] = [json.loads(line) for line in lines]
    return [document for document in documents if document["spans"]]


def feature_words(documents: Sequence[Document]) -> frozenset[str]:
    """Return the words that may be features by themselves: known ones that stand in several documents."""
    counts: Counter[str] = Counter()
    vocabulary = Vocabulary(frozenset(), lambda _own: 0.0)
    for document in documents:
        if read := vocabulary.read(document["text"], 0, len(document["text"])):
            counts.update({read.known[number].form.lower for number in read.numbers})
    known = lexicon().known
    return frozenset(
        word for word, count in counts.items() if count >= _CONTEXT_DOCUMENTS and (word in known or word[0] == "#")
    )


def examples(documents: Sequence[Document], words: frozenset[str]) -> tuple[csr_matrix, NDArray[np.bool_]]:
    """Return the features of every word and number, one row each, and whether it is part of an identifier."""
    rows: list[int] = []
    places: list[int] = []
    labels: list[bool] = []
    vocabulary = Vocabulary(words, lambda _own: 0.0)
    for document in documents:
        text = document["text"]
        spans = [(int(span["start"]), int(span["end"])) for span in document["spans"]]
        read = vocabulary.read(text, 0, len(text))
        if read is None:
            continue
        around = context(read)
        for i, (first, last) in enumerate(zip(read.starts.tolist(), read.ends.tolist(), strict=True)):
            mine = {*read.known[read.numbers[i]].own, *around[:, i].tolist()}
            rows += [len(labels)] * len(mine)
            places += mine
            labels.append(any(start < last and first < end for start, end in spans))
    matrix = csr_matrix((np.ones(len(rows)), (rows, places)), shape=(len(labels), 1 << BITS))
    return matrix, np.array(labels)


def main() -> None:
    """Fit, and write the weights."""
    documents = read()
    words = feature_words(documents)
    matrix, labels = examples(documents, words)
    frequent = np.asarray((matrix > 0).sum(axis=0)).ravel() >= _LEAST
    columns = np.flatnonzero(frequent)
    model = LogisticRegression(C=_STRENGTH, l1_ratio=1.0, solver="liblinear", max_iter=1000, random_state=0)
    model.fit(matrix[:, columns], labels)
    weights = [(int(place), float(weight)) for place, weight in zip(columns, model.coef_[0], strict=True) if weight]
    lines = [f"bias\t{model.intercept_[0]:.4f}"]
    lines += [f"weight\t{place}\t{weight:.4f}" for place, weight in weights]
    lines += [f"word\t{word}" for word in sorted(words)]
    OUT.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    print(f"{len(documents)} documents, {labels.sum():,} of {len(labels):,} words, {len(weights):,} weights")


if __name__ == "__main__":
    main()
