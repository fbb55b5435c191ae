"""Time stamps: an authority made by OpenSSL on loopback stamps the signed head; what was changed afterwards is not what was stamped."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.listening import free_port
from tests.gateway.policy_command import tregua
from tests.gateway.town import TENANT, Town

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
default_policy = 1.2.3.4.1
digests = sha256, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
tsa_name = yes
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=30).stdout


@pytest.fixture
async def authority(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """Its address, and its root certificate."""
    assert shutil.which("openssl"), "OpenSSL's command makes the authority"
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "config").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    config = str(folder / "config")
    for name in ("root", "tsa"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / f"{name}.key"))
    root, leaf = str(folder / "root.pem"), str(folder / "tsa.pem")
    openssl("req", "-x509", "-new", "-key", str(folder / "root.key"), "-subj", "/CN=Root", "-days", "2", "-config", config,
            "-extensions", "root", "-out", root)  # fmt: skip
    asked = openssl("req", "-new", "-key", str(folder / "tsa.key"), "-subj", "/CN=Authority", "-config", config)
    openssl("x509", "-req", "-CA", root, "-CAkey", str(folder / "root.key"), "-set_serial", "7", "-days", "1",
            "-extfile", config, "-extensions", "leaf", "-out", leaf, given=asked)  # fmt: skip

    async def reply(request: web.Request) -> web.Response:
        query = folder / "query"
        query.write_bytes(await request.read())
        answer = await asyncio.to_thread(openssl, "ts", "-reply", "-config", config, "-queryfile", str(query))
        return web.Response(body=answer, content_type="application/timestamp-reply")

    app = web.Application()
    app.router.add_post("/tsr", reply)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/tsr", Path(root)
    await runner.cleanup()


async def test_a_head_is_stamped_and_checked_offline(quiet: Town, authority: tuple[str, Path], tmp_path: Path) -> None:
    url, root = authority
    await quiet.call("PUT", "/v1/policy", {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}})
    note = tmp_path / "head.note"
    made = await tregua(quiet, "stamp", "--tenant", TENANT, "--tsa", url, "--to", note, "--json", group="trace")
    assert made.code == 0, made.err
    assert json.loads(made.out)["size"] > 0
    _, head, _ = await quiet.call("GET", "/v1/trace/head")
    check = ("stamp", "--verify", note, "--root", root, "--key", head["verifier_key"])
    held = await tregua(quiet, *check, "--json", group="trace")
    assert held.code == 0, held.err
    found = json.loads(held.out)
    assert (found["holds"], found["pinned"], found["at"]) == (True, True, json.loads(made.out)["at"])

    genuine = note.read_bytes()
    note.write_bytes(genuine.replace(b"\n1\n", b"\n2\n", 1) if b"\n1\n" in genuine else genuine[:-3] + b"A=\n")
    spoilt = await tregua(quiet, *check, group="trace")
    assert (spoilt.code, "DOES NOT HOLD" in spoilt.err) == (1, True)
    note.write_bytes(genuine)
    token = note.with_name("head.note.tsr")
    cut = bytearray(token.read_bytes())
    cut[-5] ^= 1
    token.write_bytes(bytes(cut))
    assert (await tregua(quiet, *check, group="trace")).code == 1


async def test_nobody_who_answers_is_said(quiet: Town, tmp_path: Path) -> None:
    told = await tregua(
        quiet, "stamp", "--tenant", TENANT, "--tsa", "http://127.0.0.1:9/x", "--to", tmp_path / "n", group="trace"
    )
    assert (told.code, "did not stamp" in told.err) == (1, True)
    assert list(tmp_path.glob("n*")) == []
    assert (await tregua(quiet, "stamp", "--tsa", "http://127.0.0.1:9/x", group="trace")).code == 2
