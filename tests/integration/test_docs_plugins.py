"""docs/write-a-plugin.md as it stands there, up to the image, in an environment that has our packages as wheels."""

from __future__ import annotations

import json

from support.docs import tools_of
from support.environments import fresh, our_wheels
from support.plugin_page import IMAGE, PAGE, follow, tool


def test_every_command_of_the_page_works_in_its_order(tmp_path):
    assert len([line for line in tools_of(PAGE) if not line.startswith(IMAGE)]) > 6
    fresh(tmp_path / ".venv", our_wheels(tmp_path, "nos", "napalm-frr"))
    follow(tmp_path, with_disk=False)
    plugins = {plugin["type"]: plugin for plugin in json.loads(tool(tmp_path, "labwright plugins list --json"))}
    acme = plugins["acme"]
    assert (acme["title"], acme["package"], acme["health"]) == ("Acme OS", "labwright-acme", "partial")
    # What is installed is the wheel, and no folder of ours is seen.
    assert {plugin["package"] for plugin in plugins.values()} == {"labwright-acme", "labwright-nos"}
    places = tool(
        tmp_path, "python -c 'import labwright, labwright_acme; print(labwright.__file__, labwright_acme.__file__)'"
    )
    assert all(str(tmp_path / ".venv") in place for place in places.split())
