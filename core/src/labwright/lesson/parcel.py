"""What a guest gets when it is up: the lesson's files, the other endpoints' names and, where it was resumed from a
snapshot, everything that makes a copy a machine of its own. One archive and one fixed script.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from labwright.lesson.files import lesson_files

PLACE = "/antidote"
SEED = 512
"""Bytes for the guest's random numbers: copies of one snapshot would go on with the same ones."""
SCRIPT = r"""
set -eu
umask 077
user=$1 how=$2 now=$3 first=$4 mac=$5
# First, since the time was taken when this was sent, and an upload takes a busy machine seconds.
[ "$how" != resumed ] || date -s "@$now" > /dev/null
work=$(mktemp -d /run/labwright.XXXXXX)
trap 'rm -rf "$work"' EXIT
tar -x -o -f - -C "$work"
cd "$work"
if [ "$how" = resumed ]; then
    cat seed > /dev/urandom
    # RNDRESEEDCRNG of random(4): take what was just written into use now.
    perl -e 'open(my $r, ">", "/dev/urandom"); ioctl($r, 0x5207, 0)' 2> /dev/null ||
        python3 -c 'import fcntl; fcntl.ioctl(open("/dev/urandom", "w"), 0x5207)' 2> /dev/null || :
    cat machine-id > /etc/machine-id
    [ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] || cat machine-id > /var/lib/dbus/machine-id
    rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
    cp keys/* /etc/ssh/
    chmod 644 /etc/ssh/ssh_host_*_key.pub
    while read -r name address; do
        # An interface that is up keeps the IPv6 address that its old MAC address gave it until it goes down.
        flags=$(cat "/sys/class/net/$name/flags")
        ip link set dev "$name" down
        ip link set dev "$name" address "$address"
        [ $((flags & 1)) = 0 ] || ip link set dev "$name" up
    done < addresses
fi
{ grep -v ' # lesson$' /etc/hosts || :; cat hosts; } > hosts.new
cat hosts.new > /etc/hosts
if [ -d lesson ]; then
    umask 022
    mkdir -p /antidote
    find /antidote -mindepth 1 -maxdepth 1 -exec rm -rf {} +
    cp -R -p lesson/. /antidote/
    chown -R "$user:" /antidote
fi
if [ "$how" = resumed ]; then
    (
        trap - EXIT
        sleep 0.2
        ip link set dev "$first" down
        ip link set dev "$first" address "$mac"
        ip link set dev "$first" up
        # Last, so that who sees the new keys sees the new address.
        if [ -s /run/sshd.pid ]; then
            kill -HUP "$(cat /run/sshd.pid)"
        else
            systemctl reload ssh 2> /dev/null || systemctl reload sshd
        fi
    ) < /dev/null > /dev/null 2>&1 &
fi
"""
"""Run as root, with values as arguments and files on its standard input. Its last act may cut the connection."""


@dataclass(frozen=True)
class Identity:
    """What a copy of a snapshot is given. keys: files of host keys; public: the public ones, as in known_hosts(5)."""

    machine_id: str
    public: tuple[str, ...]
    keys: Mapping[str, bytes] = field(repr=False)


def new_identity() -> Identity:
    """A machine's own. Made here, where random numbers are good and processors fast."""
    kinds: dict[str, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    }
    keys, public = {}, []
    for kind, key in kinds.items():
        encoded = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        keys[f"ssh_host_{kind}_key"] = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        keys[f"ssh_host_{kind}_key.pub"] = encoded + b" lesson\n"
        public.append(encoded.decode())
    return Identity(uuid.uuid4().hex, tuple(public), keys)


def parcel(
    names: Mapping[str, str], lesson: Path | None, identity: Identity | None, addresses: Mapping[str, str]
) -> bytes:
    """The archive. names: addresses of the other endpoints. addresses: MAC addresses of data interfaces, by name.

    Raises LabwrightError (config) as lesson_files() does.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        hosts = "".join(f"{address} {name} # lesson\n" for name, address in names.items())
        _add(archive, "hosts", hosts.encode())
        if identity:
            _add(archive, "machine-id", f"{identity.machine_id}\n".encode())
            _add(archive, "seed", secrets.token_bytes(SEED))
            for name, content in identity.keys.items():
                _add(archive, f"keys/{name}", content)
            _add(archive, "addresses", "".join(f"{name} {mac}\n" for name, mac in addresses.items()).encode())
        if lesson:
            for path, name in lesson_files(lesson):
                archive.add(path, f"lesson/{name}", recursive=False, filter=_plain)
    return stream.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owners are the guest's; who may read a file here says nothing of who may there."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= 0o644 | (0o111 if member.isdir() else 0)
    return member


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def arguments(user: str, resumed: bool, now: float, names: Sequence[str], mac: str) -> list[str]:
    """What SCRIPT is called with. names: of all interfaces, the management one first. mac: that one's."""
    return [user, "resumed" if resumed else "booted", f"{now:.3f}", names[0], mac]
