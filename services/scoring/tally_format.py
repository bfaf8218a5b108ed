"""How a tally lies in its store, by version; an older version is brought up to this one when it is opened.

1   an answer's contribution has four bytes a segment, and 255 where it has no score
2   two bytes a segment where they suffice, and room for whose answer it is
"""

from __future__ import annotations

import struct
from array import array
from itertools import islice
from typing import Final

from services.chassis.failures import Halt
from services.scoring.store import Store
from services.scoring.tally import ANSWER, Codes, Contribution

FORMAT: Final = b"2"
OFFSET_KEY: Final = b"o"

AT_ONCE: Final = 5_000

_FIRST: Final = b"1"
_ANSWER_IN_FIRST: Final = b"a"
_HEAD_IN_FIRST: Final = struct.Struct(">Q8siB")
_NO_SCORE_IN_FIRST: Final = 255


def check_format(store: Store) -> None:
    """Whether this program can read a store; one of an older format is rewritten. Killed meanwhile, it goes on later.

    Raises:
        Halt: if a later version wrote it.
    """
    (meta,) = store.get_many([OFFSET_KEY])
    if meta is None or meta[:1] == FORMAT:
        return
    if meta[:1] != _FIRST:
        raise Halt(f"the tally is of format {meta[:1]!r}, this program writes {FORMAT!r}: remove its folder")
    while run := list(islice(store.scan(_ANSWER_IN_FIRST), AT_ONCE)):
        store.write({ANSWER + key[1:]: _from_first(value) for key, value in run}, [key for key, _ in run])
    store.write({OFFSET_KEY: FORMAT + meta[1:]})


def _from_first(content: bytes) -> bytes:
    revision, digest, bucket, score = _HEAD_IN_FIRST.unpack_from(content)
    codes = array("I")
    codes.frombytes(content[_HEAD_IN_FIRST.size :])
    segments = Codes.of(tuple(codes))
    return Contribution(revision, digest, bucket, None if score == _NO_SCORE_IN_FIRST else score, segments).packed()
