"""docs/publish.md: every command on the page, in order, against Debian's docker-registry."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.builds import REPOSITORY
from support.docs import commands_of
from support.registry import logged_in, real_registry, with_password
from support.registry_images import made_up_image
from typer.testing import CliRunner

from labwright.cli.app import app

PAGE = "publish.md"
TEXT = (REPOSITORY / "docs" / PAGE).read_text()


def test_every_command_of_the_page_works_as_it_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    made_up_image(tmp_path / "out", "frr")
    shutil.copytree(REPOSITORY / "images/frr", tmp_path / "images/frr")
    openssl = re.findall(r"^    (.*openssl .+)$", TEXT, re.MULTILINE)
    assert len(openssl) == 2
    for command in openssl:
        subprocess.run(["bash", "-ec", command], check=True, capture_output=True)
    folder = tmp_path / "registry"
    with real_registry(folder, with_password(folder), tls=True) as server:
        logged_in(tmp_path, server.host).rename("auth.json")
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_bytes((tmp_path / "auth.json").read_bytes())
        (tmp_path / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
        # Of the test's own authority, which only the command with --ca names.
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        commands = commands_of(PAGE)
        assert len(commands) == 11
        for command in commands:
            words = command.replace("registry.example.org", server.host).replace("$PWD", str(tmp_path))
            done = CliRunner().invoke(app, shlex.split(words))
            assert done.exit_code == 0, f"{command}\n{done.output}"
    assert (tmp_path / "pulled/frr.qcow2").read_bytes() == (tmp_path / "out/frr.qcow2").read_bytes()


def test_the_machine_for_kubevirt_is_one_document_that_names_what_was_published():
    machine = yaml.safe_load(TEXT.split("```yaml\n")[1].split("```")[0])
    image = machine["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]["image"]
    assert f" {image} --as containerdisk" in TEXT
