"""What the gateway takes and answers, as types. Made by ``generate.py`` from its description; not written by hand."""

from typing import Any, Literal, NotRequired, TypedDict

AddressKind = Literal["personal", "shared", "unknown", "work"]

AddressSource = Literal["contract", "skip_traced", "supplied", "third_party", "unknown"]

Answer = Literal["allow", "defer", "deny"]

ConsentState = Literal["granted", "withdrawn"]

ContactOutcome = Literal[
    "attempted",
    "connected",
    "conversation",
    "delivered",
    "failed",
    "no_answer",
    "not_connected",
    "read",
    "voicemail_left",
    "voicemail_reached",
]

Force = Literal["binding", "code", "guidance", "house", "presumption"]

Form = Literal["text", "voice_note"]

Instrument = Literal["contract", "link", "reply", "separate", "web"]

NoticeKind = Literal["debt_transfer", "validation", "written"]

Over = Literal["block", "defer"]

Per = Literal["campaign", "contact", "debt", "tenant"]

Period = Literal["day", "month", "total"]

Purpose = Literal[
    "collection",
    "fraud_alert",
    "legal_notice",
    "marketing",
    "optout_confirmation",
    "prior_notice",
    "reminder",
    "requested_info",
    "service",
]

Role = Literal["attorney", "codebtor", "debtor", "employer", "family", "guarantor", "reference", "spouse", "unknown"]

Scope = Literal["admin", "audit", "contacts", "read", "send"]

Sector = Literal["bank", "card", "finance_company", "microfinance", "retail", "utility"]

SenderRole = Literal["creditor", "debt_buyer", "third_party"]

Status = Literal[
    "blocked",
    "cancelled",
    "deferred",
    "delivered",
    "dispatching",
    "expired",
    "failed",
    "queued",
    "read",
    "sent",
    "undelivered",
    "unknown",
]

StatusKind = Literal[
    "attorney",
    "cease_requested",
    "claim_pending",
    "deceased",
    "dispute",
    "hardship",
    "insolvency",
    "lawsuit",
    "minor",
    "moratorium",
    "paid",
    "plan",
    "wrong_party",
]

Weekday = Literal["Fri", "Mon", "Sat", "Sun", "Thu", "Tue", "Wed"]


class AddressAsk(TypedDict):
    """One way to reach a person: E.164 for sms, whatsapp and voice, a mail address, a Telegram chat id, her own id for web."""

    channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"]
    address: str
    kind: NotRequired["AddressKind"]
    source: NotRequired["AddressSource"]
    authorised: NotRequired["AuthorisedAsk | None"]


class AddressShown(TypedDict):
    """An address in its one spelling."""

    channel: str
    address: str
    kind: "AddressKind"
    source: "AddressSource"


class AttemptShown(TypedDict):
    """One try by one provider. An `outcome` of null: on its way right now."""

    id: str
    provider: str
    channel: str
    provider_id: "str | None"
    provider_status: "str | None"
    outcome: "str | None"
    reason: "str | None"
    at: str


class AudioAsk(TypedDict):
    """A recorded or spoken note."""

    media: NotRequired["str | None"]
    speech: NotRequired["str | None"]


class AuthorisedAsk(TypedDict):
    """When and by what the person allowed contact at an address; kept once as a statement of consent."""

    at: str
    instrument: "Instrument"


class Auto(TypedDict):
    """How ``channel: "auto"`` chooses among what is allowed. ``exploration``: how often chance does, never not at all."""

    on: NotRequired[bool]
    cost_weight: NotRequired[float]
    exploration: NotRequired[float]


class AutoShown(TypedDict):
    """With `channel` `auto`: why this channel. The order can be drawn again from `seed` and `scores`; it never opens a channel."""

    chosen: str
    because: Literal[
        "answered_there",
        "explored",
        "learned",
        "none_allowed",
        "off",
        "only_channel",
        "opens_first",
        "preferred",
        "waits_for_a_better_hour",
    ]
    preferred: NotRequired[str]
    seed: NotRequired[str]
    cost_weight: NotRequired[str]
    exploration: NotRequired[str]
    scores: NotRequired["list[ScoreShown]"]


class BadLineShown(TypedDict):
    """A line that was passed over."""

    line: int
    why: str


class BatchMessageAsk(TypedDict):
    """A message with the key that makes it one of its kind: what the header says of a single one."""

    contact: "str | ContactAsk"
    channel: NotRequired[
        "Literal['auto', 'call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    channels: NotRequired["list[Literal['email', 'sms', 'telegram', 'voice', 'web', 'whatsapp']] | None"]
    purpose: NotRequired["Purpose"]
    debts: NotRequired["list[str | DebtAsk]"]
    content: "ContentAsk"
    sender: NotRequired["SenderAsk | None"]
    form: NotRequired["Form"]
    address: NotRequired["str | None"]
    in_reply_to: NotRequired["str | None"]
    send_at: NotRequired["str | None"]
    expires_at: NotRequired["str | None"]
    spread_seconds: NotRequired["int | None"]
    best_hour: NotRequired[bool]
    metadata: NotRequired["dict[str, str]"]
    idempotency_key: str


class BatchResult(TypedDict):
    """What became of one message of a batch: the status that a request of its own would have had, and its answer."""

    status: int
    idempotency_key: NotRequired[str]
    replayed: NotRequired[bool]
    message: NotRequired["MessageShown"]
    problem: NotRequired["ProblemShown"]


CallRequestedEventAsk = TypedDict(
    "CallRequestedEventAsk",
    {
        "type": "Literal['call_requested']",
        "at": "str",
        "id": "NotRequired[str | None]",
        "corrects": "NotRequired[str | None]",
        "evidence": "NotRequired[EvidenceAsk | None]",
        "from": "NotRequired[str | None]",
        "to": "NotRequired[str | None]",
        "channel": "NotRequired[Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None]",
        "address": "NotRequired[str | None]",
        "debts": "NotRequired[list[str]]",
        "ended": "NotRequired[bool]",
    },
)
"""The person wants to be called, between the instants ``from`` and ``to`` where she said when."""


class CapAsk(TypedDict):
    """A cap as a policy writes it."""

    per: NotRequired["Per"]
    period: NotRequired["Period"]
    amount: str
    currency: str
    over: NotRequired["Over"]
    of: NotRequired["str | None"]
    zone: NotRequired[str]


class ChannelPreferredEventAsk(TypedDict):
    """The person would rather be reached on this channel (at this address); her last word stands, ``ended`` takes it back."""

    type: Literal["channel_preferred"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"]
    address: NotRequired["str | None"]
    ended: NotRequired[bool]


class ChannelPreviewed(TypedDict):
    """What one channel would say, in the language that was found."""

    channel: str
    locale: str
    text: str
    subject: "str | None"
    html: "str | None"
    characters: int
    cost: "CostShown | None"
    registered: "list[RegisteredShown]"


class ConsentEventAsk(TypedDict):
    """What the person allowed or took back: on a channel, at an address, or everywhere."""

    type: Literal["consent"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    state: "ConsentState"
    channel: NotRequired[
        "Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    address: NotRequired["str | None"]
    all: NotRequired[bool]
    purpose: NotRequired["Purpose | None"]
    instrument: NotRequired["Instrument | None"]
    given_to: NotRequired["Literal['creditor', 'sender'] | None"]
    grants: NotRequired["Literal['extra_calls'] | None"]
    debts: NotRequired["list[str] | None"]
    for_days: NotRequired["int | None"]


class ConsentShown(TypedDict):
    """What a person allowed or took back. With neither channel, address nor `all`, it speaks of every channel."""

    id: str
    at: str
    state: Literal["granted", "withdrawn"]
    channel: "str | None"
    address: "str | None"
    all: bool
    purpose: "str | None"
    given_to: "str | None"
    grants: "str | None"
    debts: "list[str] | None"
    for_days: "int | None"
    evidence: "Evidence"
    corrected_by: "str | None"


class ConsentsShown(TypedDict):
    """One page of consents; `standing` only with `at`."""

    items: "list[ConsentShown]"
    next: "str | None"
    standing: NotRequired["StandingShown"]


class ContactAsk(TypedDict):
    """A person. Her statements are never replaced by it."""

    id: str
    name: NotRequired["str | None"]
    role: NotRequired["Role"]
    locale: NotRequired["str | None"]
    jurisdictions: NotRequired["list[str]"]
    zones: NotRequired["list[str]"]
    household: NotRequired["str | None"]
    residence: NotRequired["str | None"]
    addresses: NotRequired["list[AddressAsk]"]


class ContactEventAsk(TypedDict):
    """Something was sent to the person, or tried, by somebody else: a call, a visit, a letter, another system."""

    type: Literal["contact"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    channel: Literal["call_live", "email", "letter", "sms", "telegram", "visit", "voice", "web", "whatsapp"]
    form: NotRequired["Form"]
    outcome: NotRequired["ContactOutcome"]
    purpose: NotRequired["Purpose"]
    debts: NotRequired["list[str]"]
    address: NotRequired["str | None"]
    address_kind: NotRequired["AddressKind"]
    creditor: NotRequired["str | None"]
    collector: NotRequired["str | None"]
    reply_to_inbound: NotRequired[bool]
    role: NotRequired["Role | None"]


class ContactShown(TypedDict):
    """A person as the CRM describes her."""

    id: str
    name: "str | None"
    role: "Role"
    locale: "str | None"
    jurisdictions: "list[str]"
    zones: "list[str]"
    household: "str | None"
    addresses: "list[AddressShown]"
    residence: NotRequired[str]


class ContentAsk(TypedDict):
    """The words, or the template that makes them; flags may only say more than the text does."""

    text: NotRequired["str | None"]
    subject: NotRequired["str | None"]
    html: NotRequired["str | None"]
    template: NotRequired["str | None"]
    template_version: NotRequired["int | None"]
    locale: NotRequired["str | None"]
    variables: NotRequired["dict[str, str | int] | None"]
    audio: NotRequired["AudioAsk | None"]
    caller_id: NotRequired["Literal['hidden', 'shown'] | None"]
    states: NotRequired[
        "list[Literal['amount', 'calculation_date', 'collector', 'complaints_unit', 'creditor']] | None"
    ]
    registered_template: NotRequired["bool | None"]
    opt_out_notice: NotRequired["bool | None"]


class CosignatureAsk(TypedDict):
    """What a witness hands in: a signed note of ours with her line in it, and the key by which others know her."""

    note: str
    witness: str


class CosignedShown(TypedDict):
    """A signed head with what witnesses signed under it, as one signed note."""

    size: int
    note: str
    witnesses: "list[WitnessShown]"


class CostShown(TypedDict):
    """What the message is expected to cost; `actual` once it is told: by the provider, by its segments, or as nothing left us."""

    segments: "int | None"
    encoding: "str | None"
    amount: "str | None"
    currency: "str | None"
    actual: NotRequired[str]


class CostSum(TypedDict):
    """One sum in one currency. `spent` is what is known and, of the rest, what is expected."""

    key: str
    currency: str
    messages: int
    attempts: int
    expected: "str | None"
    actual: "str | None"
    spent: str


class DebtAsk(TypedDict):
    """Facts about a debt that laws ask for. ``due`` is the day after which it is past due."""

    id: str
    creditor: NotRequired["str | None"]
    contract_signed: NotRequired["str | None"]
    due: NotRequired["str | None"]
    kind: NotRequired["str | None"]
    contacts: NotRequired["list[DebtContactAsk]"]


class DebtContactAsk(TypedDict):
    """What a person is to a debt."""

    contact: str
    role: "Role"


class DebtShown(TypedDict):
    """A debt's facts."""

    id: str
    creditor: "str | None"
    contract_signed: "str | None"
    due: "str | None"
    kind: "str | None"
    contacts: "list[TieShown]"


class DecisionAsk(TypedDict):
    """The same question without sending: at an instant, written to the trace only if wanted, explained in a language if wanted."""

    contact: "str | ContactAsk"
    channel: NotRequired[
        "Literal['auto', 'call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    channels: NotRequired["list[Literal['email', 'sms', 'telegram', 'voice', 'web', 'whatsapp']] | None"]
    purpose: NotRequired["Purpose"]
    debts: NotRequired["list[str | DebtAsk]"]
    content: "ContentAsk"
    sender: NotRequired["SenderAsk | None"]
    form: NotRequired["Form"]
    address: NotRequired["str | None"]
    in_reply_to: NotRequired["str | None"]
    send_at: NotRequired["str | None"]
    expires_at: NotRequired["str | None"]
    spread_seconds: NotRequired["int | None"]
    best_hour: NotRequired[bool]
    metadata: NotRequired["dict[str, str]"]
    at: NotRequired["str | None"]
    record: NotRequired[bool]
    explain: NotRequired["Literal['en', 'es', 'pt'] | None"]


class DecisionShown(TypedDict):
    """What the law answers. A refusal by law is not an HTTP error."""

    outcome: "Answer"
    until: "str | None"
    decided_at: str
    packs: "list[PackShown]"
    reasons: "list[ReasonShown]"
    obligations: "list[ObligationShown]"
    channel: NotRequired[str]
    explanation: NotRequired["list[str]"]
    decisions: NotRequired["list[DecisionShown]"]
    auto: NotRequired["AutoShown"]
    provider: NotRequired[str]
    passed_over: NotRequired["list[DecisionShown]"]


class DeliveryShown(TypedDict):
    """What became of one event at one endpoint."""

    id: str
    type: str
    contact: str
    state: Literal["delivered", "parked", "waiting"]
    tries: int
    occurred_at: str
    first_at: str
    next_at: "str | None"
    last_status: "int | None"
    last_error: "str | None"


class DutyShown(TypedDict):
    """A duty of law that words do not meet, and where they stand."""

    pointer: str
    channel: str
    rule: str
    pack: str
    force: "Force"
    citation: str
    observed: str
    limit: str


class ErasureShown(TypedDict):
    """The receipt: what went, how many digests stay so that a new import does not write to her, and the trace's entry of it. `waiting`: something of hers is in the air; nothing more is sent, and the rest follows when it has landed."""

    id: str
    subject: str
    why: Literal["requested", "retention"]
    state: Literal["done", "waiting"]
    asked_at: str
    done_at: "str | None"
    erased: "dict[str, int] | None"
    suppressed: "int | None"
    entry: "str | None"


class EventsTaken(TypedDict):
    """The ids of the events, in the order in which they were given."""

    ids: "list[str]"


class Evidence(TypedDict):
    """What proves a consent: her own words, the CRM's record, or the instrument alone."""

    instrument: "str | None"
    text: "str | None"
    external_id: "str | None"
    channel: "str | None"
    page: "str | None"
    provider_id: "str | None"


class EvidenceAsk(TypedDict):
    """What proves a statement: her words, by which way they came, what lay before her, and the carrier's own id of them."""

    words: NotRequired["str | None"]
    channel: NotRequired[
        "Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    address: NotRequired["str | None"]
    purpose: NotRequired["Purpose | None"]
    instrument: NotRequired["Instrument | None"]
    page: NotRequired["str | None"]
    provider_id: NotRequired["str | None"]


class FrequencyShown(TypedDict):
    """How close one person is to each limit; `margin` is the smallest, null where no rule counts."""

    contact: str
    at: str
    margin: "int | None"
    limits: "list[LimitShown]"
    held: "list[HeldShown]"


GrowthShown = TypedDict(
    "GrowthShown",
    {"from": "int", "to": "int", "hashes": "list[str]"},
)
"""A consistency proof (RFC 9162 §2.1.4), in hexadecimal; empty from nothing and from a size to itself."""


class HeadShown(TypedDict):
    """The signed head: how large the trace is and what it holds, as one hash. `note` is the C2SP checkpoint."""

    origin: str
    size: int
    root: str
    key_id: str
    public_key: str
    verifier_key: str
    signature: str
    note: str


class Healthy(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class HeldEventAsk(TypedDict):
    """Nobody may be sure that she did not say stop: no contact on any channel before ``until``. ``ended``: somebody looked."""

    type: Literal["held"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    until: NotRequired["str | None"]
    reason: NotRequired["str | None"]
    ended: NotRequired[bool]


class HeldShown(TypedDict):
    """Messages that a rule deferred or blocked."""

    rule: str
    effect: "Answer"
    messages: int


class HoldAsk(TypedDict):
    """Why a person's data must stay, and until when; left out = until it is released."""

    reason: str
    until: NotRequired["str | None"]


class HoldShown(TypedDict):
    """A hold."""

    contact: str
    reason: str
    until: "str | None"
    at: str


HoursRequestedEventAsk = TypedDict(
    "HoursRequestedEventAsk",
    {
        "type": "Literal['hours_requested']",
        "at": "str",
        "id": "NotRequired[str | None]",
        "corrects": "NotRequired[str | None]",
        "evidence": "NotRequired[EvidenceAsk | None]",
        "days": "NotRequired[list[Weekday] | None]",
        "from": "str",
        "to": "str",
        "instrument": "NotRequired[Instrument | None]",
        "requested_by": "NotRequired[Literal['creditor', 'person']]",
    },
)
"""Contact was asked for in these hours; ``from`` is inside, ``to`` outside."""


class InboundCallEventAsk(TypedDict):
    """The person called."""

    type: Literal["inbound_call"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    outcome: NotRequired["ContactOutcome"]
    debts: NotRequired["list[str]"]


class InclusionShown(TypedDict):
    """An audit path (RFC 9162 §2.1.3), nearest hash first, in hexadecimal."""

    index: int
    size: int
    leaf: str
    hashes: "list[str]"


InconvenientEventAsk = TypedDict(
    "InconvenientEventAsk",
    {
        "type": "Literal['inconvenient']",
        "at": "str",
        "id": "NotRequired[str | None]",
        "corrects": "NotRequired[str | None]",
        "evidence": "NotRequired[EvidenceAsk | None]",
        "days": "NotRequired[list[Weekday] | None]",
        "from": "NotRequired[str | None]",
        "to": "NotRequired[str | None]",
        "place": "NotRequired[AddressKind | None]",
    },
)
"""The person said not then (``from`` and ``to``) or not there (``place``)."""


class KeyAsk(TypedDict):
    """A new key. `admin` carries every scope. Left-out `expires_at`: it lives until it is revoked."""

    scopes: "list[Scope]"
    label: NotRequired[str]
    expires_at: NotRequired["str | None"]


class KeyMade(TypedDict):
    """A new key. `key` is shown this once."""

    id: str
    label: str
    scopes: "list[Scope]"
    created_at: str
    last_used_at: "str | None"
    expires_at: "str | None"
    revoked_at: "str | None"
    follows: "str | None"
    key: str


class KeyRotated(TypedDict):
    """A key that took over; the one that it `follows` opens until `old_until`."""

    id: str
    label: str
    scopes: "list[Scope]"
    created_at: str
    last_used_at: "str | None"
    expires_at: "str | None"
    revoked_at: "str | None"
    follows: "str | None"
    key: str
    old_until: str


class KeyShown(TypedDict):
    """A key without its text, which is kept nowhere. Last use is written within ten seconds."""

    id: str
    label: str
    scopes: "list[Scope]"
    created_at: str
    last_used_at: "str | None"
    expires_at: "str | None"
    revoked_at: "str | None"
    follows: "str | None"


class LanguagePreferredEventAsk(TypedDict):
    """The language in which the person wants to be written to (BCP 47)."""

    type: Literal["language_preferred"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    locale: str


class LimitShown(TypedDict):
    """One rule that counts, for one person: what it counted, and how many more contacts it lets pass now."""

    rule: str
    pack: str
    citation: str
    asks: Literal["channel", "count", "gap"]
    channels: "list[str]"
    debt: "str | None"
    counted: int
    limit: int
    margin: int
    window: "WindowShown"
    frees_at: "str | None"
    events: "list[str]"


class ListOfCostSum(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[CostSum]"
    next: "str | None"


class ListOfDeliveryShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[DeliveryShown]"
    next: "str | None"


class ListOfFrequencyShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[FrequencyShown]"
    next: "str | None"


class ListOfKeyShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[KeyShown]"
    next: "str | None"


class ListOfMessageShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[MessageShown]"
    next: "str | None"


class ListOfTemplateListed(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[TemplateListed]"
    next: "str | None"


class ListOfTimelineItem(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[TimelineItem]"
    next: "str | None"


class ListOfTraceEntry(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[TraceEntry]"
    next: "str | None"


class ListOfVersionShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[VersionShown]"
    next: "str | None"


class ListOfWebhookShown(TypedDict):
    """One page of a list; `next` is the cursor of the page after it."""

    items: "list[WebhookShown]"
    next: "str | None"


class ListedEventAsk(TypedDict):
    """The address, or every address of the person's, stands on a do-not-contact register."""

    type: Literal["listed"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    list: str
    channel: NotRequired[
        "Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    address: NotRequired["str | None"]
    since: NotRequired["str | None"]


class MediaTaken(TypedDict):
    """A recording as it was taken: what `audio.media` of a message names, and its length in seconds."""

    id: str
    type: str
    seconds: float


class MessageAsk(TypedDict):
    """One message to one person, by one channel or the first of several that the law allows."""

    contact: "str | ContactAsk"
    channel: NotRequired[
        "Literal['auto', 'call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]
    channels: NotRequired["list[Literal['email', 'sms', 'telegram', 'voice', 'web', 'whatsapp']] | None"]
    purpose: NotRequired["Purpose"]
    debts: NotRequired["list[str | DebtAsk]"]
    content: "ContentAsk"
    sender: NotRequired["SenderAsk | None"]
    form: NotRequired["Form"]
    address: NotRequired["str | None"]
    in_reply_to: NotRequired["str | None"]
    send_at: NotRequired["str | None"]
    expires_at: NotRequired["str | None"]
    spread_seconds: NotRequired["int | None"]
    best_hour: NotRequired[bool]
    metadata: NotRequired["dict[str, str]"]


class MessageShown(TypedDict):
    """A message, where it stands, and why."""

    id: str
    contact: str
    channel: str
    status: "Status"
    purpose: str
    created_at: str
    expires_at: str
    updated_at: str
    decision: "DecisionShown"
    attempts: "list[AttemptShown]"
    cost: "CostShown | None"
    metadata: "dict[str, str]"
    channels: NotRequired["list[str]"]
    decisions: NotRequired["list[DecisionShown]"]
    resolution: NotRequired[str]
    template: NotRequired["TemplateUsed"]


class NotAssociatedEventAsk(TypedDict):
    """The address turned out not to be the person's."""

    type: Literal["not_associated"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    address: str
    channel: NotRequired[
        "Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None"
    ]


NoticeEventAsk = TypedDict(
    "NoticeEventAsk",
    {
        "type": "Literal['notice']",
        "at": "str",
        "id": "NotRequired[str | None]",
        "corrects": "NotRequired[str | None]",
        "evidence": "NotRequired[EvidenceAsk | None]",
        "is": "NoticeKind",
        "debts": "NotRequired[list[str]]",
        "channel": "NotRequired[Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp']]",
    },
)
"""A written notice was sent, by letter unless ``channel`` says otherwise."""


class ObligationShown(TypedDict):
    """A duty that the message must meet."""

    rule: str
    pack: str
    citation: str
    duty: str


class OverrideAsk(TypedDict):
    """A rule set aside, by whose authority, why, and until when. A binding rule has no override."""

    rule: str
    authority: str
    reason: str
    until: NotRequired["str | None"]


class PackShown(TypedDict):
    """A pack that was asked, as `CODE@digest`, and the fact that selected it."""

    pack: str
    because: str


class PersonExported(TypedDict):
    """Everything that is kept of a person, oldest first."""

    contact: dict[str, Any]
    statements: "list[dict[str, Any]]"
    messages: "list[dict[str, Any]]"
    debts: "list[dict[str, Any]]"
    registers: "list[str]"
    told_to_the_creditor: "list[dict[str, Any]]"
    trace_entries: int


class PolicyAsk(TypedDict):
    """What is left out is the default. House rules are written as packs write theirs, and only tighten."""

    sender: NotRequired["SenderAsk | None"]
    readings: NotRequired["dict[str, str | ReadingAsk]"]
    house_rules: NotRequired["list[dict[str, Any]]"]
    overrides: NotRequired["list[OverrideAsk]"]
    caps: NotRequired["list[CapAsk]"]
    auto: NotRequired["Auto | None"]


class PolicyShown(TypedDict):
    """The policy in force; version 0 is the empty one."""

    version: int
    sender: dict[str, Any]
    readings: dict[str, Any]
    house_rules: "list[dict[str, Any]]"
    overrides: "list[dict[str, Any]]"
    caps: "list[dict[str, Any]]"
    auto: NotRequired[dict[str, Any]]


class PreviewAsk(TypedDict):
    """What to fill a template with to see it. `contact` lends her language and her numbers, from which prices follow."""

    variables: NotRequired["dict[str, str | int]"]
    version: NotRequired["int | None"]
    locale: NotRequired["str | None"]
    channels: NotRequired["list[Literal['email', 'sms', 'telegram', 'voice', 'web', 'whatsapp']] | None"]
    contact: NotRequired["str | None"]


ProblemError = TypedDict(
    "ProblemError",
    {"pointer": "str", "detail": "str", "in": "Literal['body', 'query']"},
)
"""One flaw: a JSON Pointer (RFC 6901) into the body or the query's parameters, and a sentence."""


class ProblemShown(TypedDict):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: NotRequired["list[ProblemError]"]


class PromiseEventAsk(TypedDict):
    """The person said that she will pay: on which day, how much, of which debts. ``ended`` takes it back."""

    type: Literal["promise"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    pays_on: NotRequired["str | None"]
    amount: NotRequired["str | None"]
    currency: NotRequired["str | None"]
    debts: NotRequired["list[str]"]
    ended: NotRequired[bool]


class Queued(TypedDict):
    """How many deliveries stand in line again."""

    queued: int


class ReadingAsk(TypedDict):
    """A reading of a disputed rule; one looser than the default needs authority and reason."""

    value: str
    authority: NotRequired["str | None"]
    reason: NotRequired["str | None"]


class Ready(TypedDict):
    """Everything is there that must be; `degraded` names what may be missing and is."""

    status: Literal["ready"]
    degraded: "list[Literal['redis']]"


class ReasonShown(TypedDict):
    """One rule that blocks now."""

    rule: str
    pack: str
    force: "Force"
    citation: str
    effect: "Answer"
    until: "str | None"
    observed: str
    limit: str
    reading: NotRequired[str]


class RegisterReport(TypedDict):
    """What was read: lines of the file; entries in force from now on, how many are new and how many are gone."""

    register: str
    version: int
    as_of: str
    lines: int
    entries: int
    new: int
    gone: int
    bad: int
    errors: "list[BadLineShown]"
    sha256: str
    mode: Literal["add", "replace"]
    asked_by: "list[str]"
    decided_again: int


class RegisterShown(TypedDict):
    """A register and its version in force."""

    register: str
    version: "int | None"
    as_of: "str | None"
    read_at: "str | None"
    entries: int
    asked_by: "list[str]"


class RegisterVersionShown(TypedDict):
    """One version of a register, and what was said of it."""

    register: str
    version: int
    state: Literal["given_up", "in_force", "past", "reading"]
    as_of: str
    begun_at: str
    ended_at: "str | None"
    report: dict[str, Any]


class RegisterVersionsShown(TypedDict):
    """The last versions, newest first."""

    items: "list[RegisterVersionShown]"


class RegisteredAsk(TypedDict):
    """A template that the provider has approved: its own id there (a Content SID, a name), its language, and what fills it. `values` are placeholders without their braces (`amount|money`), in the order of the provider's; left out, those of the text in the order in which they stand there first."""

    reference: str
    language: str
    values: NotRequired["list[str] | None"]


class RegisteredShown(TypedDict):
    """What a provider's own template is called there, and what fills it."""

    way: str
    reference: str
    language: str
    values: "list[str]"


class RegistersShown(TypedDict):
    """All of them."""

    items: "list[RegisterShown]"


class ReplayAsk(TypedDict):
    """From which instant on events are wanted again."""

    since: str


class ReplyEventAsk(TypedDict):
    """The person wrote or said something elsewhere."""

    type: Literal["reply"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    channel: Literal["call_live", "email", "letter", "sms", "telegram", "visit", "voice", "web", "whatsapp"]
    text: NotRequired["str | None"]
    debts: NotRequired["list[str]"]
    address: NotRequired["str | None"]


class ReportAsk(TypedDict):
    """What to report. Left out: the last thirty days, everybody. ``until`` is not later than now."""

    format: Literal["csv", "ndjson", "parquet", "pdf"]
    kind: NotRequired[Literal["frequency"]]
    language: NotRequired[Literal["en", "es", "pt"]]
    since: NotRequired["str | None"]
    until: NotRequired["str | None"]
    contact: NotRequired["str | None"]
    jurisdiction: NotRequired["str | None"]


class ReportShown(TypedDict):
    """A report: `done` people of `total` are counted. `sha256`: of its file, as in the trace. `remade`: how often an erasure changed it."""

    id: str
    state: Literal["failed", "making", "ready", "waiting"]
    format: Literal["csv", "ndjson", "parquet", "pdf"]
    language: Literal["en", "es", "pt"]
    since: str
    until: str
    contact: "str | None"
    jurisdiction: "str | None"
    done: int
    total: "int | None"
    size: "int | None"
    sha256: "str | None"
    remade: int
    created_at: str
    expires_at: str


class RotateAsk(TypedDict):
    """For how long the old key opens beside the new one."""

    overlap_seconds: NotRequired[int]


class ScoreShown(TypedDict):
    """One channel as it was weighed: a draw from Beta(alpha, beta), by its cost as a share of the dearest. Numbers are text."""

    channel: str
    alpha: str
    beta: str
    draw: str
    cost: "str | None"
    score: str


class SecretMade(TypedDict):
    """A new secret, shown this once. The one before it signs beside it until `old_until`."""

    secret: str
    old_until: str


class SenderAsk(TypedDict):
    """Who collects, for whom; what is left out is the tenant's."""

    role: NotRequired["SenderRole | None"]
    creditor: NotRequired["str | None"]
    collector: NotRequired["str | None"]
    sector: NotRequired["Sector | None"]
    seat: NotRequired["str | None"]


class StandingShown(TypedDict):
    """What stood at an instant of all that she said; each statement in the words in which it was told."""

    at: str
    addresses: "list[WordShown]"
    prefers: "dict[str, Any] | None"
    language: "str | None"
    zones: "list[str]"
    held_until: "str | None"
    call: "dict[str, Any] | None"
    promises: "list[dict[str, Any]]"
    hours: "list[dict[str, Any]]"
    inconvenient: "list[dict[str, Any]]"
    statuses: "list[dict[str, Any]]"


class StartOffered(TypedDict):
    """A link that binds the chat in which it is opened to the person. Whoever opens it is taken for her: give it to her alone."""

    url: str
    expires_at: str


StatusEventAsk = TypedDict(
    "StatusEventAsk",
    {
        "type": "Literal['status']",
        "at": "str",
        "id": "NotRequired[str | None]",
        "corrects": "NotRequired[str | None]",
        "evidence": "NotRequired[EvidenceAsk | None]",
        "is": "StatusKind",
        "kind": "NotRequired[Literal['mental_health'] | None]",
        "ended": "NotRequired[bool]",
        "debts": "NotRequired[list[str] | None]",
        "channel": "NotRequired[Literal['call_live', 'email', 'letter', 'sms', 'telegram', 'visit', 'voice', 'web', 'whatsapp'] | None]",
        "address": "NotRequired[str | None]",
    },
)
"""A fact that stops or shapes contact began, or ``ended``."""


class TemplateAsk(TypedDict):
    """A template. `jurisdictions` and `purpose` say under which law its words are judged when it is saved."""

    default: str
    locales: "dict[str, dict[str, VariantAsk]]"
    variables: NotRequired["dict[str, VariableAsk]"]
    purpose: NotRequired["Purpose"]
    jurisdictions: NotRequired["list[str]"]
    states: NotRequired[
        "list[Literal['amount', 'calculation_date', 'collector', 'complaints_unit', 'creditor']] | None"
    ]


class TemplateKept(TypedDict):
    """The version in force from now on; `new` is false when this body had been saved before."""

    name: str
    version: int
    new: bool
    warnings: "list[DutyShown]"
    unused: "list[str]"


class TemplateListed(TypedDict):
    """A template and the version that is in force."""

    name: str
    version: int
    updated_at: str


class TemplatePreviewed(TypedDict):
    """A template, filled."""

    name: str
    version: int
    channels: "list[ChannelPreviewed]"


class TemplateShown(TypedDict):
    """One version as it was written."""

    name: str
    version: int
    in_force: bool
    created_at: str
    default: str
    locales: "dict[str, dict[str, dict[str, Any]]]"
    variables: "dict[str, dict[str, Any]]"
    purpose: str
    jurisdictions: "list[str]"
    states: "list[str] | None"


class TemplateUsed(TypedDict):
    """The template that a message was made with."""

    name: str
    version: int


class TieShown(TypedDict):
    """What a person is to a debt."""

    contact: str
    role: "Role"


class TimelineItem(TypedDict):
    """One thing that happened with a person."""

    id: str
    at: str
    type: Literal["attempt", "contact_event", "decision", "message", "receipt", "reply", "statement"]
    channel: "str | None"
    data: dict[str, Any]


class TraceEntry(TypedDict):
    """One entry of the trace. What names a person is sealed under her key and is not shown here."""

    index: int
    kind: str
    at: str
    subject: "str | None"
    message: "str | None"
    facts: dict[str, Any]
    leaf: str
    payload_digest: "str | None"
    payload: Literal["erased", "kept", "none"]


class VariableAsk(TypedDict):
    """One variable: its kind, and for money the currency of values that name none. Values: `text` and `name` as strings; `number` and `money` as integers or decimal strings with a point, money also with a currency behind it (`120000.50 COP`); `date` as `YYYY-MM-DD`."""

    type: Literal["date", "money", "name", "number", "text"]
    currency: NotRequired["str | None"]
    chars_max: NotRequired[int]
    example: NotRequired["str | int | None"]


class VariantAsk(TypedDict):
    """The words for one channel in one language. `speech` is what a voice note or a call says instead of `text`."""

    text: NotRequired["str | None"]
    subject: NotRequired["str | None"]
    html: NotRequired["str | None"]
    speech: NotRequired["str | None"]
    registered: NotRequired["dict[str, RegisteredAsk]"]


class VersionShown(TypedDict):
    """One version."""

    version: int
    created_at: str
    in_force: bool


class WayEndingShown(TypedDict):
    """How one attempt ended; no person is in it."""

    at: str
    ending: str
    reason: "str | None"


class WayShown(TypedDict):
    """One way of one channel."""

    provider: str
    channel: str
    kind: str
    weight: "int | None"
    state: str
    wait_seconds: float
    recent: "list[WayEndingShown]"


class WaysShown(TypedDict):
    """Every way."""

    items: "list[WayShown]"


class WebhookAsk(TypedDict):
    """Where events are wanted. Left-out `types`: all of them."""

    url: str
    types: NotRequired[
        "list[Literal['consent.changed', 'contact.flagged', 'message.blocked', 'message.cancelled', 'message.deferred', 'message.delivered', 'message.expired', 'message.failed', 'message.read', 'message.sent', 'message.undelivered', 'message.unknown', 'reply.received']]"
    ]


class WebhookMade(TypedDict):
    """A new endpoint. The secret is shown this once; it signs every delivery (Standard Webhooks)."""

    id: str
    url: str
    types: "list[Literal['consent.changed', 'contact.flagged', 'message.blocked', 'message.cancelled', 'message.deferred', 'message.delivered', 'message.expired', 'message.failed', 'message.read', 'message.sent', 'message.undelivered', 'message.unknown', 'reply.received']]"
    created_at: str
    secret: str


class WebhookShown(TypedDict):
    """Where a CRM wants its events; without `types`, all of them."""

    id: str
    url: str
    types: "list[Literal['consent.changed', 'contact.flagged', 'message.blocked', 'message.cancelled', 'message.deferred', 'message.delivered', 'message.expired', 'message.failed', 'message.read', 'message.sent', 'message.undelivered', 'message.unknown', 'reply.received']]"
    created_at: str


WindowShown = TypedDict(
    "WindowShown",
    {"from": "str | None", "to": "str | None"},
)
"""In which contacts count that are made now; the widest of her zones' windows."""


class WitnessShown(TypedDict):
    """Who signed under a head, and when by her own clock."""

    name: str
    verifier_key: str
    at: str


class WordShown(TypedDict):
    """Her last word on contact at one address."""

    channel: str
    address: str
    word: Literal["no", "silent", "yes"]
    since: "str | None"


class ZoneStatedEventAsk(TypedDict):
    """Where her clock stands, said by the person herself: it replaces every other zone, until ``ended``."""

    type: Literal["zone_stated"]
    at: str
    id: NotRequired["str | None"]
    corrects: NotRequired["str | None"]
    evidence: NotRequired["EvidenceAsk | None"]
    zones: NotRequired["list[str]"]
    ended: NotRequired[bool]
