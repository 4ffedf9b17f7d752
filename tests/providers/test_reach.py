"""Where a sender may connect to on behalf of whoever named the server."""

from ipaddress import ip_network

import pytest

from invite_service.providers.reach import EVERYWHERE, AddressRefusedError, Reach, resolve

HIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]

PUBLIC = ["8.8.8.8", "193.0.6.139", "2001:67c:2e8::1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", HIDDEN)
def test_what_is_not_on_the_public_internet_is_out_of_reach(address: str) -> None:
    with pytest.raises(AddressRefusedError) as refusal:
        Reach().check(address)
    assert address not in str(refusal.value)
    EVERYWHERE.check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_within_reach(address: str) -> None:
    Reach().check(address)


def test_networks_that_were_allowed_are_within_reach_and_their_neighbours_are_not() -> None:
    reach = Reach(networks=(ip_network("10.2.0.0/16"), ip_network("fd00:2::/32")))
    for address in ("10.2.3.4", "::ffff:10.2.3.4", "fd00:2::25", "8.8.8.8"):
        reach.check(address)
    for address in ("10.3.0.1", "fd00:3::25", "127.0.0.1"):
        with pytest.raises(AddressRefusedError):
            reach.check(address)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "::1"])
async def test_names_are_looked_at_by_the_addresses_they_stand_for(host: str) -> None:
    with pytest.raises(AddressRefusedError):
        await resolve(host, 25, reach=Reach())
    found = await resolve(host, 25, reach=EVERYWHERE)
    assert {str(address[0]) for *_, address in found} <= {"127.0.0.1", "::1"}
