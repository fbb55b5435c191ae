"""What every way out by SMTP must do, found by discovery: the demands of ``test_every_adapter`` in the words of mail hosts."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.kit import discovery, transport
from adapters.kit.discovery import Spec
from adapters.kit.mail_testing import (
    Babble,
    Break,
    Goodbye,
    MailBench,
    MailDemands,
    Phase,
    Silence,
    Turn,
    Word,
    certificate,
)
from adapters.kit.port import Adapter, Forged, Hook
from adapters.kit.settings import SettingsError
from adapters.kit.testing import refusing
from vocabulary.outcome import CannotTell, Lost, NotSent, Outcome, Parcel, Rejected, Sent, Unknown

MARK_SECRET = b"canary-secret-that-marks-attempts"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
TO = "canary@example.com"
TEXT = "Hola canary, su cuota ñandú €\n.\n..\n.BAJA"


def demands_of(name: str) -> MailDemands | None:
    """What an adapter's tests demand of mail hosts; None when it speaks something else (``test_every_adapter`` tries it)."""
    found = f"tests.{name}_demands"
    if importlib.util.find_spec(found) is None:
        return None
    demands = importlib.import_module(found).DEMANDS
    return demands if isinstance(demands, MailDemands) else None


ADAPTERS = [
    (name, spec, demands)
    for name in discovery.modules()
    if isinstance(spec := getattr(importlib.import_module(name), "SPEC", None), Spec)
    and (demands := demands_of(name)) is not None
]


@dataclass
class Tried:
    adapter: Adapter
    bench: MailBench
    demands: MailDemands
    spec: Spec
    parcel: Parcel

    async def send(self, *turns: Turn | None, **more: object) -> Outcome:
        self.bench.script(*turns)
        return await self.adapter.send(replace(self.parcel, attempt=uuid4(), **more))  # type: ignore[arg-type]


@pytest.fixture(params=ADAPTERS, ids=[name for name, _, _ in ADAPTERS])
async def tried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tried]:
    _, spec, demands = request.param
    # The limit of a call is twenty seconds; a test need not wait for it, but a busy machine may take a while to answer.
    monkeypatch.setattr(transport, "CALL_SECONDS", 1.0)
    async with MailBench() as bench:
        adapter = spec.build("way-one", demands.table(bench.address), MARK_SECRET)
        parcel = Parcel(
            attempt=ATTEMPT,
            channel=spec.channel,
            to=TO,
            text=TEXT,
            subject="Su cuota de canary",
            validity_seconds=60,
            status_url="https://tregua.example/unused",
        )
        yield Tried(adapter, bench, demands, spec, parcel)
        await adapter.close()


def test_there_are_mail_adapters():
    assert "adapters.email_smtp" in [name for name, _, _ in ADAPTERS]


def test_its_name_and_channel_are_told(tried: Tried):
    assert (tried.adapter.name, tried.adapter.channel) == ("way-one", tried.spec.channel)


def test_nobody_is_billed_by_length(tried: Tried):
    assert tried.adapter.quote(TO, TEXT) is None


async def test_sent(tried: Tried):
    ending = await tried.send(None)
    assert isinstance(ending, Sent)
    assert ending.provider_id
    assert tried.bench.dots == 1
    assert tried.bench.mails[0].recipient == TO


async def test_one_mail_after_another_uses_one_connection(tried: Tried):
    for _ in range(5):
        assert isinstance(await tried.send(None), Sent)
    assert (tried.bench.dots, tried.bench.connections) == (5, 1)
    assert tried.bench.commands.count("EHLO") == 1


PERMANENT = [
    (Phase.MAIL, 550, "5.7.1 sender not wanted", "5.7.1"),
    (Phase.MAIL, 552, "size", "552"),
    (Phase.RCPT, 550, "no", "550"),
    (Phase.RCPT, 550, "5.7.1 not from you", "5.7.1"),
    (Phase.RCPT, 552, "5.2.2 mailbox full", "5.2.2"),
    (Phase.RCPT, 550, "5.2.1 disabled", "5.2.1"),
    (Phase.DATA, 554, "5.5.1 no valid recipients", "5.5.1"),
    (Phase.DOT, 554, "5.7.1 spam", "5.7.1"),
    (Phase.DOT, 554, "5.1.1 said of the content and not of her", "5.1.1"),
    (Phase.DOT, 550, "4.7.1 a code of another class is not believed", "550"),
]


@pytest.mark.parametrize(
    ("phase", "code", "text", "kept"), PERMANENT, ids=[f"{p.name}-{t}" for p, _, t, _ in PERMANENT]
)
async def test_a_permanent_no_is_rejected(tried: Tried, phase: Phase, code: int, text: str, kept: str):
    ending = await tried.send(Turn(phase, Word(code, text)))
    assert isinstance(ending, Rejected)
    assert (ending.code, ending.address_invalid, ending.opted_out) == (kept, False, False)
    assert ending.reason


async def test_rejected(tried: Tried):
    ending = await tried.send(tried.demands.rejected)
    assert isinstance(ending, Rejected)
    assert not ending.address_invalid


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
async def test_an_address_that_is_none(tried: Tried, code: str):
    ending = await tried.send(Turn(Phase.RCPT, Word(550, f"{code} <{TO}>: unknown")))
    assert isinstance(ending, Rejected)
    assert (ending.code, ending.address_invalid) == (code, True)
    ending = await tried.send(tried.demands.address_invalid)
    assert isinstance(ending, Rejected)
    assert ending.address_invalid


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
@pytest.mark.parametrize("code", [450, 451, 452])
async def test_a_temporary_no_is_not_sent(tried: Tried, phase: Phase, code: int):
    ending = await tried.send(Turn(phase, Word(code, "4.3.2 later")))
    assert isinstance(ending, NotSent)
    assert ending.retry_after_seconds is not None


async def test_greylisted_is_not_sent_and_says_how_long_to_wait(tried: Tried):
    ending = await tried.send(tried.demands.throttled)
    assert isinstance(ending, NotSent)
    assert ending.retry_after_seconds == tried.demands.throttled_seconds
    assert isinstance(await tried.send(None), Sent), "and passes at the second try"


async def test_a_login_that_is_asked_for_is_our_affair_and_not_the_mails(tried: Tried):
    assert isinstance(await tried.send(Turn(Phase.MAIL, Word(530, "5.7.0 Authentication required"))), NotSent)


SILENCES = {"says nothing": Silence(), "hangs up": Goodbye(), "breaks the connection": Break(), "babbles": Babble()}
BEFORE = [Phase.GREETING, Phase.EHLO, Phase.MAIL, Phase.RCPT, Phase.DATA]


@pytest.mark.parametrize("silence", list(SILENCES))
@pytest.mark.parametrize("phase", BEFORE, ids=[phase.name for phase in BEFORE])
async def test_before_the_final_dot_it_is_not_sent_when_the_host(tried: Tried, phase: Phase, silence: str):
    ending = await tried.send(Turn(phase, SILENCES[silence]))
    assert isinstance(ending, NotSent)
    assert tried.bench.dots == 0
    assert len(tried.bench.mails) <= 1


@pytest.mark.parametrize("silence", ["says nothing", "hangs up", "breaks the connection"])
async def test_in_the_middle_of_a_body_it_is_not_sent_when_the_host(tried: Tried, silence: str):
    ending = await tried.send(Turn(Phase.BODY, SILENCES[silence]), text="una linea\n" * 100_000)
    assert isinstance(ending, NotSent)
    assert tried.bench.dots == 0


@pytest.mark.parametrize("silence", list(SILENCES))
async def test_after_the_final_dot_it_is_unknown_when_the_host(tried: Tried, silence: str):
    ending = await tried.send(Turn(Phase.DOT, SILENCES[silence]))
    assert isinstance(ending, Unknown)
    await asyncio.sleep(0.05)
    assert (tried.bench.dots, len(tried.bench.mails)) == (1, 1), "and it is not tried again"


@pytest.mark.parametrize("code", [354, 150, 600])
async def test_after_the_final_dot_an_answer_that_is_none_is_unknown(tried: Tried, code: int):
    assert isinstance(await tried.send(Turn(Phase.DOT, Word(code))), Unknown)


async def test_a_host_that_goes_down_after_the_dot_says_that_it_has_nothing(tried: Tried):
    """421 is a reply like any other 4xx: RFC 5321, section 4.2.5."""
    assert isinstance(await tried.send(Turn(Phase.DOT, Word(421, "4.3.2 going down"))), NotSent)


async def test_a_kept_connection_that_idled_to_death_is_replaced_within_the_send(tried: Tried):
    assert isinstance(await tried.send(None), Sent)
    await tried.bench.hang_up_idle()
    assert isinstance(await tried.send(None), Sent)
    assert (tried.bench.dots, tried.bench.connections) == (2, 2)


@pytest.mark.parametrize("act", [Word(421, "4.4.2 idle for too long"), Goodbye(), Break()])
async def test_a_kept_connection_that_dies_at_the_first_word_is_replaced_within_the_send(tried: Tried, act: Word):
    assert isinstance(await tried.send(None), Sent)
    assert isinstance(await tried.send(Turn(Phase.MAIL, act), None), Sent)
    assert (tried.bench.dots, tried.bench.connections) == (2, 2)


async def test_a_kept_connection_that_dies_after_the_dot_is_unknown_and_not_tried_again(tried: Tried):
    assert isinstance(await tried.send(None), Sent)
    assert isinstance(await tried.send(Turn(Phase.DOT, Break())), Unknown)
    assert (tried.bench.dots, tried.bench.connections) == (2, 1)


async def test_a_fresh_connection_that_is_sent_away_is_not_tried_again(tried: Tried):
    assert isinstance(await tried.send(Turn(Phase.GREETING, Word(421, "too many of you"))), NotSent)
    assert tried.bench.connections == 1


async def test_a_refusal_leaves_nothing_behind_on_its_connection(tried: Tried):
    assert isinstance(await tried.send(tried.demands.address_invalid), Rejected)
    assert isinstance(await tried.send(None), Sent)
    assert tried.bench.commands.count("RSET") == 1
    assert tried.bench.connections == 1


async def test_a_refused_connection_is_not_sent(tried: Tried):
    with refusing() as nobody:
        table = tried.demands.table(nobody.removeprefix("http://"))
        adapter = tried.spec.build("way-two", table, MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), NotSent)
        await adapter.close()


async def test_a_closed_way_sends_nothing(tried: Tried):
    assert isinstance(await tried.send(None), Sent)
    await tried.adapter.close()
    assert isinstance(await tried.adapter.send(tried.parcel), NotSent)
    assert tried.bench.dots == 1
    assert tried.bench.commands[-1] == "QUIT"


@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DOT])
async def test_a_cancelled_send_is_cancelled_and_made_once(tried: Tried, phase: Phase):
    tried.bench.script(Turn(phase, Silence()))
    sending = asyncio.create_task(tried.adapter.send(tried.parcel))
    while not tried.bench.mails or not (tried.bench.mails[0].recipient and tried.bench.dots == (phase is Phase.DOT)):
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await tried.send(None), Sent), "and its connection is not used again"
    assert tried.bench.connections == 2


async def test_many_at_once_keep_their_own_endings(tried: Tried, monkeypatch: pytest.MonkeyPatch):
    """Two hundred sends over one pool, half of them refused: nobody gets another's answer, and each is made once."""
    monkeypatch.setattr(transport, "CALL_SECONDS", 30.0)
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 30.0)
    adapter = tried.spec.build("way-many", tried.demands.table(tried.bench.address), MARK_SECRET)
    tried.bench.script(*[None, tried.demands.address_invalid] * 100)
    parcels = [replace(tried.parcel, attempt=uuid4(), to=f"p{n}@example.com") for n in range(200)]
    endings = await asyncio.gather(*(adapter.send(parcel) for parcel in parcels))
    await adapter.close()
    taken = {mail.recipient for mail in tried.bench.mails if mail.dotted}
    assert len(taken) == tried.bench.dots == 100
    assert len(tried.bench.mails) == 200
    for parcel, ending in zip(parcels, endings, strict=True):
        assert isinstance(ending, Sent if parcel.to in taken else Rejected)
    assert tried.bench.connections <= 20


async def test_in_private_with_a_login(tried: Tried, tmp_path: Path):
    file = certificate(tmp_path)
    async with MailBench(certificate=file) as bench:
        bench.script(None)
        adapter = tried.spec.build("way-two", tried.demands.private_table(bench.address, file), MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), Sent)
        assert bench.mails[0].private
        assert bench.mails[0].login == f"{tried.demands.username}:{tried.demands.password}"
        assert bench.commands.index("STARTTLS") < bench.commands.index("AUTH")
        await adapter.close()


async def test_a_host_that_hides_starttls_hears_neither_name_nor_mail(tried: Tried, tmp_path: Path):
    file = certificate(tmp_path)
    adapter = tried.spec.build("way-two", tried.demands.private_table(tried.bench.address, file), MARK_SECRET)
    assert isinstance(await adapter.send(tried.parcel), NotSent)
    assert set(tried.bench.commands) <= {"EHLO", "QUIT"}
    await adapter.close()


async def test_a_host_under_a_strangers_certificate_hears_neither_name_nor_mail(tried: Tried, tmp_path: Path):
    (tmp_path / "ours").mkdir()
    trusted = certificate(tmp_path / "ours")
    async with MailBench(certificate=certificate(tmp_path)) as bench:
        adapter = tried.spec.build("way-two", tried.demands.private_table(bench.address, trusted), MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), NotSent)
        assert set(bench.commands) <= {"EHLO", "STARTTLS"}
        await adapter.close()


@pytest.mark.parametrize("act", [Word(535, "5.7.8 wrong"), Word(454, "4.7.0 later"), Goodbye(), Silence()])
async def test_a_login_that_fails_is_not_sent(tried: Tried, tmp_path: Path, act: Word):
    file = certificate(tmp_path)
    async with MailBench(certificate=file) as bench:
        bench.script(Turn(Phase.AUTH, act))
        adapter = tried.spec.build("way-two", tried.demands.private_table(bench.address, file), MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), NotSent)
        assert bench.mails == []
        await adapter.close()


async def test_extensions_are_used_where_the_host_has_them(tried: Tried):
    async with MailBench(extensions=["DSN", "SIZE 1000000", "DELIVERBY"]) as bench:
        bench.script(None)
        adapter = tried.spec.build("way-two", tried.demands.table(bench.address), MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), Sent)
        (mail,) = bench.mails
        assert {"RET=HDRS", f"ENVID={ATTEMPT.hex}", "BY=60;R"} < set(mail.sender_words)
        assert any(word.startswith("SIZE=") for word in mail.sender_words)
        assert mail.recipient_words == ["NOTIFY=FAILURE,DELAY"]
        await adapter.close()
    await tried.send(None)
    assert (list(tried.bench.mails[0].sender_words), list(tried.bench.mails[0].recipient_words)) == ([], [])


async def test_no_ending_and_no_repr_shows_a_secret_or_a_person(tried: Tried, tmp_path: Path):
    demands = tried.demands
    turns = (demands.rejected, demands.address_invalid, demands.throttled, None)
    shown = [repr(await tried.send(turn)) for turn in turns]
    shown.append(
        repr(await tried.send(Turn(Phase.RCPT, Word(550, f"5.1.1 {TO} \x1b[31m<{TO}> canary@example.com:no"))))
    )
    shown.append(repr(await tried.send(Turn(Phase.DOT, Break()))))
    settings = importlib.import_module(type(tried.adapter).__module__).settings
    shown += [
        repr(tried.adapter),
        repr(tried.parcel),
        repr(settings("way-one", demands.private_table("a:1", tmp_path))),
    ]
    for text in shown:
        for hidden in (*demands.secrets, "canary@", "canary", "\x1b"):
            assert hidden not in text.replace("canary-secret", "")


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
async def test_nothing_was_found_out_by_looking(tried: Tried, phase: str):
    now = datetime.now(UTC)
    lost = Lost(attempt=ATTEMPT, to=TO, text=TEXT, not_before=now, not_after=now + timedelta(seconds=60))
    assert isinstance(await tried.adapter.find(lost), CannotTell)
    assert phase not in tried.bench.commands


@pytest.mark.parametrize("kind", ["status", "inbound", "mail"])
def test_a_hook_by_http_is_forged(tried: Tried, kind: str):
    hook = Hook(method="POST", url="https://tregua.example/hooks/way-one/status", kind=kind, headers={}, body=b"a=1")
    with pytest.raises(Forged):
        tried.adapter.read(hook)


def test_a_setting_that_is_not_known_is_refused_by_name_and_not_by_value(tried: Tried):
    with pytest.raises(SettingsError, match="canary_setting") as refusal:
        tried.spec.build("way-one", {**tried.demands.table("127.0.0.1:1"), "canary_setting": "secret"}, b"x")
    assert "secret'" not in str(refusal.value)


@pytest.mark.parametrize("missing", [None, "", " ", 7, ["x"]])
def test_a_setting_that_is_missing_or_of_another_kind_is_refused(tried: Tried, missing: object):
    whole = dict(tried.demands.table("127.0.0.1:1"))
    for name in set(whole) - {"kind"}:
        if missing is None and name in tried.demands.optional:
            continue
        with pytest.raises(SettingsError, match=name):
            tried.spec.build("way-one", {**whole, name: missing}, b"x")


@pytest.mark.parametrize("server", ["relay.example", "10.0.0.1:25", "[2001:db8::1]:587", "localhost.example:25"])
def test_in_the_open_is_for_loopback_only(tried: Tried, server: str):
    with pytest.raises(SettingsError, match="tls"):
        tried.spec.build("way-one", tried.demands.table(server), b"x")
