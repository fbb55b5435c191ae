"""Where what people send is fetched from: the provider's own hosts, with credentials for whom they are meant."""

import json

import pytest
from yarl import URL

from adapters.kit.media import Store
from adapters.kit.testing import Bench, Says
from adapters.kit.transport import Transport
from adapters.whatsapp_meta import MetaWhatsApp, settings

STORE = Store(base_url="https://api.provider.example/v1", domains=("cdn.example",))

ADDRESSES = [
    ("the API", "https://api.provider.example/v1/media/1", True),
    ("its port said", "https://api.provider.example:443/media/1", True),
    ("another port", "https://api.provider.example:8443/media/1", False),
    ("without TLS", "http://api.provider.example/media/1", False),
    ("the store itself", "https://cdn.example/1", True),
    ("a host of the store's", "https://eu.cdn.example/1", True),
    ("in capitals", "https://EU.CDN.example/1", True),
    ("a name that ends alike", "https://evilcdn.example/1", False),
    ("the store as a part of another's", "https://cdn.example.evil.example/1", False),
    ("the store without TLS", "http://cdn.example/1", False),
    ("a name with a name before it", "https://cdn.example@evil.example/1", False),
    ("credentials", "https://u:p@cdn.example/1", False),
    ("an address inside", "http://127.0.0.1/1", False),
    ("an address inside, as a number", "http://2130706433/1", False),
    ("the cloud's own", "http://169.254.169.254/latest", False),
    ("a file", "file:///etc/passwd", False),
    ("a path", "/v1/media/1", False),
    ("nothing", "", False),
    ("no address", "http://[", False),
]


@pytest.mark.parametrize(("claim", "address", "may"), ADDRESSES, ids=[claim for claim, *_ in ADDRESSES])
def test_only_the_provider_is_asked(claim: str, address: str, may: bool) -> None:
    assert STORE.holds(address) is may


def test_credentials_are_for_the_configured_host() -> None:
    assert STORE.is_base(URL("https://api.provider.example/x"))
    assert not STORE.is_base(URL("https://cdn.example/x"))


def meta(base_url: str) -> MetaWhatsApp:
    table = {
        "phone_number_id": "106540352242922",
        "access_token": "canary-token",
        "app_secret": "canary-app-secret-of-the-application",
        "verify_token": "canary-verify",
        "base_url": base_url,
    }
    return MetaWhatsApp("way-one", settings("way-one", table), b"marks", Transport())


async def test_meta_tells_where_a_medium_is_and_both_ask_who_we_are() -> None:
    async with Bench() as bench:
        adapter = meta(bench.base_url)
        told = json.dumps({"url": f"{bench.base_url}/lookaside/1", "mime_type": "audio/ogg"}).encode()
        bench.script(Says(status=200, body=told), Says(status=200, body=b"OggS-canary"))
        assert await adapter.fetch(f"{bench.base_url}/v23.0/4711", 1000) == b"OggS-canary"
        assert [seen.headers["authorization"] for seen in bench.seen] == ["Bearer canary-token"] * 2
        await adapter.close()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "https://evil.example/x", 7, None, ""])
async def test_what_meta_tells_is_not_believed(address: object) -> None:
    async with Bench() as bench:
        adapter = meta(bench.base_url)
        bench.script(Says(status=200, body=json.dumps({"url": address}).encode()))
        assert await adapter.fetch(f"{bench.base_url}/v23.0/4711", 1000) is None
        assert len(bench.seen) == 1
        await adapter.close()


async def test_a_medium_that_is_too_long_or_gone_is_none() -> None:
    async with Bench() as bench:
        adapter = meta(bench.base_url)
        told = Says(status=200, body=json.dumps({"url": f"{bench.base_url}/1"}).encode())
        bench.script(told, Says(status=200, body=bytes(1001)), told, Says(status=404), Says(status=500))
        for _ in range(3):
            assert await adapter.fetch(f"{bench.base_url}/v23.0/4711", 1000) is None
        await adapter.close()
