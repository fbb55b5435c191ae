"""What mail hosts say on the wire: the table by which ``test_every_mail_adapter`` tries ``adapters/email_smtp.py``.

Words: RFC 5321 section 4.2.3, RFC 3463 and what Postfix, Exim and the large mailbox providers put behind them.
"""

from collections.abc import Mapping
from pathlib import Path

from adapters.kit.mail_testing import MailDemands, Phase, Turn, Word

DOMAIN = "mail.cobranza.example"
USERNAME = "canary-user"
PASSWORD = "canary-password-of-the-relay"


def table(server: str, **more: object) -> Mapping[str, object]:
    return {
        "kind": "smtp",
        "server": server,
        "tls": "none",
        "from": "Cobranza C1 <avisos@cobranza.example>",
        "domain": DOMAIN,
    } | more


def private_table(server: str, certificates: Path) -> Mapping[str, object]:
    return table(server, tls="starttls", ca_file=str(certificates), username=USERNAME, password=PASSWORD)


DEMANDS = MailDemands(
    table=table,
    private_table=private_table,
    secrets=(PASSWORD, USERNAME),
    username=USERNAME,
    password=PASSWORD,
    optional=frozenset({"tls"}),
    rejected=Turn(Phase.DOT, Word(554, "5.7.1 <canary@example.com>: message from us is taken for spam")),
    address_invalid=Turn(Phase.RCPT, Word(550, "5.1.1 <canary@example.com>: user unknown\nin our table")),
    throttled=Turn(Phase.RCPT, Word(450, "4.7.1 <canary@example.com>: Recipient address rejected: Greylisted")),
    throttled_seconds=300.0,
)
