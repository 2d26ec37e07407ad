"""Faults by dice, of every kind a network and a server know, for a snapshot of SIZE bytes that is fetched in parts of PART."""

import random
import threading

from sources.faults import Fault

KIB = 1024
PART = 64 * KIB
SIZE = 1_200_000
ERRORS = ["SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "AccessDenied", "NoSuchKey", "ExpiredToken"]


def any_byte_fault(dice, size):
    at = dice.randrange(size) if dice.random() < 0.8 else dice.randrange(min(size, 600))
    kind = dice.choices(["reset", "cut", "flip", "stall", "trickle"], [4, 3, 2, 1, 1])[0]
    return Fault(kind, at=at, bit=dice.randrange(8), whole=dice.random() < 0.3, seconds=dice.uniform(0.001, 0.02))


def any_range(dice, asked):
    first, last = asked
    last = SIZE - 1 if last is None else last
    return dice.choice([
        f"bytes {first + 1}-{last + 1}/{SIZE}", f"bytes {first}-{last}/{SIZE + 1}", f"bytes {first}-{max(first, last - 1)}/{SIZE}",
        f"bytes {last}-{first}/{SIZE}", f"bytes */{SIZE}", f"bytes {first}-{last}/*", "bytes 0-0/1", "nonsense", "",
        f"bytes {first}-{last}/{2**64}", f"bytes -{first}-{last}/{SIZE}", f"items {first}-{last}/{SIZE}"])


def any_header(dice, request):
    length = dice.choice([0, 1, PART - 1, 2**63, 2**64, -1])
    return dice.choice([
        {"ETag": '"0123456789abcdef0123456789abcdef"'}, {"ETag": None}, {"Content-Encoding": "gzip"},
        {"Transfer-Encoding": "chunked"}, {"Date": "Thu, 01 Jan 1970 00:00:01 GMT"}, {"Date": None},
        {"Content-Type": "text/html"}, {"Last-Modified": "Thu, 01 Jan 1970 00:00:01 GMT"},
        {"Content-Length": length} if length < PART else {"Content-Length": None}, {"Content-Range": None},
        {"Content-Range": any_range(dice, request.range or (0, None))}])


def any_answer(dice, size):
    code = dice.choice(ERRORS)
    text = f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>not now</Message></Error>"
    bodies = [b"", text.encode(), b"<html>portal</html>", bytes(size), b"\x1f\x8b\x08 no", dice.randbytes(size)]
    status = dice.choices([500, 502, 503, 504, 429, 408, 400, 403, 404, 412, 416, 200, 204, 206, 304],
                          [6, 4, 9, 4, 5, 3, 1, 1, 1, 1, 1, 3, 1, 3, 1])[0]
    headers = {"Content-Type": "application/xml"}
    if dice.random() < 0.2:
        headers["Retry-After"] = dice.choice(["0", "1", "soon", "-5"])
    return Fault("status", status=status, headers=headers, body=b"" if status in (204, 304) else dice.choice(bodies))


def any_fault(dice, request, raw):
    if raw:
        return any_byte_fault(dice, SIZE)
    first, last = request.range or (0, SIZE - 1)
    size = min(SIZE - 1 if last is None else last, SIZE) - first + 1
    size = max(1, min(size, SIZE))
    kind = dice.choices(["bytes", "answer", "header", "whole", "loop", "shorter", "extra"], [10, 6, 4, 1, 1, 1, 1])[0]
    if kind == "bytes":
        return any_byte_fault(dice, size)
    if kind == "answer":
        return any_answer(dice, min(size, PART))
    if kind == "header":
        return Fault("header", headers=any_header(dice, request))
    if kind == "loop":
        return Fault("loop", status=dice.choice([301, 302, 307, 308]))
    return Fault(kind, at=dice.randrange(size), body=dice.randbytes(100))


def any_plan(seed, raw):
    dice, lock = random.Random(seed), threading.Lock()
    often = dice.choice([0.05, 0.15, 0.3, 0.6])

    def plan(request):
        with lock:
            return any_fault(dice, request, raw) if dice.random() < often or (raw and request.index == 0) else None
    return plan
