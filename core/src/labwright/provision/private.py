"""Private files: from a reference of the user's straight into the guest, and nowhere else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.guest.guest import Guest, failure
from labwright.spec.image import ImageSpec, PrivateFile
from labwright.spec.secret import read_secret

WRITE = """
set -eu
umask 077
chown=$(id -u {owner} 2>/dev/null) || {{ echo 'there is no user {owner} in the image' >&2; exit 1; }}
grep -q '^{group}:' /etc/group || {{ echo 'there is no group {group} in the image' >&2; exit 1; }}
mkdir -p -m 755 {folder}
rm -f {path}
cat > {path}
chown {owner}:{group} {path}
chmod {mode} {path}
"""


def read_private(image: ImageSpec, folder: Path) -> dict[str, bytes]:
    """The contents by their places in the image. Raises LabwrightError (config) naming what is not there."""
    return {
        one.path: read_secret(one.source, f"build.privateFiles: {one.path}", folder)
        for one in image.build.private_files
    }


def put_private(image: ImageSpec, contents: Mapping[str, bytes], guest: Guest) -> None:
    """Put them in their places: by standard input, so that they are in no list of arguments and no other file."""
    for one in image.build.private_files:
        answer = guest.execute(["sh", "-c", _command(one)], contents[one.path])
        if answer.code != 0:
            error = failure(answer, f"the private file {one.path} cannot be written")
            raise LabwrightError(
                error.what,
                cause=Cause.GUEST if error.cause is Cause.GUEST else error.cause,
                details=error.details,
                hint="its owner and group have to be there before the playbook runs: build.packages can bring them",
            )


def _command(one: PrivateFile) -> str:
    return WRITE.format(
        owner=one.owner,
        group=one.group,
        mode=one.mode,
        path=shlex.quote(one.path),
        folder=shlex.quote(str(Path(one.path).parent)),
    )
