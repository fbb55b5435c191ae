"""What the surface answers, as types: the description is made from them, and tests hold every answer against them."""

from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from vocabulary.channel import AddressKind, AddressSource, Role
from vocabulary.status import Status
from vocabulary.verdict import Answer, Force

Item = TypeVar("Item")

MessageId = Annotated[str, Meta(pattern="^msg_[0-9a-f]{32}$")]
Instant = Annotated[datetime, Meta(tz=True)]
EventType = Literal[
    "message.deferred",
    "message.blocked",
    "message.sent",
    "message.delivered",
    "message.read",
    "message.undelivered",
    "message.failed",
    "message.unknown",
    "message.expired",
    "message.cancelled",
    "reply.received",
    "consent.changed",
    "contact.flagged",
]


class PackShown(Struct, frozen=True):
    """A pack that was asked, as `CODE@digest`, and the fact that selected it."""

    pack: str
    because: str


class ReasonShown(Struct, frozen=True):
    """One rule that blocks now."""

    rule: str
    pack: str
    force: Force
    citation: str
    effect: Answer
    until: Annotated[Instant | None, Meta(description="When this rule alone would let the message pass.")]
    observed: str
    limit: str
    reading: str | UnsetType = UNSET


class ObligationShown(Struct, frozen=True):
    """A duty that the message must meet."""

    rule: str
    pack: str
    citation: str
    duty: str


class ScoreShown(Struct, frozen=True):
    """One channel as it was weighed: a draw from Beta(alpha, beta), by its cost as a share of the dearest. Numbers are text."""

    channel: str
    alpha: str
    beta: str
    draw: str
    cost: str | None
    score: str


class AutoShown(Struct, frozen=True):
    """With `channel` `auto`: why this channel. The order can be drawn again from `seed` and `scores`; it never opens a channel."""

    chosen: str
    because: Literal[
        "learned",
        "explored",
        "preferred",
        "only_channel",
        "answered_there",
        "off",
        "opens_first",
        "waits_for_a_better_hour",
        "none_allowed",
    ]
    preferred: str | UnsetType = UNSET
    seed: str | UnsetType = UNSET
    cost_weight: str | UnsetType = UNSET
    exploration: str | UnsetType = UNSET
    scores: list[ScoreShown] | UnsetType = UNSET


class DecisionShown(Struct, frozen=True):
    """What the law answers. A refusal by law is not an HTTP error."""

    outcome: Answer
    until: Annotated[Instant | None, Meta(description="The earliest instant at which it would be allowed.")]
    decided_at: Instant
    packs: list[PackShown]
    reasons: Annotated[list[ReasonShown], Meta(description="Every rule that blocks, not the first.")]
    obligations: list[ObligationShown]
    channel: str | UnsetType = UNSET
    explanation: (
        Annotated[
            list[str],
            Meta(
                description="With `explain`: whole sentences that can be filed. Every rule asked, what it counted, its limit and "
                "window, the reading chosen and the next allowed instant; no address, no text, no name."
            ),
        ]
        | UnsetType
    ) = UNSET
    decisions: list["DecisionShown"] | UnsetType = UNSET
    auto: AutoShown | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    passed_over: (
        Annotated[
            list["DecisionShown"],
            Meta(
                description="Ways of the channel that the law forbids while it allows another, each with its `provider`."
            ),
        ]
        | UnsetType
    ) = UNSET


class AttemptShown(Struct, frozen=True):
    """One try by one provider. An `outcome` of null: on its way right now."""

    id: str
    provider: str
    channel: str
    provider_id: str | None
    provider_status: str | None
    outcome: str | None
    reason: str | None
    at: Instant


class CostShown(Struct, frozen=True):
    """What the message is expected to cost; `actual` once it is told: by the provider, by its segments, or as nothing left us."""

    segments: int | None
    encoding: str | None
    amount: str | None
    currency: str | None
    actual: str | UnsetType = UNSET


class MessageShown(Struct, frozen=True):
    """A message, where it stands, and why."""

    id: MessageId
    contact: str
    channel: str
    status: Status
    purpose: str
    created_at: Instant
    expires_at: Instant
    updated_at: Instant
    decision: DecisionShown
    attempts: list[AttemptShown]
    cost: CostShown | None
    metadata: dict[str, str]
    channels: list[str] | UnsetType = UNSET
    decisions: list[DecisionShown] | UnsetType = UNSET
    resolution: str | UnsetType = UNSET
    template: "TemplateUsed | UnsetType" = UNSET


class AddressShown(Struct, frozen=True):
    """An address in its one spelling."""

    channel: str
    address: str
    kind: AddressKind
    source: AddressSource


class ContactShown(Struct, frozen=True):
    """A person as the CRM describes her."""

    id: str
    name: str | None
    role: Role
    locale: str | None
    jurisdictions: list[str]
    zones: list[str]
    household: str | None
    addresses: list[AddressShown]
    residence: str | UnsetType = UNSET


class TieShown(Struct, frozen=True):
    """What a person is to a debt."""

    contact: str
    role: Role


class DebtShown(Struct, frozen=True):
    """A debt's facts."""

    id: str
    creditor: str | None
    contract_signed: date | None
    due: date | None
    kind: str | None
    contacts: list[TieShown]


class EventsTaken(Struct, frozen=True):
    """The ids of the events, in the order in which they were given."""

    ids: list[str]


class TimelineItem(Struct, frozen=True):
    """One thing that happened with a person."""

    id: str
    at: Instant
    type: Literal["message", "decision", "attempt", "receipt", "reply", "statement", "contact_event"]
    channel: str | None
    data: dict[str, Any]


class Evidence(Struct, frozen=True):
    """What proves a consent: her own words, the CRM's record, or the instrument alone."""

    instrument: str | None
    text: str | None
    external_id: str | None
    channel: Annotated[str | None, Meta(description="By which way it came.")]
    page: Annotated[str | None, Meta(description="The version of the page or notice that lay before her.")]
    provider_id: str | None


class ConsentShown(Struct, frozen=True):
    """What a person allowed or took back. With neither channel, address nor `all`, it speaks of every channel."""

    id: str
    at: Instant
    state: Literal["granted", "withdrawn"]
    channel: str | None
    address: str | None
    all: bool
    purpose: str | None
    given_to: str | None
    grants: str | None
    debts: list[str] | None
    for_days: int | None
    evidence: Evidence
    corrected_by: str | None


class WordShown(Struct, frozen=True):
    """Her last word on contact at one address."""

    channel: str
    address: str
    word: Literal["yes", "no", "silent"]
    since: Instant | None


class StandingShown(Struct, frozen=True):
    """What stood at an instant of all that she said; each statement in the words in which it was told."""

    at: Instant
    addresses: list[WordShown]
    prefers: dict[str, Any] | None
    language: str | None
    zones: list[str]
    held_until: Instant | None
    call: dict[str, Any] | None
    promises: list[dict[str, Any]]
    hours: list[dict[str, Any]]
    inconvenient: list[dict[str, Any]]
    statuses: list[dict[str, Any]]


class ConsentsShown(Struct, frozen=True):
    """One page of consents; `standing` only with `at`."""

    items: list[ConsentShown]
    next: str | None
    standing: StandingShown | UnsetType = UNSET


class PolicyShown(Struct, frozen=True):
    """The policy in force; version 0 is the empty one."""

    version: int
    sender: dict[str, Any]
    readings: dict[str, Any]
    house_rules: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    caps: list[dict[str, Any]]
    auto: dict[str, Any] | UnsetType = UNSET


class DutyShown(Struct, frozen=True):
    """A duty of law that words do not meet, and where they stand."""

    pointer: str
    channel: str
    rule: str
    pack: str
    force: Force
    citation: str
    observed: str
    limit: str


class TemplateKept(Struct, frozen=True):
    """The version in force from now on; `new` is false when this body had been saved before."""

    name: str
    version: int
    new: bool
    warnings: list[DutyShown]
    unused: Annotated[list[str], Meta(description="Variables that no text uses.")]


class TemplateListed(Struct, frozen=True):
    """A template and the version that is in force."""

    name: str
    version: int
    updated_at: Instant


class VersionShown(Struct, frozen=True):
    """One version."""

    version: int
    created_at: Instant
    in_force: bool


class TemplateShown(Struct, frozen=True):
    """One version as it was written."""

    name: str
    version: int
    in_force: bool
    created_at: Instant
    default: str
    locales: dict[str, dict[str, dict[str, Any]]]
    variables: dict[str, dict[str, Any]]
    purpose: str
    jurisdictions: list[str]
    states: list[str] | None


class RegisteredShown(Struct, frozen=True):
    """What a provider's own template is called there, and what fills it."""

    way: str
    reference: str
    language: str
    values: list[str]


class ChannelPreviewed(Struct, frozen=True):
    """What one channel would say, in the language that was found."""

    channel: str
    locale: str
    text: str
    subject: str | None
    html: str | None
    characters: int
    cost: CostShown | None
    registered: list[RegisteredShown]


class TemplatePreviewed(Struct, frozen=True):
    """A template, filled."""

    name: str
    version: int
    channels: list[ChannelPreviewed]


class TemplateUsed(Struct, frozen=True):
    """The template that a message was made with."""

    name: str
    version: int


class WebhookShown(Struct, frozen=True):
    """Where a CRM wants its events; without `types`, all of them."""

    id: str
    url: str
    types: list[EventType]
    created_at: Instant


class WebhookMade(Struct, frozen=True):
    """A new endpoint. The secret is shown this once; it signs every delivery (Standard Webhooks)."""

    id: str
    url: str
    types: list[EventType]
    created_at: Instant
    secret: Annotated[str, Meta(pattern="^whsec_")]


class SecretMade(Struct, frozen=True):
    """A new secret, shown this once. The one before it signs beside it until `old_until`."""

    secret: Annotated[str, Meta(pattern="^whsec_")]
    old_until: Instant


class DeliveryShown(Struct, frozen=True):
    """What became of one event at one endpoint."""

    id: str
    type: str
    contact: str
    state: Literal["waiting", "delivered", "parked"]
    tries: int
    occurred_at: Instant
    first_at: Instant
    next_at: Instant | None
    last_status: int | None
    last_error: str | None


class Queued(Struct, frozen=True):
    """How many deliveries stand in line again."""

    queued: int


class TraceEntry(Struct, frozen=True):
    """One entry of the trace. What names a person is sealed under her key and is not shown here."""

    index: int
    kind: str
    at: Instant
    subject: str | None
    message: MessageId | None
    facts: dict[str, Any]
    leaf: str
    payload_digest: str | None
    payload: Annotated[Literal["none", "kept", "erased"], Meta(description="Whether the sealed words still exist.")]


class WindowShown(Struct, frozen=True, rename={"from_": "from"}):
    """In which contacts count that are made now; the widest of her zones' windows."""

    from_: Instant | None
    to: Instant | None


class LimitShown(Struct, frozen=True):
    """One rule that counts, for one person: what it counted, and how many more contacts it lets pass now."""

    rule: str
    pack: str
    citation: str
    asks: Literal["count", "gap", "channel"]
    channels: list[str]
    debt: str | None
    counted: int
    limit: int
    margin: int
    window: WindowShown
    frees_at: Annotated[Instant | None, Meta(description="When what fills it no longer counts.")]
    events: list[str]


class HeldShown(Struct, frozen=True):
    """Messages that a rule deferred or blocked."""

    rule: str
    effect: Answer
    messages: int


class FrequencyShown(Struct, frozen=True):
    """How close one person is to each limit; `margin` is the smallest, null where no rule counts."""

    contact: str
    at: Instant
    margin: int | None
    limits: list[LimitShown]
    held: list[HeldShown]


class HeadShown(Struct, frozen=True):
    """The signed head: how large the trace is and what it holds, as one hash. `note` is the C2SP checkpoint."""

    origin: str
    size: int
    root: str
    key_id: str
    public_key: str
    verifier_key: str
    signature: str
    note: str


class WitnessShown(Struct, frozen=True):
    """Who signed under a head, and when by her own clock."""

    name: str
    verifier_key: str
    at: Instant


class CosignedShown(Struct, frozen=True):
    """A signed head with what witnesses signed under it, as one signed note."""

    size: int
    note: str
    witnesses: list[WitnessShown]


class InclusionShown(Struct, frozen=True):
    """An audit path (RFC 9162 §2.1.3), nearest hash first, in hexadecimal."""

    index: int
    size: int
    leaf: str
    hashes: list[str]


class GrowthShown(Struct, frozen=True, rename={"from_": "from"}):
    """A consistency proof (RFC 9162 §2.1.4), in hexadecimal; empty from nothing and from a size to itself."""

    from_: int
    to: int
    hashes: list[str]


class Healthy(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(Struct, frozen=True):
    """Everything is there that must be; `degraded` names what may be missing and is."""

    status: Literal["ready"]
    degraded: list[Literal["redis"]]


class ListOf(Struct, Generic[Item], frozen=True):
    """One page of a list; `next` is the cursor of the page after it."""

    items: list[Item]
    next: str | None


class ProblemError(Struct, frozen=True, rename={"in_": "in"}):
    """One flaw: a JSON Pointer (RFC 6901) into the body or the query's parameters, and a sentence."""

    pointer: str
    detail: str
    in_: Literal["body", "query"]


class BatchResult(Struct, frozen=True):
    """What became of one message of a batch: the status that a request of its own would have had, and its answer."""

    status: int
    idempotency_key: str | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    message: MessageShown | UnsetType = UNSET
    problem: "ProblemShown | UnsetType" = UNSET


class ProblemShown(Struct, frozen=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemError] | UnsetType = UNSET
