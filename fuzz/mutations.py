"""How a file that is as it should be becomes another: by its bytes, or by its JSON values."""

from __future__ import annotations

import json
import random
from typing import Any

_TOKENS = (
    *(b"-1", b"0", b"1e999", b"NaN", b"Infinity", b"null", b"true", b"99999999999999999999"),
    *(b"[[", b"{}", b'""', b"\xff\xfe", b"\0" * 8, b"\n", b",", b"=", b"/../"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e300, float("inf"), float("nan")),
    *("", "a", "-1", "é\udcff", "9" * 50, [], [[]], [1, "a"], {}, {"a": 1}),
)


def mutated_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return some bytes after a few edits."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        at = draw.randint(0, len(changed))
        match draw.randrange(6):
            case 0 | 1 if at < len(changed):
                changed[at] = draw.randrange(256)
            case 2:
                del changed[at : at + draw.choice((1, 2, 8, 100))]
            case 3:
                changed[at:at] = draw.randbytes(draw.choice((1, 2, 8)))
            case 4:
                changed[at:at] = draw.choice(_TOKENS)
            case _:
                changed[at:at] = changed[max(0, at - draw.choice((1, 4, 30, 300))) : at]
    if draw.random() < 0.2:
        del changed[draw.randint(0, len(changed)) :]
    return bytes(changed)


def mutated_json(document: Any, draw: random.Random) -> Any:
    """Return a JSON document in which a few values are others, or missing."""
    changed = json.loads(json.dumps(document))
    for _ in range(draw.randint(1, 3)):
        if not (isinstance(changed, dict | list) and changed):
            return draw.choice(_VALUES)
        holder, key = _place(changed, draw)
        match draw.randrange(4):
            case 0:
                del holder[key]
            case 1:
                other, name = _place(changed, draw)
                holder[key] = json.loads(json.dumps(other[name]))
            case _:
                holder[key] = draw.choice(_VALUES)
    return changed


def mutated_lines(content: bytes, draw: random.Random) -> bytes:
    """Return lines of JSON in one of which a few values are others."""
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    lines[at] = json.dumps(mutated_json(json.loads(lines[at]), draw)).encode()
    return b"\n".join(lines) + b"\n"


def _place(value: dict[str, Any] | list[Any], draw: random.Random) -> tuple[Any, Any]:
    """Return a container within a value, and one of its keys: those of long lists are not many."""
    key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    inner = value[key]
    if isinstance(inner, dict | list) and inner and draw.random() < 0.8:
        return _place(inner, draw)
    return value, key
