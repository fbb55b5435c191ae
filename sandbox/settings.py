"""What the sandbox is started with: where its memory lies, on which ports it listens, and the account it pretends to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """The simulated Twilio account. ``provider`` is the operator's name for it; ``inbound_url`` is where people's words go."""

    provider: str
    account_sid: str
    auth_token: str = field(repr=False)
    number: str
    inbound_url: str
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceAccount:
    """The simulated Twilio account that calls. ``inbound_url`` is what is asked when somebody calls its number."""

    provider: str
    account_sid: str
    auth_token: str = field(repr=False)
    number: str
    inbound_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorAccount:
    """An account at a simulated aggregator, which stands at ``/<provider>`` behind the carriers' door.

    ``dialect`` is ``faro`` or ``vereda`` (docs/channels/sms-http.md); ``secret`` signs the gateway in, ``hook_key`` proves
    hooks. ``hook_url`` is where people's words go, and for ``vereda`` its receipts too; it knows national numbers only, so
    ``country_prefix`` is put before them.
    """

    provider: str
    dialect: str
    secret: str = field(repr=False)
    hook_key: str = field(repr=False)
    hook_url: str
    sender: str
    user: str = ""
    country_prefix: str = "+57"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAccount:
    """A simulated mail host at ``host:port`` (0: the system chooses).

    ``inbound_host`` and ``inbound_port`` are the gateway's door for mail; ``sender`` is the address that people see there.
    """

    provider: str
    sender: str
    inbound_host: str
    inbound_port: int
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramAccount:
    """A simulated bot. ``hook_url`` and ``secret`` are as if ``setWebhook`` had told them; empty: nobody is told of updates.

    ``files_url`` is where the telephone plays voice notes from.
    """

    provider: str
    token: str = field(repr=False)
    bot: str
    secret: str = field(default="", repr=False)
    hook_url: str = ""
    files_url: str = "/sandbox/telegram"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaAccount:
    """A simulated WhatsApp number at Meta. ``hook_url`` is where everything is told.

    ``templates`` are approved bodies by name and language; without any, every template counts as approved. With
    ``texts_approved`` every text counts as the words of an approved template, so that what a CRM says is one arrives too.
    ``files_url`` is where the telephone plays voice notes from.
    """

    provider: str
    phone_number_id: str
    access_token: str = field(repr=False)
    app_secret: str = field(repr=False)
    number: str
    hook_url: str
    templates: Mapping[tuple[str, str], str] = field(default_factory=dict)
    texts_approved: bool = False
    files_url: str = "/sandbox/whatsapp"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAccount:
    """People's browsers. ``secret`` is what announcements of the way ``provider`` carry."""

    provider: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``carrier_port`` 0 lets the system choose. All ``seconds`` are real time.

    ``answer_seconds``: think time of a create. ``price_seconds``: from leaving to being priced. ``queue_seconds``: from the
    answer to the carrier (past a message's ValidityPeriod it is never sent). ``receipt_seconds``: between two receipts.
    ``late_seconds``: how late a late receipt is, and how long after a lost answer its receipts come. ``hold_seconds``: how
    long a call is left unanswered at most.
    """

    directory: Path
    twilio: TwilioAccount
    aggregators: tuple[AggregatorAccount, ...] = ()
    mail: MailAccount | None = None
    voice: VoiceAccount | None = None
    telegram: TelegramAccount | None = None
    whatsapp: MetaAccount | None = None
    whatsapp_twilio: TwilioAccount | None = None
    web: WebAccount | None = None
    host: str = "127.0.0.1"
    carrier_port: int = 0
    answer_seconds: float = 0.005
    price_seconds: float = 2.0
    queue_seconds: float = 0.01
    receipt_seconds: float = 0.02
    late_seconds: float = 3.0
    hold_seconds: float = 60.0
    retry_seconds: tuple[float, ...] = field(default=(0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0))
