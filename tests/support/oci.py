"""A copy of an image by skopeo, its layers unpacked as a container runtime does: labwright has no part in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def copied(reference: str, folder: Path) -> Path:
    """The image of a registry of this test's as an OCI layout."""
    words = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}", f"oci:{folder}:image"]
    subprocess.run(words, check=True, timeout=120)
    return folder


def unpacked(layout: Path, root: Path) -> dict[str, Any]:
    """Its root file system, at `root`; returns its config."""

    def blob(descriptor: dict[str, Any]) -> Path:
        return layout / "blobs" / descriptor["digest"].replace(":", "/")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    root.mkdir()
    for layer in manifest["layers"]:
        words = ["tar", "--extract", "--gzip", "--file", str(blob(layer)), "--directory", str(root), "--same-owner",
                 "--same-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]  # fmt: skip
        subprocess.run(words, check=True, timeout=120)
    return json.loads(blob(manifest["config"]).read_text())
