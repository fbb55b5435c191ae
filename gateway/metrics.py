"""What the gateway counts for Prometheus: every metric by name, and no person, tenant or address in any label."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

#: Seconds; a durable acceptance takes a few milliseconds, and nobody waits for more than ten seconds.
SECONDS_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

#: Seconds of a turn of the clock's work: most are short, the nightly recheck reads a whole trace.
JOB_SECONDS_BUCKETS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.http_requests = Counter(
            "tregua_http_requests",
            "Requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.http_seconds = Histogram(
            "tregua_http_request_seconds",
            "Seconds from the head of a request to its answer.",
            ("route",),
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.http_open = Gauge("tregua_http_requests_open", "Requests being worked on.", registry=self.registry)
        self.messages_accepted = Counter(
            "tregua_messages_accepted",
            "Messages accepted, by the status of their first decision.",
            ("status",),
            registry=self.registry,
        )
        self.messages_replayed = Counter(
            "tregua_messages_replayed", "Acceptances answered again for the same key.", registry=self.registry
        )
        self.attempts = Counter(
            "tregua_attempts",
            "Attempts that ended, by provider and ending.",
            ("provider", "ending"),
            registry=self.registry,
        )
        self.receipts = Counter(
            "tregua_receipts", "Receipts of providers, by kind.", ("provider", "kind"), registry=self.registry
        )
        self.hooks_forged = Counter(
            "tregua_hooks_forged", "Hooks whose signature did not hold.", ("provider",), registry=self.registry
        )
        self.hooks_unreadable = Counter(
            "tregua_hooks_unreadable",
            "Hooks kept raw because nobody could read them.",
            ("provider",),
            registry=self.registry,
        )
        self.crm_deliveries = Counter(
            "tregua_crm_deliveries",
            "Tries to deliver an event to a CRM, by ending.",
            ("ending",),
            registry=self.registry,
        )
        self.jobs = Counter(
            "tregua_jobs", "Turns of what runs by the clock, by ending.", ("job", "ending"), registry=self.registry
        )
        self.job_seconds = Histogram(
            "tregua_job_seconds",
            "Seconds that a turn took.",
            ("job",),
            buckets=JOB_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.deliveries_due = Gauge(
            "tregua_crm_deliveries_due", "Events whose next delivery is due.", registry=self.registry
        )
        self.deliveries_due_seconds = Gauge(
            "tregua_crm_deliveries_due_oldest_seconds", "How long the oldest of them is due.", registry=self.registry
        )
        self.deliveries_parked = Gauge(
            "tregua_crm_deliveries_parked", "Events that nobody took within three days.", registry=self.registry
        )
        self.messages_unknown = Gauge(
            "tregua_messages_unknown", "Messages of which nobody knows whether they left.", registry=self.registry
        )
        self.workers = Gauge("tregua_workers", "Workers that beat lately.", registry=self.registry)
        self.way_state = Gauge(
            "tregua_way_state",
            "How a way may be used: 0 closed, 1 resting, 2 probing, 3 open.",
            ("provider",),
            registry=self.registry,
        )
        self.messages_due = Gauge(
            "tregua_messages_due", "Waiting messages whose instant has come.", registry=self.registry
        )
        self.messages_due_seconds = Gauge(
            "tregua_messages_due_oldest_seconds", "How long the oldest of them is due.", registry=self.registry
        )
        self.recheck_breaches = Gauge(
            "tregua_recheck_breaches",
            "Breaches that the last nightly recheck of all tenants found.",
            registry=self.registry,
        )
        self.recheck_seconds = Gauge(
            "tregua_recheck_age_seconds", "How long ago the oldest of them ran.", registry=self.registry
        )
        self.policies_unreadable = Gauge(
            "tregua_policies_unreadable",
            "Tenants whose policy this release does not understand: nothing is sent for them.",
            registry=self.registry,
        )
        self._accepted: dict[str, Counter] = {}
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def accepted(self, status: str) -> None:
        """One message accepted."""
        counter = self._accepted.get(status)
        if counter is None:
            counter = self._accepted[status] = self.messages_accepted.labels(status)
        counter.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request answered. ``method`` and ``route`` come from the route table, never from the caller."""
        key = (method, route, status)
        counter = self._answered.get(key)
        if counter is None:
            counter = self._answered[key] = self.http_requests.labels(method, route, str(status))
        counter.inc()
        timer = self._timed.get(route)
        if timer is None:
            timer = self._timed[route] = self.http_seconds.labels(route)
        timer.observe(seconds)

    def turned(self, job: str, ending: str, seconds: float) -> None:
        """One turn of what runs by the clock."""
        self.jobs.labels(job, ending).inc()
        self.job_seconds.labels(job).observe(seconds)
