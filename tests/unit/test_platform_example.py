"""The example for Kubernetes and the page say what the image and its program do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from support.builds import REPOSITORY

from labwright.publish.platform.kind import ENTRY
from labwright.publish.platform.runtime_tree import USER
from labwright.publish.platform.start.settings import CONTRACT, read_settings

PAGE = REPOSITORY / "docs/platform-image.md"
SETTINGS = REPOSITORY / "core/src/labwright/publish/platform/start/settings.py"


@pytest.fixture
def pod() -> dict:
    documents = yaml.safe_load_all((REPOSITORY / "examples/kubernetes/endpoint.yaml").read_text())
    return next(one for one in documents if one["kind"] == "Pod")


def test_the_pod_is_allowed_raw_sockets_and_nothing_else(pod):
    (machine,) = pod["spec"]["containers"]
    assert machine["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    assert machine["securityContext"]["readOnlyRootFilesystem"] is True
    assert '"privileged"' not in json.dumps(pod)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()


def test_the_pod_runs_as_the_user_of_the_image(pod):
    context = pod["spec"]["securityContext"]
    assert context["runAsNonRoot"] is True
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (USER, USER, USER)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_pod_has_the_ports_of_the_contract_and_the_health_check_of_the_image(pod):
    (machine,) = pod["spec"]["containers"]
    ports = {(one.get("protocol", "TCP").lower(), one["containerPort"]) for one in machine["ports"]}
    assert ports == set(CONTRACT)
    assert machine["startupProbe"]["exec"]["command"] == [*ENTRY, "health"]


def test_the_pods_settings_are_ones_that_the_program_takes(pod):
    (machine,) = pod["spec"]["containers"]
    given = {one["name"]: one["value"] for one in machine["env"]}
    assert read_settings(given) != read_settings({})


def test_the_grace_period_is_longer_than_the_program_takes(pod):
    assert pod["spec"]["terminationGracePeriodSeconds"] > read_settings({}).stop


def test_every_setting_is_on_the_page_and_every_one_there_exists():
    known = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)?)"', SETTINGS.read_text().partition("def read_settings")[2]))
    shown = set(re.findall(r"^\| `LABWRIGHT_([A-Z_]+)`", PAGE.read_text(), re.MULTILINE))
    assert shown == known
    assert Path(PAGE.parent, "../examples/kubernetes/endpoint.yaml").resolve().is_file()
