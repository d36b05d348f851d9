"""Example nights for pages: in the shape of real reports of the images in images/, with few packages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from labwright.nightly.model import Delivered, Failure, ImageNight, Night, Published, StepTime, to_json
from labwright.nightly.places import Places

FIRST_NIGHT = 1795744800.0  # 2026-11-27 02:00 UTC
DAY = 86400.0
DESCRIPTIONS = {
    "debian": "Debian bookworm with our own kernel",
    "frr": "A router: Debian with FRR, three data interfaces",
    "utility": "Tools to look at networks with: tcpdump, mtr, nmap and more",
    "router": "Debian's FRR on the disk of debian, configured by a playbook",
    "frr-nos": "FRR as a network operating system, driven over its serial console",
}
NEEDS = {"frr-nos": ("router",)}
SIZES = {"debian": 72810496, "frr": 85145088, "utility": 220266496, "router": 79364096, "frr-nos": 79495168}
BOOTS = {"bios": (11.19, 13.27, 18.1, 3.6), "uefi": (16.72, 17.08, 22.6, 3.1), "direct": (9.83, 11.95, 17.1, 3.3)}
STEPS = (
    ("kernel-source", "Fetch the kernel's source", 1.41, "cached"),
    ("kernel", "Configure, review and compile the kernel", 692.87, "cached"),
    ("kernel-package", "Package the kernel", 1.14, "cached"),
    ("tree", "Install packages", 53.36, "ran"),
    ("system", "Kernel, user, network, first boot", 4.02, "ran"),
    ("disk", "Partitions, boot loader, qcow2", 10.88, "ran"),
    ("customize", "Playbook, seal", 36.86, "ran"),
    ("test", "Boot it: BIOS, UEFI, direct kernel, two clones", 134.7, "ran"),
)
PACKAGES = {
    "adduser": "3.134", "apt": "2.6.2", "base-files": "12.4+deb12u15", "bash": "5.2.15-2+b13",
    "bind9-libs": "1:9.18.49-1~deb12u3", "ca-certificates": "20230311+deb12u1", "iproute2": "6.1.0-3",
    "libssl3": "3.0.17-1~deb12u3", "openssh-server": "1:9.2p1-2+deb12u7", "python3": "3.11.2-1+b1",
    "sudo": "1.9.13p3-1+deb12u2", "systemd": "252.39-1~deb12u1", "tzdata": "2026b-0+deb12u1",
}  # fmt: skip
SECURE = ("bind9-libs", "libssl3", "openssh-server")


def report(slug: str, packages: dict[str, str] | None = None, later: float = 0.0, kernel: str = "6.1.192") -> dict:
    """The report of a build. packages: version by name. later: seconds by which every boot is slower."""
    versions = PACKAGES if packages is None else packages
    return {
        "bytes": SIZES.get(slug, 70_000_000),
        "image": slug,
        "kernel": f"{kernel}-labwright",
        "kernel_review": {"on": 926, "capabilities": {"VXLAN": [], "systemd": [], "WireGuard": []}},
        "labwright": "0.1.0",
        "packages": [[name, version] for name, version in versions.items()],
        "pins": {
            "kernel_source": {"mirror": "security", "name": "linux-source-6.1", "version": f"{kernel}-2"},
            "packages": [
                {
                    "mirror": "security" if name in SECURE else "archive",
                    "name": name,
                    "path": f"pool/main/{name}.deb",
                    "version": version,
                }
                for name, version in versions.items()
            ],
        },
        "release": "bookworm",
        "sha256": "428f94ac137f26605d178986664e1acd3dfebe29e9705b49346b80b7594f50b7",
        "steps": {"kernel": {"inputs": {"compiler": "gcc 12.2.0, GNU ld 2.40", "kernel configuration": "7c19"}}},
        "system": "Debian GNU/Linux 12 (bookworm)",
        "tests": {
            "accelerator": {"factor": 1.36, "name": "tcg", "reason": "/dev/kvm hung for 5 s"},
            "boots": {name: boot(name, later) for name in BOOTS},
            "clones": {
                "first": {"host_keys": ["ssh-ed25519 AAAA1"], "mac": "52:54:00:4c:57:01", "machine_id": "76cc"},
                "second": {"host_keys": ["ssh-ed25519 AAAA2"], "mac": "52:54:00:4c:57:02", "machine_id": "5173"},
            },
        },
        "type": "debian",
        "visibility": "public",
    }


def boot(firmware: str, later: float = 0.0) -> dict:
    ssh, login, ready, off = BOOTS[firmware]
    return {
        "failed": [], "firmware": firmware, "interfaces": ["eth0", "eth1", "eth2"], "login": round(login + later, 2),
        "memory": 192 if firmware == "uefi" else 128, "memory_used": 41, "power_off": off,
        "ready": round(ready + later, 1), "script": firmware == "bios", "ssh": round(ssh + later, 2),
    }  # fmt: skip


def built(slug: str, number: int, *, size: int | None = None, published: bool = True) -> ImageNight:
    """An image that this night made."""
    count = SIZES.get(slug, 70_000_000) if size is None else size
    digest = "sha256:" + f"{number:04}{slug.encode().hex()}".ljust(64, "c")[:64]
    return ImageNight(
        slug,
        DESCRIPTIONS.get(slug, f"The image {slug}"),
        "built",
        why="packages changed: libssl3 3.0.17-1~deb12u2 -> 3.0.17-1~deb12u3 and 2 more",
        needs=NEEDS.get(slug, ()),
        attempts=1,
        started=FIRST_NIGHT + number * DAY + 60,
        seconds=sum(seconds for _, _, seconds, outcome in STEPS if outcome == "ran"),
        steps=tuple(StepTime(*step) for step in STEPS),
        delivered=delivered(slug, number, count),
        published=(Published("artifact", f"registry.example:5000/labs/{slug}:2026-11-{number % 28 + 1:02}", digest,
                             9_437_184, count, signed=True),) if published else (),
        worker="builder-1",
    )  # fmt: skip


def delivered(slug: str, since: int, size: int) -> Delivered:
    return Delivered(f"images/{slug}/{since:04}", f"reports/{slug}.json", since, "42" * 32, size)


def unchanged(slug: str, since: int) -> ImageNight:
    """An image that an earlier night made."""
    return ImageNight(
        slug, DESCRIPTIONS.get(slug, f"The image {slug}"), "unchanged",
        why="nothing that goes into it has changed", needs=NEEDS.get(slug, ()),
        delivered=delivered(slug, since, SIZES.get(slug, 70_000_000)),
    )  # fmt: skip


FAILURE = Failure(
    "bios: units failed: frr.service",
    "guest",
    "mend the unit, or take it out of the image",
    (
        "Nov 27 02:31:07 frr systemd[1]: Starting frr.service - FRRouting...",
        "Nov 27 02:31:09 frr frrinit.sh[412]: Starting watchfrr with command: '/usr/lib/frr/watchfrr -d'",
        "Nov 27 02:31:10 frr frrinit.sh[412]: % Can't open configuration file /etc/frr/vtysh.conf: Permission denied",
        "Nov 27 02:31:10 frr systemd[1]: frr.service: Control process exited, code=exited, status=1/FAILURE",
        "Nov 27 02:31:10 frr systemd[1]: frr.service: Failed with result 'exit-code'.",
    ),
    "logs/router.txt",
)  # fmt: skip


def failed(slug: str, since: int, number: int) -> ImageNight:
    """An image that could not be tested with success; that of an earlier night stays."""
    steps = (*(StepTime(*step) for step in STEPS[:-1]), StepTime("test", STEPS[-1][1], 61.3, "failed"))
    return replace(
        built(slug, number, published=False), state="failed", failure=replace(FAILURE, log=f"logs/{slug}.txt"),
        steps=steps, attempts=2, seconds=318.4, delivered=delivered(slug, since, SIZES.get(slug, 70_000_000)),
    )  # fmt: skip


def skipped(slug: str, since: int) -> ImageNight:
    """An image whose base failed."""
    return replace(
        unchanged(slug, since), state="skipped", why=f"{', '.join(NEEDS[slug])} failed, and it starts from that"
    )


def night(number: int, *images: ImageNight, **changes: object) -> Night:
    """A night that came to its end."""
    facts: dict = {
        "seconds": sum(image.seconds for image in images) + 42, "finished": True,
        "revision": "9f3c1e7a5b2d4806c1e7a5b2d48069f3c1e7a5b2", "labwright": "0.1.0", "host": "builder-1",
    }  # fmt: skip
    return Night(number, FIRST_NIGHT + number * DAY, images, **(facts | changes))


def keep(places: Places, one: Night, reports: dict[str, dict] | None = None) -> Night:
    """Write the record, reports, images' small files and logs of a night, as the nightly build does."""
    folder = places.night(one)
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    for image in one.images:
        if image.delivered:
            text = json.dumps((reports or {}).get(image.slug) or report(image.slug))
            places.report(one, image.slug).write_text(text)
        if image.state == "built":
            version = places.version(image.slug, one)
            version.mkdir(parents=True, exist_ok=True)
            for ending in (".qcow2", ".mtree", ".cdx.json"):
                (version / f"{image.slug}{ending}").touch()
        if image.failure and image.failure.log:
            lines = [f"[{second:6.2f}] systemd[1]: line {second} of what its tools said" for second in range(120)]
            (folder / image.failure.log).write_text("\n".join([*lines, *image.failure.details]) + "\n")
    places.record(one).write_text(to_json(one))
    return one


def story(root: Path, count: int = 14) -> tuple[Places, Night]:
    """Nights in which things change: the last one is good. Boot times drift, packages are upgraded, one image fails."""
    places = Places(root)
    since = dict.fromkeys(DESCRIPTIONS, 1)
    last = None
    for number in range(1, count + 1):
        versions = PACKAGES | {
            "libssl3": f"3.0.17-1~deb12u{max(1, number // 4)}", "tzdata": f"2026b-0+deb12u{1 + number // 9}"
        }  # fmt: skip
        if number == count:
            versions = versions | {"libnftables1": "1.0.6-2+deb12u2", "libssl3": "3.0.17-1~deb12u9", "apt": "2.6.3"}
            del versions["adduser"]
        images = []
        for position, slug in enumerate(DESCRIPTIONS):
            wrong = number == count - 5
            made = {"debian", "router"} if number == count else {slug} if (number + position) % 4 == 0 else set()
            if wrong and slug == "router":
                images.append(failed(slug, since[slug], number))
            elif wrong and slug == "frr-nos":
                images.append(skipped(slug, since[slug]))
            elif number == 1 or slug in made:
                since[slug] = number
                images.append(built(slug, number, size=SIZES[slug] + number * 37 % 11 * 90_000))
            else:
                images.append(unchanged(slug, since[slug]))
        kernel = "6.1.192" if number > 9 else "6.1.190"
        reports = {slug: report(slug, versions, since[slug] * 53 % 17 / 10, kernel) for slug in DESCRIPTIONS}
        last = keep(places, night(number, *images), reports)
    assert last is not None
    return places, last


def bad_night(places: Places, number: int) -> Night:
    """A night with everything that can go wrong: a failure that keeps another image back, a registry that says no."""
    refused = Failure(
        "registry.example:5000 refused the manifest of utility: 403 Forbidden", "network",
        "is the user of the credentials allowed to push to labs/utility?", ("denied: requested access is denied",),
    )  # fmt: skip
    name = "lab-with-a-very-long-name-that-never-ends-and-wraps"
    review = Failure(
        "the kernel's configuration fails its review: 2 findings",
        "review",
        "mend the fragments or review.toml in kernel-configs/; labwright kernel review shows everything",
        ("debian.config:12: CONFIG_9P_FS=y did not survive, it is n", "CONFIG_DRM_I915 drives hardware"),
        f"logs/{name}.txt",
    )
    never = ImageNight(
        name, "An image that was never built", "failed", why="it is new", attempts=1, seconds=12.5, failure=review,
        steps=(StepTime("kernel", STEPS[1][1], 12.5, "failed"),),
    )  # fmt: skip
    images = (
        unchanged("debian", 1),
        built("frr", number),
        replace(built("utility", number, published=False), publish_failures=(refused,), attempts=2),
        failed("router", 1, number),
        skipped("frr-nos", 1),
        never,
    )
    upgrades = {"libssl3": "3.0.17-1~deb12u10", "tzdata": "2026c-0+deb12u1", "systemd": "252.40-1~deb12u1"}
    reports = {image.slug: report(image.slug, PACKAGES | upgrades, 0.7, "6.1.193") for image in images}
    return keep(places, night(number, *images, resumed=1), reports)
