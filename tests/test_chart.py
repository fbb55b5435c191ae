"""The Helm chart: linted and rendered by Helm's own SDK, every object held against Kubernetes' schema and against this release."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.api.table import ROUTES
from gateway.dispatch import ABANDONED
from gateway.processes import GRACE_SECONDS
from tests.docs.snippets import snippets
from tests.test_deploy import SETTINGS

#: The newest Kubernetes whose schema is at hand, and the oldest that the chart names.
VERSIONS = ("1.37", "1.27")
RELEASE, NAMESPACE = "prod", "cobranza"

LEAST: dict[str, Any] = {
    "image": {"repository": "registry.example/tregua"},
    "publicUrl": "https://tregua.example",
    "secrets": {"gateway": "tregua-gateway", "owner": "tregua-owner"},
}
WHOLE: dict[str, Any] = {
    "image": {"repository": "registry.example/tregua", "digest": "sha256:" + "a" * 64, "pullSecrets": ["pull"]},
    "publicUrl": "https://tregua.example/base",
    "secrets": {"gateway": "tregua-gateway", "owner": "tregua-owner", "config": "tregua-config"},
    "worker": {"metricsPort": 9464, "nodeSelector": {"pool": "work"}, "tolerations": [{"operator": "Exists"}]},
    "api": {"nodeSelector": {"pool": "web"}, "tolerations": [{"operator": "Exists"}]},
    "migrate": {"finish": True},
    "redis": {"enabled": True},
    "ingress": {
        "enabled": True,
        "host": "tregua.example",
        "className": "nginx",
        "tlsSecret": "tls",
        "annotations": {"a/b": "c"},
    },
    "metrics": {"podMonitor": True},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    "otel": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
    "serviceAccount": {"annotations": {"a/b": "c"}},
    "podAnnotations": {"a/b": "c"},
}

#: Helm is written in Go, whose runtime is better not beside a test runner's signals: a process of its own does all of it.
PROGRAM = """
import json, sys
from helm_python.chart import Chart, lint
path, name, namespace, wanted = json.load(sys.stdin)
found = []
for values in wanted:
    try:
        with Chart.load(path) as chart:
            chart.validate_schema(values)
            rendered = chart.render(values, name=name, namespace=namespace)
        found.append({"lint": lint(path, values, strict=True, namespace=namespace), "rendered": rendered})
    except Exception as error:
        found.append({"error": f"{type(error).__name__}: {error}"})
json.dump(found, sys.stdout)
"""

Rendering = dict[str, Any]


@pytest.fixture(scope="module")
def chart(checkout: Path) -> Path:
    return checkout / "deploy" / "helm" / "tregua"


@pytest.fixture(scope="module")
def rendered(chart: Path) -> Callable[..., list[Rendering]]:
    def render(*wanted: dict[str, Any]) -> list[Rendering]:
        asked = json.dumps([str(chart), RELEASE, NAMESPACE, wanted])
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], input=asked, capture_output=True, text=True, check=True, timeout=120
        )
        answered: list[Rendering] = json.loads(ended.stdout)
        return answered

    return render


@pytest.fixture(scope="module")
def both(rendered: Callable[..., list[Rendering]]) -> dict[str, Rendering]:
    return dict(zip(("least", "whole"), rendered(LEAST, WHOLE), strict=True))


def objects(rendering: Rendering) -> list[dict[str, Any]]:
    texts = [text for name, text in rendering["rendered"].items() if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def named(rendering: Rendering, kind: str, part: str) -> dict[str, Any]:
    [found] = [
        o for o in objects(rendering) if o["kind"] == kind and o["metadata"]["name"] == f"{RELEASE}-tregua{part}"
    ]
    return found


def pods(rendering: Rendering) -> dict[str, dict[str, Any]]:
    """The pod templates by the name of what makes them."""
    return {o["metadata"]["name"]: o["spec"]["template"] for o in objects(rendering) if "template" in o.get("spec", {})}


@pytest.mark.parametrize("values", ["least", "whole"])
def test_helm_has_nothing_to_say_against_it(both: dict[str, Rendering], values: str) -> None:
    told = both[values]
    assert "error" not in told, told["error"]
    # 1 is information: an icon is recommended, and a gateway has none.
    assert [m for m in told["lint"]["messages"] if m["severity"] > 1] == []
    assert told["lint"]["errors"] == []
    assert "<no value>" not in json.dumps(told["rendered"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", ["least", "whole"])
def test_every_object_is_one_that_kubernetes_takes(both: dict[str, Rendering], values: str, version: str) -> None:
    checked = 0
    for found in objects(both[values]):
        if found["kind"] != "PodMonitor":  # of an operator that a cluster may have: its schema is not Kubernetes' own
            kubernetes_validate.validate(found, version, strict=True)
            checked += 1
    assert checked == {"least": 10, "whole": 15}[values]


def test_kubernetes_schema_does_see_a_flaw(both: dict[str, Rendering]) -> None:
    bent = copy.deepcopy(named(both["least"], "Deployment", "-api"))
    bent["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "http"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bent, VERSIONS[0], strict=True)


def without(path: str) -> dict[str, Any]:
    bent = copy.deepcopy(LEAST)
    *steps, last = path.split(".")
    inner = bent
    for step in steps:
        inner = inner[step]
    del inner[last]
    return bent


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no image": (without("image.repository"), "image.repository is needed"),
    "no public address": (without("publicUrl"), "publicUrl is needed"),
    "no secret of the gateway": (without("secrets.gateway"), "secrets.gateway is needed"),
    "no secret of the owner": (without("secrets.owner"), "secrets.owner is needed"),
    "a value that is none": ({**LEAST, "replicas": 3}, "replicas"),
    "a password where none belongs": ({**LEAST, "secrets": {**LEAST["secrets"], "password": "x"}}, "password"),
    "a number that is none": ({**LEAST, "api": {"replicas": "two"}}, "replicas"),
    "an address with a query": ({**LEAST, "publicUrl": "https://x/?a=1"}, "publicUrl"),
    "an ingress without a host": ({**LEAST, "ingress": {"enabled": True}}, "ingress.host is needed"),
    "a setting of OpenTelemetry that is none": ({**LEAST, "otel": {"ENDPOINT": "x"}}, "ENDPOINT"),
}


def test_what_cannot_work_is_refused_by_name(rendered: Callable[..., list[Rendering]]) -> None:
    answers = rendered(*(values for values, _ in REFUSED.values()))
    for (claim, (_, said)), answer in zip(REFUSED.items(), answers, strict=True):
        assert said in answer.get("error", ""), f"{claim}: {str(answer)[:300]}"


@pytest.mark.parametrize("values", ["least", "whole"])
def test_only_the_migrations_sign_in_as_the_owner(both: dict[str, Rendering], values: str) -> None:
    for name, pod in pods(both[values]).items():
        for container in pod["spec"]["containers"]:
            names = {each["name"] for each in container.get("env", ())}
            assert {n for n in names if not n.startswith("OTEL_")} <= SETTINGS, "a name that the settings would refuse"
            owner = "tregua-owner" in json.dumps(container)
            assert owner == (container["name"] == "migrate"), name
            if owner:
                assert names == {"TREGUA_DATABASE_URL"}
    assert "password" not in json.dumps(both[values]["rendered"]).lower()


@pytest.mark.parametrize("values", ["least", "whole"])
def test_a_program_has_no_more_rights_than_it_needs(both: dict[str, Rendering], values: str) -> None:
    found = pods(both[values])
    assert set(found) == {f"{RELEASE}-tregua-{part}" for part in ("api", "worker", "migrate")} | (
        {f"{RELEASE}-tregua-redis", f"{RELEASE}-tregua-finish"} if values == "whole" else set()
    )
    for pod in found.values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            rights = container["securityContext"]
            assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("values", ["least", "whole"])
def test_what_selects_pods_finds_them(both: dict[str, Rendering], values: str) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(both[values]).values()]
    selectors = []
    for found in objects(both[values]):
        spec = found.get("spec", {})
        match found["kind"]:
            case "Service":
                selectors.append(spec["selector"])
            case "Deployment" | "PodDisruptionBudget" | "PodMonitor":
                selectors.append(spec["selector"]["matchLabels"])
            case "NetworkPolicy":
                selectors.append(spec["podSelector"]["matchLabels"])
    assert len(selectors) > 5
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


def test_probes_ask_for_what_there_is_and_ends_are_waited_for(both: dict[str, Rendering]) -> None:
    api = named(both["whole"], "Deployment", "-api")["spec"]["template"]["spec"]
    worker = named(both["whole"], "Deployment", "-worker")["spec"]["template"]["spec"]
    paths = {route.path for route in ROUTES}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert api["containers"][0][probe]["httpGet"]["path"] in paths
    assert api["terminationGracePeriodSeconds"] > GRACE_SECONDS + 5
    assert worker["terminationGracePeriodSeconds"] > ABANDONED.total_seconds()
    assert worker["containers"][0]["ports"] == [{"name": "metrics", "containerPort": 9464}]
    commands = {c["args"][0] for pod in pods(both["whole"]).values() for c in pod["spec"]["containers"]}
    assert commands == {"serve", "work", "migrate", "valkey-server"}


def test_migrations_come_before_a_release_and_what_the_old_one_could_not_bear_after_it(
    both: dict[str, Rendering],
) -> None:
    jobs = {o["metadata"]["name"]: o for o in objects(both["whole"]) if o["kind"] == "Job"}
    before, after = jobs[f"{RELEASE}-tregua-migrate"], jobs[f"{RELEASE}-tregua-finish"]
    assert before["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert after["metadata"]["annotations"]["helm.sh/hook"] == "post-upgrade"
    arguments = [job["spec"]["template"]["spec"]["containers"][0]["args"] for job in (before, after)]
    assert arguments == [["migrate"], ["migrate", "--finish"]]
    assert not [o for o in objects(both["least"]) if o["metadata"]["name"].endswith("-finish")]


def test_the_network_lets_through_what_is_needed_and_nothing_else(both: dict[str, Rendering]) -> None:
    def ports(part: str, way: str) -> set[object]:
        rules = named(both["whole"], "NetworkPolicy", part)["spec"][way]
        return {port["port"] for rule in rules for port in rule["ports"]}

    assert ports("-api", "ingress") == {"http"}
    assert ports("-worker", "ingress") == {"metrics"}
    assert ports("-migrate", "ingress") == set()
    assert ports("-migrate", "egress") == {53, 5432, 6432}
    assert ports("-api", "egress") == ports("-worker", "egress") == {53, 5432, 6432, 6379, 443, 465, 587, 4318}
    assert ports("-redis", "egress") == set()


def test_every_value_that_a_template_reads_has_its_place_in_the_values(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    read = {
        path
        for file in (chart / "templates").iterdir()
        for path in re.findall(r"\.Values\.([A-Za-z.]+[A-Za-z])", file.read_text())
    }
    assert len(read) > 30
    for path in read:
        found: Any = values
        for step in path.split("."):
            assert step in found, f"values.yaml has no {path}"
            found = found[step]
    assert set(values) == set(schema["properties"]) - {"global"}


def test_the_values_that_the_docs_show_are_enough(rendered: Callable[..., list[Rendering]], checkout: Path) -> None:
    shown = [each for each in snippets(checkout / "docs" / "operations.md") if each.kind == "yaml"]
    [told] = rendered(*(yaml.safe_load(each.text) for each in shown))
    assert "error" not in told, told["error"]
    assert f"{RELEASE}-tregua-worker" in pods(told)
