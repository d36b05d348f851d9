"""The checks of each interface. A docstring is the advice that is shown where a check fails."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from labwright.guest.way import METHODS
from labwright.host.environment import has_tool
from labwright.interfaces import ConfigurationJob, ConfigurationResult, Distribution, Endpoint
from labwright.kernel.fragments import load_fragments
from labwright.spec.image import PACKAGE_NAME, SLUG
from labwright.testing.subject import DoubtfulError, Subject, UnmetError

PASSWORD = "a password of the conformance kit"  # noqa: S105
TOOL = re.compile(r"[A-Za-z0-9._+-]+(\|[A-Za-z0-9._+-]+)*")


def check_releases(subject: Subject) -> str:
    """A distribution names the releases that it makes, each with the package of its kernel's source.

    default_release is one of them, and none is refused at the same time.
    """
    facts = _distribution(subject)
    names = [release.name for release in facts.releases]
    if not names or len(set(names)) != len(names):
        raise UnmetError(f"the releases are {names}: at least one, and each once")
    if facts.default_release not in names:
        raise UnmetError(f"the default release {facts.default_release!r} is not one of {', '.join(names)}")
    if both := sorted(set(names) & set(facts.refused)):
        raise UnmetError(f"made and refused: {', '.join(both)}")
    if sourceless := [release.name for release in facts.releases if not release.kernel_source]:
        raise UnmetError(f"no kernel_source: {', '.join(sourceless)}")
    return ", ".join(names)


def check_packages(subject: Subject) -> str:
    """The packages of every image are names as a user could write them in build.packages, each once."""
    packages = _distribution(subject).packages
    wrong = [name for name in packages if not PACKAGE_NAME.fullmatch(name)]
    if wrong or len(set(packages)) != len(packages):
        raise UnmetError(f"no package names, or twice: {', '.join(wrong) or packages}")
    return f"{len(packages)} packages"


def check_tools(subject: Subject) -> str:
    """tools and makers are names of programs, without a path; `a|b` where either does. The core looks for them."""
    facts = _distribution(subject)
    wrong = [name for name in (*facts.tools, *facts.makers) if not TOOL.fullmatch(name)]
    if wrong:
        raise UnmetError(f"no names of programs: {', '.join(map(repr, wrong))}")
    absent = [name for name in facts.tools if not any(map(has_tool, name.split("|")))]
    if absent:
        raise DoubtfulError(f"not on this host: {', '.join(absent)}")
    return ", ".join(facts.tools) or "none"


def check_fragments(subject: Subject) -> str:
    """Each name in fragments is a file <name>.config of labwright's kernel-configs; no option is set twice."""
    fragments = _distribution(subject).fragments
    load_fragments(fragments)
    return ", ".join(fragments) or "the common ones"


def check_ways(subject: Subject) -> str:
    """ways lists how the driver can enter an image, the best first: mounted, appliance, booted, virt-customize.

    One of its own is a word that `--method` can be given.
    """
    ways = subject.driver.ways
    if not isinstance(ways, tuple) or len(set(ways)) != len(ways):
        raise UnmetError(f"ways is {ways!r}: a tuple, each once")
    wrong = [way for way in ways if not (isinstance(way, str) and re.fullmatch(SLUG, way))]
    if wrong:
        raise UnmetError(f"no words for --method: {', '.join(map(repr, wrong))}")
    if not ways and subject.facts.status != "planned":
        raise UnmetError("there is no way into an image")
    own = [way for way in ways if way not in METHODS]
    return (", ".join(ways) or "none yet") + (f" (its own: {', '.join(own)})" if own else "")


def check_candidates(subject: Subject) -> str:
    """candidates() gives the names of files directly in a stage's configs/."""
    names = subject.driver().candidates(_endpoint())
    if not isinstance(names, tuple) or not names or len(set(names)) != len(names):
        raise UnmetError(f"candidates() gives {names!r}: a tuple of at least one name, each once")
    for name in names:
        if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise UnmetError(f"{name!r} is not the name of a file in configs/ itself")
    return ", ".join(names)


def check_an_endpoint_that_is_down_is_a_result(subject: Subject) -> str:
    """configure() says ok=False and why where the endpoint does not answer; an exception is for failures of ours."""
    return _refused(subject, "down", b"\n")


def check_a_bad_file_is_a_result(subject: Subject) -> str:
    """configure() says ok=False and why for a file that is no configuration; a lesson's author has to read it."""
    return _refused(subject, "bad", b"\xff\xfe\x00 no text \x9d")


def _refused(subject: Subject, folder: str, content: bytes) -> str:
    driver, endpoint = subject.driver(), _endpoint()
    file = Path("stage1/configs") / driver.candidates(endpoint)[0]
    place = subject.bench.scratch / folder / file
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    job = ConfigurationJob(endpoint, subject.bench.scratch / folder, 1, file)
    try:
        result = driver.configure(job, subject.bench)
    except Exception as error:
        raise UnmetError(f"configure() raises {type(error).__name__}: {error}") from error
    if not isinstance(result, ConfigurationResult) or result.ok or not result.output.strip():
        raise UnmetError(f"configure() gives {result!r}, not ok=False with the reason in output")
    if PASSWORD in result.output + result.difference:
        raise UnmetError("the password is in the result")
    return result.output.strip().splitlines()[0][:120]


def _endpoint() -> Endpoint:
    """A machine that is not there: nobody listens on its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    return Endpoint("sample", "127.0.0.1", port, "antidote", PASSWORD)


def _distribution(subject: Subject) -> Distribution:
    facts = subject.facts
    if not isinstance(facts, Distribution):
        raise UnmetError(f"distribution is {type(facts).__name__}, no Distribution")
    return facts


BOOTSTRAPPER = (check_releases, check_packages, check_tools, check_fragments)
PROVISIONER = (check_ways,)
CONFIGURATOR = (check_candidates, check_an_endpoint_that_is_down_is_a_result, check_a_bad_file_is_a_result)
