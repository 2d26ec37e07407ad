"""The network between machines, without machines: who hears which frame, a pulled cable, and the router that is this host."""

import socket
import struct

import pytest

import requirement
from machine.switch import Switch

A, B, ALL = b"\x52\x54\x00\x00\x00\x0a", b"\x52\x54\x00\x00\x00\x0b", b"\xff" * 6


@pytest.fixture
def switch(tmp_path):
    requirement.need("qemu-system-x86_64")
    with Switch(3, tmp_path) as made:
        for wire in made.wires:
            wire.settimeout(20)
        yield made


def hears(wire, seconds=0.3):
    """The next frame of ours, or None."""
    wire.settimeout(seconds)
    try:
        return wire.recv(2000)
    except socket.timeout:
        return None


def frame(goal, source, text):
    return goal + source + b"\x88\xb5" + text.ljust(50)


def test_group_goes_to_all_and_one_to_one(switch):
    one, two, three = switch.wires
    one.send(frame(ALL, A, b"to all"))
    assert two.recv(2000)[14:20] == three.recv(2000)[14:20] == b"to all"
    two.send(frame(A, B, b"to one"))
    assert one.recv(2000)[14:20] == b"to one"
    assert hears(three) is None


def test_pulled_cable_is_pulled_in_both_directions(switch):
    one, two, _ = switch.wires
    switch.unplug(0)
    one.send(frame(ALL, A, b"nobody"))
    two.send(frame(ALL, B, b"nobody"))
    assert hears(one) is None and hears(two) is None
    switch.plug(0)
    one.send(frame(ALL, A, b"again"))
    assert two.recv(2000)[14:19] == b"again"


def test_router_answers_for_itself_alone(switch):
    one = switch.wires[0]

    def ask(address):
        ask = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + A + bytes((10, 252, 1, 50)) + b"\0" * 6 + bytes(address)
        one.send(ALL + A + b"\x08\x06" + ask.ljust(46, b"\0"))
        answer = hears(one, 5)
        return answer and answer[28:32]
    assert ask((10, 252, 1, 1)) == bytes((10, 252, 1, 1))
    assert ask((10, 252, 1, 7)) is None
