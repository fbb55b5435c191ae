"""Where events may be sent: what is refused when an endpoint is named."""

from ipaddress import ip_network

import pytest

from gateway.api.destinations import flaw_of

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

REFUSED = {
    "plain http": "http://crm.example.com/",
    "another scheme": "ftp://crm.example.com/",
    "no scheme": "crm.example.com",
    "script": "javascript:alert(1)",
    "no host": "https:///hooks",
    "user and password": "https://user:secret@crm.example.com/",
    "a user that looks like a host": "https://crm.example.com@127.0.0.1/",
    "a backslash": "https://crm.example.com\\@127.0.0.1/",
    "a fragment": "https://crm.example.com/#x",
    "a blank": "https://crm.example.com/a b",
    "a line feed": "https://crm.example.com/\nHost: x",
    "a port of no web server": "https://crm.example.com:22/",
    "port zero": "https://crm.example.com:0/",
    "a port that is none": "https://crm.example.com:99999/",
    "cloud metadata": "https://169.254.169.254/latest/meta-data/",
    "a private network": "https://10.1.2.3/",
    "another private network": "https://192.168.1.1/",
    "carrier-grade NAT": "https://100.64.0.1/",
    "loopback": "https://127.0.0.1/",
    "any address": "https://0.0.0.0/",
    "broadcast": "https://255.255.255.255/",
    "multicast": "https://224.0.0.1/",
    "loopback in IPv6": "https://[::1]/",
    "loopback mapped into IPv6": "https://[::ffff:127.0.0.1]/",
    "loopback in 6to4": "https://[2002:7f00:1::]/",
    "loopback in NAT64": "https://[64:ff9b::7f00:1]/",
    "a unique local address": "https://[fd00::1]/",
    "a link-local address with a zone": "https://[fe80::1%25eth0]/",
    "an address as one number": "https://2130706433/",
    "an address in hexadecimal": "https://0x7f000001/",
    "an address in octal": "https://017700000001/",
    "a short address": "https://127.1/",
    "a mixed spelling": "https://0x7f.0.0.1/",
    "an address with a NUL and a name": "https://127.0.0.1%00.example.com/",
    "this machine by name": "https://localhost/",
    "this machine by another name": "https://crm.localhost/",
    "a name without dots": "https://crm/",
    "a name of the neighbourhood": "https://crm.local/",
    "a name of the inside": "https://crm.internal/",
    "letters that are not ASCII": "https://ñandú.cl/",
    "a hyphen in front": "https://-crm.example.com/",
    "a name that is too long": "https://" + "a" * 60 + ".b" * 120 + ".com/",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_events_never_go_there(url: str) -> None:
    assert flaw_of(url, ()) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com",
        "https://crm.example.com/hooks?tenant=1",
        "https://crm.example.com:8443/hooks",
        "https://CRM.Example.com/",
        "https://xn--and-6ma2c.cl/hooks",
        "https://8.8.8.8/hooks",
        "https://[2606:4700::1111]/hooks",
    ],
)
def test_public_https_is_fine(url: str) -> None:
    assert flaw_of(url, ()) is None


def test_an_opened_network_may_be_spoken_to_and_no_other() -> None:
    assert flaw_of("http://127.0.0.1:9999/hooks", LOOPBACK) is None
    assert flaw_of("http://[::1]:9999/hooks", LOOPBACK) is None
    assert flaw_of("http://localhost:9999/hooks", LOOPBACK) is None
    assert flaw_of("http://10.0.0.1/hooks", LOOPBACK) is not None
    assert flaw_of("http://crm.example.com/hooks", LOOPBACK) is not None
    assert flaw_of("https://crm.example.com/hooks", LOOPBACK) is None
    assert flaw_of("https://169.254.169.254/", LOOPBACK) is not None


@pytest.mark.parametrize("url", [REFUSED["user and password"], REFUSED["a blank"], REFUSED["an address in octal"]])
def test_an_opened_network_opens_no_trick(url: str) -> None:
    assert flaw_of(url, LOOPBACK) is not None
