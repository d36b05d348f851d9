"""The commands of docs/trust.md, as a third person types them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from support import reports
from support.builds import REPOSITORY

from labwright.trust.keys import load_private_key
from labwright.trust.provenance import Invocation
from labwright.trust.vouch import vouch

PAGE = (REPOSITORY / "docs/trust.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands(section: str) -> str:
    return "\n".join(line[4:] for line in SECTIONS[section].splitlines() if line.startswith("    "))


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with an image, vouched for by a key that was made as the page says; beside it that key."""
    folder, keys = tmp_path / "leaf", tmp_path / "keys"
    folder.mkdir()
    keys.mkdir()
    done = shell(commands("The key"), keys)
    assert done.returncode == 0, done.stderr
    (folder / "leaf.qcow2").write_bytes(b"disk")
    sha256 = hashlib.sha256(b"disk").hexdigest()
    (folder / "leaf.json").write_text(json.dumps(reports.customized(sha256=sha256)))
    key = load_private_key(f"file:{keys}/signing.key", "--key", folder)
    vouch(folder, "leaf", key, Invocation("https://lab.example.org/nightly", "ab" * 20, 1793624159, 1793624999))
    (folder / "signing.pub").write_bytes((keys / "signing.pub").read_bytes())
    return folder


def test_a_third_person_s_commands_find_that_it_is_in_order(published):
    done = shell(commands("Check an image"), published)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Verified OK") == 2
    assert "leaf.qcow2: OK" in done.stdout
    assert "pkg:deb/debian/bsdutils@1:2.38.1-5%2Bdeb12u3?arch=amd64&distro=bookworm" in done.stdout
    subject, image = re.findall(r"^([0-9a-f]{64})(?:  leaf.qcow2)?$", done.stdout, re.MULTILINE)
    assert subject == image


@pytest.mark.parametrize("name", ["leaf.qcow2", "leaf.json", "leaf.cdx.json", "leaf.intoto.json", "SHA256SUMS",
                                  "SHA256SUMS.sig"])  # fmt: skip
def test_a_third_person_s_commands_find_what_was_altered(published, name):
    data = bytearray((published / name).read_bytes())
    data[len(data) // 2] ^= 1
    (published / name).write_bytes(data)
    assert shell(commands("Check an image"), published).returncode != 0


def test_a_provenance_of_another_key_is_found_by_the_commands_for_it_alone(published):
    envelope = json.loads((published / "leaf.intoto.json").read_text())
    envelope["payload"] = envelope["payload"][:-8] + "AAAA" + envelope["payload"][-4:]
    (published / "leaf.intoto.json").write_text(json.dumps(envelope))
    checks = commands("Check an image").splitlines()
    done = shell("\n".join(checks[2:7]), published)
    assert done.returncode != 0
    assert "Verif" in done.stdout + done.stderr


def test_sbom_prints_what_is_beside_the_image(published, cli):
    done = cli("sbom", published / "leaf.json", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (published / "leaf.cdx.json").read_text()
    refused = cli("sbom", published / "leaf.qcow2", timeout=60)
    assert refused.returncode == 2
    assert "cannot be read: it is not a JSON object" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_image_without_a_key_has_its_list_and_no_signature(published):
    vouch(published, "leaf", None)
    assert {path.name for path in published.iterdir()} == {
        "leaf.qcow2", "leaf.json", "leaf.cdx.json", "SHA256SUMS", "signing.pub"
    }  # fmt: skip
