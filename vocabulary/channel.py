"""Channels, forms, purposes and roles: the closed lists that laws, people and providers are asked about."""

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach a person. The last three are done by people: the gateway counts them and may be asked about them."""

    SMS = "sms"
    EMAIL = "email"
    WHATSAPP = "whatsapp"
    TELEGRAM = "telegram"
    VOICE = "voice"
    WEB = "web"
    CALL_LIVE = "call_live"
    VISIT = "visit"
    LETTER = "letter"


#: Channels that the gateway itself sends on; the others it only counts.
SENDABLE: frozenset[Channel] = frozenset(
    {Channel.SMS, Channel.EMAIL, Channel.WHATSAPP, Channel.TELEGRAM, Channel.VOICE, Channel.WEB}
)


class Form(StrEnum):
    """The shape of a message on its channel; a voice note on WhatsApp is still the channel WhatsApp."""

    TEXT = "text"
    VOICE_NOTE = "voice_note"


class Purpose(StrEnum):
    """Why a person is contacted; exemptions of law are bound to it."""

    COLLECTION = "collection"
    REMINDER = "reminder"
    REQUESTED_INFO = "requested_info"
    FRAUD_ALERT = "fraud_alert"
    PRIOR_NOTICE = "prior_notice"
    LEGAL_NOTICE = "legal_notice"
    MARKETING = "marketing"
    SERVICE = "service"
    OPTOUT_CONFIRMATION = "optout_confirmation"


class Role(StrEnum):
    """What the person reached is to the debt."""

    DEBTOR = "debtor"
    CODEBTOR = "codebtor"
    GUARANTOR = "guarantor"
    SPOUSE = "spouse"
    REFERENCE = "reference"
    FAMILY = "family"
    EMPLOYER = "employer"
    ATTORNEY = "attorney"
    UNKNOWN = "unknown"


class SenderRole(StrEnum):
    """Who is collecting."""

    CREDITOR = "creditor"
    THIRD_PARTY = "third_party"
    DEBT_BUYER = "debt_buyer"


class Sector(StrEnum):
    """The creditor's sector."""

    BANK = "bank"
    FINANCE_COMPANY = "finance_company"
    MICROFINANCE = "microfinance"
    RETAIL = "retail"
    UTILITY = "utility"
    CARD = "card"


class AddressKind(StrEnum):
    """Where an address is: her own, her employer's, or used by several."""

    PERSONAL = "personal"
    WORK = "work"
    SHARED = "shared"
    UNKNOWN = "unknown"


class AddressSource(StrEnum):
    """How the address came to be known."""

    SUPPLIED = "supplied"
    CONTRACT = "contract"
    SKIP_TRACED = "skip_traced"
    THIRD_PARTY = "third_party"
    UNKNOWN = "unknown"
