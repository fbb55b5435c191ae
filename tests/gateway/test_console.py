"""The console's doors: who is let in, for how long, with which forms, and that nobody looks at a person without saying why."""

import re
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from gateway.compose import tally
from gateway.tenants.opening import create_key, create_tenant
from tests.gateway.console_visitor import TOKEN, Visitor, visitor
from tests.gateway.test_proof import as_owner
from tests.gateway.town import TENANT, Town, message, number, person
from tracelog.entry import read_header
from tracelog.head import SeedSigner, opened
from tracelog.witness import Witness

SENDER = {"role": "creditor", "creditor": "C9", "collector": "A1"}
ROLES = {"officer": ["read", "audit"], "operator": ["read", "contacts", "send"], "admin": ["admin"]}


@pytest.fixture
async def guest(quiet: Town) -> AsyncIterator[Visitor]:
    made = visitor(quiet.url)
    yield made
    await made.session.close()


async def key_for(town: Town, *scopes: str, tenant: str = TENANT) -> str:
    return await create_key(town.house.database, tenant, env="test", scopes=list(scopes), label="someone")


async def kinds(town: Town) -> list[str]:
    return [row["kind"] for row in await town.rows("SELECT kind FROM trace WHERE tenant = $1 ORDER BY idx", TENANT)]


async def subject(town: Town, contact: str) -> str:
    (row,) = await town.rows("SELECT subject FROM contact WHERE id = $1", contact)
    return str(row["subject"].hex)


async def test_without_a_session_every_page_leads_to_the_door(quiet: Town, guest: Visitor) -> None:
    for path in ("", "/frequency", "/people", f"/people/{'0' * 32}", "/blocked", "/unknown", "/held", "/channels", "/packs",
                 "/chain", "/proof/0", "/charts/day.svg"):  # fmt: skip
        status, _, headers = await guest.get(path)
        assert (status, headers["Location"].partition("?")[0]) == (303, "/console/sign-in"), path
    status, _, _ = await guest.get("/live")
    assert status == 204


async def test_the_cookie_is_random_kept_as_a_digest_and_for_our_pages_alone(quiet: Town, guest: Visitor) -> None:
    status, _, headers = await guest.sign_in(quiet.key)
    assert (status, headers["Location"]) == (303, "/console")
    told = next(each for each in headers.getall("Set-Cookie") if each.startswith("tregua-console="))
    for word in ("HttpOnly", "SameSite=Strict", "Path=/console"):
        assert word in told, told
    value = told.partition("=")[2].partition(";")[0]
    assert len(value) == 43
    kept = str(await quiet.rows("SELECT * FROM console_session"))
    assert value not in kept
    assert quiet.key not in kept
    status, page, headers = await guest.get("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|\son[a-z]+=|\sstyle=|<style", page)
    assert "signed_in" in await kinds(quiet)


@pytest.mark.parametrize("key", ["", "nonsense", "gwk_test_" + "0" * 12 + "_" + "0" * 43 + "_000000", "x" * 300])
async def test_what_is_no_key_opens_nothing(quiet: Town, guest: Visitor, key: str) -> None:
    status, page, headers = await guest.sign_in(key)
    assert (status, "tregua-console=" in str(headers.getall("Set-Cookie"))) == (403, False)
    assert "does not open the console" in page


async def test_a_key_that_may_not_read_is_told_so(quiet: Town, guest: Visitor) -> None:
    for scopes in (["send"], ["read"], ["audit"], ["contacts", "send"]):
        status, _, _ = await guest.sign_in(await key_for(quiet, *scopes))
        assert status == 403, scopes


async def test_a_session_ends_with_its_key_with_time_and_by_sign_out(quiet: Town) -> None:
    endings = {
        "the key is revoked": "UPDATE api_key SET revoked_at = now() WHERE label = 'someone'",
        "its end has passed": "UPDATE console_session SET expires_at = now() - interval '1 second'",
        "nobody used it for an hour": "UPDATE console_session SET seen_at = now() - interval '61 minutes'",
    }
    for why, sql in endings.items():
        guest = visitor(quiet.url)
        await guest.sign_in(await key_for(quiet, "read", "audit"))
        assert (await guest.get(""))[0] == 200
        await quiet.rows(sql)
        assert (await guest.get(""))[0] == 303, why
        await guest.session.close()
    guest = visitor(quiet.url)
    await guest.sign_in(quiet.key)
    (cookie,) = [each for each in guest.session.cookie_jar if each.key == "tregua-console"]
    status, _, _ = await guest.form("/sign-out", "")
    assert status == 303
    guest.session.cookie_jar.update_cookies({"tregua-console": cookie.value})
    assert (await guest.get(""))[0] == 303, "the old cookie opens nothing any more"
    await guest.session.close()


async def test_the_law_s_clock_ends_no_session(quiet: Town, guest: Visitor) -> None:
    await guest.sign_in(quiet.key)
    await quiet.set_clock("2031-01-01T10:00:00-05:00")
    assert (await guest.get(""))[0] == 200


async def test_every_form_needs_its_token_and_our_own_page(quiet: Town, guest: Visitor) -> None:
    await quiet.call("PUT", "/v1/contacts/ana", person())
    hers = await subject(quiet, "ana")
    status, _, _ = await guest.post("/sign-in", {"key": quiet.key})
    assert status == 403
    status, _, _ = await guest.post("/sign-in", {"key": quiet.key, "form": "x"})
    assert status == 403
    await guest.sign_in(quiet.key)
    _, page, _ = await guest.get("/people")
    token = TOKEN.search(page)[1]  # type: ignore[index]
    forged = token[:-1] + ("B" if token.endswith("A") else "A")
    forms: dict[str, dict[str, str]] = {
        "/people": {"who": "ana"},
        f"/people/{hers}/why": {"reason": "audit", "note": "case 1"},
        f"/unknown/msg_{'0' * 32}/looked": {},
        f"/held/{hers}/lift": {"reason": "read it"},
        "/sign-out": {},
    }
    before = await kinds(quiet)
    for path, fields in forms.items():
        for wrong in ({}, {"form": ""}, {"form": forged}, {"form": "é"}):
            assert (await guest.post(path, {**fields, **wrong}))[0] == 403, path
        for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert (await guest.post(path, {**fields, "form": token}, **foreign))[0] == 403, (path, foreign)
    other = visitor(quiet.url)
    await other.sign_in(quiet.key)
    assert (await other.post("/people", {"who": "ana", "form": token}))[0] == 403, "a token is of one session"
    await other.session.close()
    assert [kind for kind in await kinds(quiet) if kind != "signed_in"] == [
        kind for kind in before if kind != "signed_in"
    ]


SEEN_BY: dict[str, set[str]] = {
    "": {"officer", "operator", "admin"},
    "/people": {"officer", "operator", "admin"},
    "/blocked": {"officer", "operator", "admin"},
    "/unknown": {"officer", "operator", "admin"},
    "/held": {"officer", "operator", "admin"},
    "/channels": {"officer", "operator", "admin"},
    "/packs": {"officer", "operator", "admin"},
    "/packs/CO": {"officer", "operator", "admin"},
    "/frequency": {"officer", "admin"},
    "/chain": {"officer", "admin"},
    "/proof/0": {"officer", "admin"},
}


async def test_roles_see_what_their_scopes_allow(quiet: Town) -> None:
    await quiet.call("PUT", "/v1/contacts/ana", person())
    hers = await subject(quiet, "ana")
    for role, scopes in ROLES.items():
        guest = visitor(quiet.url)
        await guest.sign_in(await key_for(quiet, *scopes))
        for path, allowed in SEEN_BY.items():
            status, page, _ = await guest.get(path)
            assert status == (200 if role in allowed else 403), (role, path)
        _, page, _ = await guest.get("")
        assert ("/console/frequency" in page) is (role != "operator")
        status, _, _ = await guest.form(f"/held/{hers}/lift", "/people", reason="read it")
        assert status == (403 if role == "officer" else 303), role
        await guest.session.close()


async def test_a_person_is_shown_to_whoever_said_why_and_the_trace_tells_of_it(quiet: Town, guest: Visitor) -> None:
    await quiet.call("PUT", "/v1/contacts/ana", person(name="Ana Pérez"))
    hers = await subject(quiet, "ana")
    await guest.sign_in(await key_for(quiet, *ROLES["officer"]))
    status, _, headers = await guest.form("/people", "/people", who="ana")
    assert (status, headers["Location"]) == (303, f"/console/people/{hers}")
    status, page, _ = await guest.get(f"/people/{hers}")
    assert status == 200
    assert "Ana Pérez" not in page
    assert "+573001234567" not in page
    assert "viewed" not in await kinds(quiet)
    for wrong in (
        {"reason": "", "note": "case 1"},
        {"reason": "curious", "note": "case 1"},
        {"reason": "audit", "note": " "},
    ):
        assert (await guest.form(f"/people/{hers}/why", f"/people/{hers}", **wrong))[0] == 422
    assert "Ana Pérez" not in (await guest.get(f"/people/{hers}"))[1]
    status, _, _ = await guest.form(f"/people/{hers}/why", f"/people/{hers}", reason="complaint", note="PQR 4711")
    assert status == 303
    _, page, _ = await guest.get(f"/people/{hers}")
    assert "Ana Pérez" in page
    await guest.get(f"/people/{hers}")
    rows = await quiet.rows("SELECT header, payload_digest FROM trace WHERE kind = 'viewed'")
    assert len(rows) == 2, "every view, not only the first"
    header = read_header(rows[0]["header"])
    assert header.subject == hers
    assert {name: header.facts[name] for name in ("role", "reason", "page")} == {
        "role": "officer",
        "reason": "complaint",
        "page": "person",
    }
    assert b"4711" not in rows[0]["header"]
    assert rows[0]["payload_digest"] is not None
    # Another session of the same key is asked again, and so is this one once its answer is old.
    other = visitor(quiet.url)
    await other.sign_in(quiet.key)
    assert "Ana Pérez" not in (await other.get(f"/people/{hers}"))[1]
    await other.session.close()
    await quiet.rows("UPDATE console_reason SET until = now() - interval '1 second'")
    assert "Ana Pérez" not in (await guest.get(f"/people/{hers}"))[1]


async def test_nobody_sees_another_tenant_s_people(quiet: Town, guest: Visitor) -> None:
    await quiet.call("PUT", "/v1/contacts/ana", person(name="Ana Pérez"))
    hers = await subject(quiet, "ana")
    await create_tenant(quiet.house.database, "t2", "Other", {})
    await guest.sign_in(await key_for(quiet, "admin", tenant="t2"))
    assert (await guest.get(f"/people/{hers}"))[0] == 404
    assert (await guest.form(f"/people/{hers}/why", "/people", reason="audit", note="case 1"))[0] == 404
    status, page, _ = await guest.form("/people", "/people", who="ana")
    assert (status, hers in page) == (200, False)
    assert hers not in (await guest.get("/proof/0"))[1]
    assert (await guest.form(f"/held/{hers}/lift", "/people", reason="read it"))[0] == 404


async def test_a_hold_is_lifted_by_a_person_with_a_reason(busy: Town) -> None:
    guest = visitor(busy.url)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    await busy.reply("que pare que cosa", sender=number(1))
    hers = await subject(busy, "ana")
    await guest.sign_in(await key_for(busy, *ROLES["operator"]))
    _, page, _ = await guest.get("/held")
    assert hers in page
    assert (await guest.form(f"/held/{hers}/lift", "/held", reason=" "))[0] == 422
    assert (await guest.form(f"/held/{hers}/lift", "/held", reason="she asks about the date"))[0] == 303
    _, page, _ = await guest.get("/held")
    assert hers not in page
    rows = await busy.rows("SELECT detail FROM contact_event WHERE type = 'held' ORDER BY at DESC, id DESC LIMIT 1")
    assert '"ended": true' in rows[0]["detail"].replace('":true', '": true')
    assert (await kinds(busy)).count("hold_lifted") == 1
    await guest.session.close()


async def test_an_unknown_fate_is_marked_once(busy: Town) -> None:
    guest = visitor(busy.url)
    lost = await busy.send(message(person("ana", "+573001230004")))
    await busy.until(lost["id"], "unknown", seconds=45)
    await guest.sign_in(await key_for(busy, *ROLES["operator"]))
    _, page, _ = await guest.get("/unknown")
    assert f"/unknown/{lost['id']}/looked" in page
    for _ in range(2):
        assert (await guest.form(f"/unknown/{lost['id']}/looked", "/unknown"))[0] == 303
    assert (await kinds(busy)).count("looked_at") == 1
    _, page, _ = await guest.get("/unknown")
    assert "looked" not in page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert (await busy.get(lost["id"]))["status"] == "unknown"
    await guest.session.close()


async def test_frequency_leads_to_a_proof_that_holds(busy: Town) -> None:
    guest = visitor(busy.url)
    for n in (1, 2):
        await busy.call("PUT", f"/v1/contacts/p{n}", person(f"p{n}", number(n)))
    sent = await busy.send(message("p2", debts=[{"id": "d9", "creditor": "C9"}], sender=SENDER))
    await busy.until(sent["id"], "delivered")
    await busy.stop_workers()
    await tally(busy.house).catch_up()
    await guest.sign_in(await key_for(busy, *ROLES["officer"]))
    _, page, _ = await guest.get("/frequency")
    people = re.findall(r"<bdi>(p\d)</bdi>", page)
    assert people[0] == "p2", "nearest to a limit first"
    assert "p1" in people
    both = {"p1", "p2"}
    filtered: dict[str, set[str]] = {
        "?debt=d9": {"p2"},
        "?creditor=C9": {"p2"},
        "?jurisdiction=CO": both,
        "?jurisdiction=PE": set(),
        "?channel=sms": both,
        "?channel=email": set(),
        "?since=2026-11-24": {"p2"},
        "?since=2026-11-25": set(),
        "?rule=CO-FREQ-3d": both,
        "?after=nonsense": both,
        "?since=nonsense": both,
    }
    for query, found in filtered.items():
        status, page, _ = await guest.get(f"/frequency{query}")
        assert (status, set(re.findall(r"<bdi>(p\d)</bdi>", page))) == (200, found), query
    _, page, _ = await guest.get("/frequency")
    proof = re.search(r"/console(/proof/of/evt_[0-9a-f]{32})", page)
    assert proof
    status, _, headers = await guest.get(proof[1])
    assert status == 303
    _, page, _ = await guest.get(headers["Location"].removeprefix("/console"))
    assert "The proof holds" in page
    assert "&#34;attempt&#34;" in page
    status, chart, headers = await guest.get("/charts/spread.svg?rule=CO-FREQ-3d&channels=sms")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "image/svg+xml")
    assert "<script" not in chart
    await guest.session.close()


#: By the witnesses' own clocks.
FIRST, SECOND = 1_764_000_000, 1_764_003_600


async def cosign(town: Town, name: str, at_seconds: int) -> str:
    """Somebody signs under the head as it is now: her key."""
    _, shown, _ = await town.call("GET", "/v1/trace/head")
    head = opened(shown["note"], bytes.fromhex(shown["public_key"]))
    witness = Witness(name=name, signer=SeedSigner(name.encode().ljust(32)[:32]))
    note = head.note() + witness.line(head, at_seconds)
    body = {"note": note, "witness": witness.verifier_key}
    status, answered, _ = await town.call("POST", "/v1/trace/cosignatures", body)
    assert status == 200, answered
    return witness.verifier_key


async def test_the_chain_names_who_signed_under_its_heads(
    quiet: Town, guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guest.sign_in(quiet.key)
    _, page, _ = await guest.get("/chain")
    assert "Nobody has signed under a head yet" in page
    keys = {name: await cosign(quiet, name, FIRST) for name in ("bank.example", "notary.example")}
    before = len(await kinds(quiet))
    await quiet.call("PUT", "/v1/contacts/ana", person())
    await cosign(quiet, "notary.example", SECOND)
    now = len(await kinds(quiet))
    assert before < now
    words = {"es": "Firmada también por", "en": "Signed also by", "pt": "Assinada também por"}
    for language, also in words.items():
        _, page, _ = await guest.get(f"/chain?lang={language}")
        told = re.findall(
            r'<bdi>(\S+)</bdi></h3>.*?<dd>(\d+)</dd>.*?<time datetime="([^"]+)">.*?<dd class="mono">(\S+)</dd>',
            page,
            re.S,
        )
        assert [(name, int(size), datetime.fromisoformat(at).timestamp(), key) for name, size, at, key in told] == [
            ("bank.example", before, FIRST, keys["bank.example"]),
            ("notary.example", now, SECOND, keys["notary.example"]),
        ]
        heads = re.findall(r'<td class="n">(\d+)</td><td>([^<]*)</td>', page)
        assert (str(now), "notary.example") in heads
        assert (str(before), "bank.example, notary.example") in heads
        assert also in page
    # Of who signed long ago it is said that she did not lately, and nothing is looked for further.
    monkeypatch.setattr("gateway.console.law.COSIGNATURES_MAX", 1)
    _, page, _ = await guest.get("/chain?lang=en")
    assert re.search(
        r"<bdi>bank.example</bdi></h3>\s*<dl[^>]*><div><dt>[^<]*</dt><dd>none of the last heads</dd>", page
    )
    await create_tenant(quiet.house.database, "t2", "Another")
    other = visitor(quiet.url)
    await other.sign_in(await key_for(quiet, *ROLES["officer"], tenant="t2"))
    _, page, _ = await other.get("/chain?lang=en")
    await other.session.close()
    assert "notary.example" not in page


async def test_a_head_that_another_wrote_over_ours_is_said_to_be_none(quiet: Town, guest: Visitor) -> None:
    await guest.sign_in(quiet.key)
    await quiet.call("GET", "/v1/trace/head")
    _, page, _ = await guest.get("/chain?lang=en")
    assert "not signed by our key" not in page
    await as_owner(
        quiet,
        "INSERT INTO tregua.signed_head SELECT tenant, size + 1, root, note || '— x y', at FROM tregua.signed_head",
    )
    status, page, _ = await guest.get("/chain?lang=en")
    assert (status, "not signed by our key" in page) == (200, True)


async def test_a_decision_is_opened_into_its_sentences(busy: Town) -> None:
    guest = visitor(busy.url)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    again = await busy.send(message("ana", debts=["d1"]))
    assert again["status"] == "deferred"
    hers = await subject(busy, "ana")
    await guest.sign_in(busy.key)
    await guest.form(f"/people/{hers}/why", f"/people/{hers}", reason="audit", note="case 1")
    _, page, _ = await guest.get(f"/people/{hers}")
    assert "Ley 2300 de 2023" in page, "what may be sent now, and why not"
    indexes = [int(each) for each in re.findall(rf"/people/{hers}/decisions/(\d+)", page)]
    assert len(indexes) == 2
    _, page, _ = await guest.get(f"/people/{hers}/decisions/{max(indexes)}")
    for words in ("CO-FREQ-3d", "Ley 2300 de 2023", "2026-11-24 10:00", "Edges of the window", "Counted contacts"):
        assert words in page, words
    assert (await guest.get(f"/people/{hers}/decisions/0"))[0] == 404
    await guest.session.close()


async def test_what_is_asked_wrongly_is_answered_calmly(quiet: Town, guest: Visitor) -> None:
    await guest.sign_in(quiet.key)
    for path in ("?until=nonsense", "?until=9999-12-31", "/blocked?since=2026-13-40&until=x", "/channels?channel=%3Cscript%3E",
                 "/frequency?after=AAAA", "/frequency?rule=%00", "/unknown?after=x", "/charts/day.svg?until=zz",
                 "/charts/channels.svg?by=nothing", "/charts/rules.svg?channel=nothing", "/charts/spread.svg"):  # fmt: skip
        assert (await guest.get(path))[0] == 200, path
    for path in ("/people/x", f"/people/{'g' * 32}", "/proof/x", "/proof/99999999999999999999", "/proof/of/evt_x", "/packs/XX",
                 "/-/nothing", f"/people/{'0' * 32}/decisions/1"):  # fmt: skip
        assert (await guest.get(path))[0] == 404, path
