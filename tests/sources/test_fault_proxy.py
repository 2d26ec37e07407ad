"""The fault proxy itself: that it does what it says, or what is tested with it would be tested with nothing."""

import http.client
import socket
import ssl
import threading
import time

import pytest

from net import authority
from sources.faults import Fault, Proxy

BODY = bytes(i * 7 % 251 for i in range(300_000))


@pytest.fixture
def origin():
    """A server of one object that knows ranges."""
    def answer(handler):
        asked = handler.headers.get("Range", "")
        if not asked:
            authority.say(handler, BODY, ETag='"e1"')
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = BODY[int(first):int(last or len(BODY)) + 1]
        authority.say(handler, part, 206, Content_Range=f"bytes {first}-{int(first) + len(part) - 1}/{len(BODY)}")
    server = authority.Server(answer)
    yield server
    server.close()


@pytest.fixture
def proxy(origin, request):
    made = []

    def make(*faults, raw=False):
        left = list(faults)
        lock = threading.Lock()

        def plan(_):
            with lock:
                return left.pop(0) if left else None
        made.append(Proxy("127.0.0.1", origin.port, plan, raw))
        return made[-1]
    yield make
    for one in made:
        one.close()


class Got:
    def __init__(self, proxy, headers=None, patience=60):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=patience)
        self.body, self.error, self.headers, self.status = b"", None, {}, 0
        began = time.monotonic()
        try:
            connection.request("GET", "/object", headers=headers or {})
            answer = connection.getresponse()
            self.status, self.headers = answer.status, dict(answer.getheaders())
            while piece := answer.read1(65536):
                self.body += piece
            if answer.length:
                self.error = "short"
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        self.seconds = time.monotonic() - began
        connection.close()


def test_without_a_fault_nothing_changes(proxy):
    for raw in (False, True):
        through = proxy(raw=raw)
        got = Got(through)
        assert (got.status, got.body, got.error) == (200, BODY, None)
        assert Got(through, {"Range": "bytes=10-19"}).body == BODY[10:20]
    assert through.requests[0].sent > len(BODY)


def test_connections_are_kept(proxy, origin):
    through = proxy()
    connection = http.client.HTTPConnection("127.0.0.1", through.port, timeout=60)
    for _ in range(3):
        connection.request("GET", "/object", headers={"Range": "bytes=0-9"})
        sock = connection.sock
        assert connection.getresponse().read() == BODY[:10]
        assert connection.sock is sock
    assert [r.range for r in through.requests] == [(0, 9)] * 3 and through.sent == 30


@pytest.mark.parametrize("at", [0, 1, 65536, 299_999])
@pytest.mark.parametrize("raw", [False, True])
def test_a_reset_comes_after_exactly_so_many_bytes(proxy, at, raw):
    through = proxy(Fault("reset", at=at), raw=raw)
    with socket.create_connection(("127.0.0.1", through.port), 60) as sock:
        sock.sendall(b"GET /object HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        with pytest.raises(ConnectionResetError):
            while True:
                piece = sock.recv(65536)
                assert piece, "the end, and no reset"
                got += piece
    assert (got if raw else got.partition(b"\r\n\r\n")[2]) == (got[:at] if raw else BODY[:at]) and through.requests[0].sent == at
    assert len(got) == at or not raw


def test_a_cut_ends_in_good_order_and_short(proxy):
    got = Got(proxy(Fault("cut", at=1234)))
    assert (got.body, got.error) == (BODY[:1234], "short")


def test_a_flip_changes_one_bit_of_one_byte(proxy):
    got = Got(proxy(Fault("flip", at=70_000, bit=3)))
    assert len(got.body) == len(BODY)
    assert [(i, a ^ b) for i, (a, b) in enumerate(zip(got.body, BODY)) if a != b] == [(70_000, 8)]


def test_a_flip_of_the_head_is_in_the_head(proxy):
    got = Got(proxy(Fault("flip", at=9, bit=0, whole=True)))
    assert got.status == 300 and got.body == BODY  # "HTTP/1.1 2" became 3


def test_stalls_and_trickles_take_their_time_and_lose_nothing(proxy):
    for fault in (Fault("stall", at=1000, seconds=0.3), Fault("trickle", at=1000, seconds=0.02, count=15)):
        got = Got(proxy(fault))
        assert got.body == BODY and got.seconds >= 0.3


def test_a_stall_outlasts_an_impatient_client(proxy):
    got = Got(proxy(Fault("stall", at=1000, seconds=60)), patience=2)
    assert got.body == BODY[:1000] and isinstance(got.error, TimeoutError)


def test_an_answer_of_its_own_does_not_ask_the_server(proxy, origin):
    got = Got(proxy(Fault("status", status=503, headers={"Retry-After": "1"}, body=b"<Error/>")))
    assert (got.status, got.headers["Retry-After"], got.body) == (503, "1", b"<Error/>") and not origin.requests


def test_headers_are_exchanged_and_taken_away(proxy):
    through = proxy(Fault("header", headers={"Content-Range": "bytes 0-9/7"}), Fault("header", headers={"ETag": None}),
                    Fault("header", headers={"Date": "Thu, 01 Jan 1970 00:00:10 GMT"}))
    assert Got(through, {"Range": "bytes=10-19"}).headers["Content-Range"] == "bytes 0-9/7"
    assert "ETag" not in Got(through).headers
    assert Got(through).headers["Date"] == "Thu, 01 Jan 1970 00:00:10 GMT"


def test_a_wrong_length_does_not_keep_anybody_waiting(proxy):
    got = Got(proxy(Fault("header", headers={"Content-Length": len(BODY) + 1})))
    assert (got.body, got.error) == (BODY, "short")


def test_a_range_is_answered_whole_shorter_and_longer(proxy):
    through = proxy(Fault("whole"), Fault("shorter", at=4))
    got = Got(through, {"Range": "bytes=10-19"})
    assert (got.status, got.body) == (200, BODY)
    got = Got(through, {"Range": "bytes=10-19"})
    assert (got.status, got.body, got.headers["Content-Length"], got.error) == (206, BODY[10:14], "4", None)


def test_a_loop_leads_back_to_the_same_place(proxy):
    through = proxy(Fault("loop"))
    got = Got(through)
    assert (got.status, got.headers["Location"]) == (307, f"{through.url}/object")


def test_tls_is_broken_by_a_flip(tmp_path, proxy):
    ca = tmp_path / "it.pem"
    authority.make(tmp_path, "it")
    server = authority.Server(lambda handler: authority.say(handler, BODY), tmp_path / "it-server.pem")
    through = Proxy("127.0.0.1", server.port, lambda _: Fault("flip", at=100_000), raw=True)
    connection = http.client.HTTPSConnection("localhost", through.port, timeout=60,
                                             context=ssl.create_default_context(cafile=ca))
    connection.request("GET", "/object")
    with pytest.raises(OSError):
        connection.getresponse().read()
    connection.close()
    through.close()
    server.close()


def test_a_reset_within_the_head_is_one(proxy):
    through = proxy(Fault("reset", at=20, whole=True))
    assert isinstance(Got(through).error, ConnectionResetError)
    assert len(through.struck) == 1 and through.sent == 0


def test_an_interruption_hits_all_that_is_sent(proxy):
    through = proxy(*[Fault("stall", at=1000, seconds=1)] * 2)
    through.interrupt_at([100_000])
    got = []
    threads = [threading.Thread(target=lambda: got.append(Got(through))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(one.error, ConnectionResetError) and 1000 < len(one.body) < len(BODY) for one in got)
    # What was sent did arrive: this is what tells how much was fetched twice.
    assert through.sent == sum(len(one.body) for one in got) and through.interruptions == 1
    assert Got(through).body == BODY


def test_a_fault_past_the_end_did_not_happen(proxy):
    through = proxy(Fault("flip", at=len(BODY)), Fault("flip", at=len(BODY) - 1))
    assert Got(through).body == BODY and through.struck == []
    assert Got(through).body != BODY and len(through.struck) == 1


def test_closing_ends_what_is_still_going_on(proxy):
    through = proxy(Fault("stall", at=10, seconds=60))
    with socket.create_connection(("127.0.0.1", through.port), 60) as sock:
        sock.sendall(b"GET /object HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"\r\n\r\n" not in sock.recv(65536):
            pass
        began = time.monotonic()
        through.close()
        with pytest.raises(OSError):
            while True:
                if not sock.recv(65536):
                    raise OSError("ended")
        assert time.monotonic() - began < 30
