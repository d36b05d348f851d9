"""What this host does by name in a tree that is not ours stays in it."""

from __future__ import annotations

import pytest

from labwright.errors import LabwrightError
from labwright.finish.files import copy_files, remove_traces
from labwright.finish.machine import ROOTFS
from labwright.host.trees import folder_inside, inside


@pytest.mark.parametrize("link", ["var/log", "var/tmp", "etc/systemd", "etc/labwright", "etc"])
def test_nothing_outside_is_written_or_removed_where_a_tree_s_folders_lead_out_of_it(link, tmp_path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for place in (outside, tree / "var", tree / "etc"):
        place.mkdir(parents=True)
    (outside / "file").write_text("the host's")
    if (tree / link).is_dir():
        (tree / link).rmdir()
    (tree / link).symlink_to(outside)
    with pytest.raises(LabwrightError, match="leads out of it"):
        remove_traces(tree, ())
        copy_files(ROOTFS, tree, {})
        folder_inside(tree, tree / "etc/labwright")
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "the host's"


def test_links_that_stay_in_the_tree_are_followed(tmp_path):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    assert inside(tmp_path, tmp_path / "lib/x") == tmp_path / "lib/x"
    folder_inside(tmp_path, tmp_path / "lib/a/b")
    assert (tmp_path / "usr/lib/a/b").is_dir()
