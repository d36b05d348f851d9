"""The kinds of packages: what their driver is called, which interface it implements, and what its README says."""

from __future__ import annotations

from dataclasses import dataclass

from labwright.interfaces import BOOTSTRAPPERS, CONFIGURATORS, PROVISIONERS

LABWRIGHT, NOS = "labwright", "labwright-nos"
LIMITS = (
    "`limits` says to users what it does not do yet: `labwright plugins list` shows it. When nothing is lacking any\n"
    'more set `status` to "ready".'
)
PROFILE_LIMITS = (
    "`limits` in the profile says to users what it does not do, and `tested` what it was tried on: `labwright plugins\n"
    "list` shows both. While `tested` is empty the status is partial."
)


@dataclass(frozen=True)
class Kind:
    """One kind. name: its folder here. suffix: of the driver's class. work: what it does, for a title's second half.

    needs: the packages whose classes it subclasses; libraries: requirements beside those. use: how to try it; places:
    where to change what; limits: what users read of it (Markdown).
    """

    name: str
    group: str
    suffix: str
    work: str
    use: str
    places: str
    needs: tuple[str, ...] = (LABWRIGHT,)
    libraries: tuple[str, ...] = ()
    limits: str = LIMITS


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "bootstrapper",
            BOOTSTRAPPERS,
            "Bootstrapper",
            "images from nothing",
            "Then write an image whose `build.type` is `@NAME@` and whose `build.mirror` is the URL of such a folder\n"
            "as `tests/test_driver.py` makes, and `labwright build` it.",
            "All is in `src/@MODULE@/driver.py`: `distribution` says the releases, tools and packages, and the five\n"
            "methods are the steps, in the order in which labwright calls them.",
        ),
        Kind(
            "provisioner",
            PROVISIONERS,
            "Provisioner",
            "disk images of its own family, made ready for learners",
            "Then write an image whose `build.type` is `@NAME@` and whose `build.from` is a disk, and\n"
            "`labwright build` it.",
            "All is in `src/@MODULE@/driver.py`: `FAMILY` is data, seven lines of it shell.",
        ),
        Kind(
            "nos-profile",
            PROVISIONERS,
            "Provisioner",
            "a network operating system, described by a profile",
            "Then write an image whose `build.type` is `@NAME@` and whose `build.from` is the vendor's disk, and\n"
            "`labwright build` it.",
            "Nearly all is in `src/@MODULE@/@FILE@.yaml`; `driver.py` is for what a profile cannot say.",
            (NOS,),
            limits=PROFILE_LIMITS,
        ),
        Kind(
            "configurator",
            CONFIGURATORS,
            "Configurator",
            "running machines, made ready for a lesson",
            "Then write a lesson with an endpoint whose `configurationType` is `@NAME@` and a script for it in\n"
            "`stage0/configs/`: `labwright lesson validate` knows both, and `labwright lesson up` runs it.",
            "All is in `src/@MODULE@/driver.py`: `candidates` says what a stage's files are called, `send` what is\n"
            "done with one.",
            libraries=("paramiko>=3.4",),
        ),
    )
}
