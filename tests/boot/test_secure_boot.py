"""Secure Boot refuses what it must. That it starts what it must is said by test_paths.py (secure-boot-cd, uki-own-key)."""

import pytest

from machine import firmware

REFUSED = "Access Denied|Security Violation"
REFUSAL = 120


def refused(fleet, name, keys, uki):
    """The firmware says no, and no kernel ever speaks."""
    with fleet.start(name, memory=256, machine="q35,smm=on", firmware=keys, efi_app=uki) as vm:
        vm.console.expect(REFUSED, REFUSAL, stop_at="Linux version|Press Enter")
        # It tries its own shell next, which it refuses as well: nothing is left to start.
        vm.console.expect(REFUSED + "|No bootable option|Shell>", REFUSAL, stop_at="Linux version|ress Enter for a shell")


def test_unsigned_uki_is_refused_by_microsofts_keys(fleet, image_file):
    refused(fleet, "uki-unsigned", firmware.microsoft(), image_file("etcd-rescue.efi"))


def test_uki_signed_with_another_key_is_refused(fleet, ways):
    uki, _ = ways.signed_uki()
    _, _, other = ways.throw_away_key("stranger")
    refused(fleet, "uki-wrong-key", firmware.own_key(other), uki)
