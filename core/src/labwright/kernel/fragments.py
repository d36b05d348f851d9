"""Kernel configuration fragments: read strictly, merged in order, each option with the place that it comes from."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError

COMMON = ("base", "virtio", "network")
"""The fragments of every distribution; a driver adds its own."""

CATALOGUE = "review.toml"
OPTION = re.compile(
    r"^(?P<name>CONFIG_[A-Za-z0-9_]+)=(?P<value>[ym]|n|-?[0-9]+|0x[0-9a-f]+|\"[^\"\\]*\")"
    r"(?:[ \t]+#[ \t]*(?P<bound>since|until) (?P<major>[0-9]{1,3})\.(?P<minor>[0-9]{1,3}))?$"
)
Version = tuple[int, int]
LAST: Version = (1000, 0)
"""Above every version that a fragment can name."""


@dataclass(frozen=True)
class Option:
    """One line of a fragment. value: y, m, n, a number, or a text in quotes, as in a .config."""

    name: str
    value: str
    file: str
    line: int
    since: Version | None = None
    until: Version | None = None

    @property
    def place(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"

    @property
    def bounded(self) -> bool:
        """Whether the fragment says that some kernels do not have it."""
        return self.since is not None or self.until is not None

    def applies_to(self, kernel: Version) -> bool:
        """Whether this kernel has the option, as far as the fragment says."""
        return (self.since is None or kernel >= self.since) and (self.until is None or kernel <= self.until)

    def overlaps(self, other: Option) -> bool:
        """Whether some kernel has both lines."""
        return _from(self) <= _to(other) and _from(other) <= _to(self)


def _from(option: Option) -> Version:
    return option.since or (0, 0)


def _to(option: Option) -> Version:
    return option.until or LAST


def fragment_folder() -> Path:
    """LABWRIGHT_KERNEL_CONFIGS, or the folder that was installed with us, or the one of the source tree."""
    given = os.environ.get("LABWRIGHT_KERNEL_CONFIGS")
    here = Path(__file__)
    candidates = [Path(given)] if given else [here.with_name("configs"), here.parents[4] / "kernel-configs"]
    for folder in candidates:
        if (folder / "base.config").is_file():
            return folder
    raise LabwrightError(
        f"no kernel configuration fragments in {candidates[0]}",
        cause=Cause.CONFIG,
        hint="LABWRIGHT_KERNEL_CONFIGS has to name a folder with base.config; unset it to use the installed ones",
    )


def fragment_files(names: Sequence[str]) -> list[Path]:
    """All files that decide on the configuration and on its review: what a kernel's key is made of."""
    folder = fragment_folder()
    return [folder / f"{name}.config" for name in (*COMMON, *names)] + [folder / CATALOGUE]


def load_fragments(names: Sequence[str]) -> list[Option]:
    """The options of the common fragments and of these, in order, whatever the kernel."""
    options = [option for path in fragment_files(names)[:-1] for option in read_fragment(path)]
    refuse_conflicts(options)
    return options


def read_fragment(path: Path) -> list[Option]:
    """One file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabwrightError(
            f"the kernel configuration fragment {path} cannot be read: {error}",
            cause=Cause.CONFIG,
            hint="each name in a driver's `fragments` is a file <name>.config in kernel-configs/",
        ) from error
    return parse_fragment(text, path.name)


def parse_fragment(text: str, file: str) -> list[Option]:
    """The options of a fragment's text. Raises LabwrightError naming file and line of what is not one."""
    return [
        _option(line.strip(), file, number)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.strip().startswith("#")
    ]


def _option(line: str, file: str, number: int) -> Option:
    found = OPTION.match(line)
    if found is None:
        raise LabwrightError(
            f"{file}:{number}: {line[:80]!r} is not a kernel option",
            cause=Cause.CONFIG,
            hint='write CONFIG_NAME=y, =m, =n, =123 or ="text"; `# since 6.7` or `# until 6.6` may follow',
        )
    bound = (int(found["major"]), int(found["minor"])) if found["bound"] else None
    return Option(
        found["name"],
        found["value"],
        file,
        number,
        since=bound if found["bound"] == "since" else None,
        until=bound if found["bound"] == "until" else None,
    )


def refuse_conflicts(options: Sequence[Option]) -> None:
    """An option stands once for any one kernel: a second line would win or lose by chance of order."""
    seen: dict[str, list[Option]] = {}
    for option in options:
        earlier = seen.setdefault(option.name, [])
        first = next((other for other in earlier if other.overlaps(option)), None)
        earlier.append(option)
        if first is not None:
            raise LabwrightError(
                f"{option.place}: {option.name} is set already, at {first.place}",
                cause=Cause.CONFIG,
                hint="keep one of the two lines",
            )


def for_kernel(options: Sequence[Option], kernel: Version, defined: frozenset[str]) -> list[Option]:
    """The options that apply to this kernel. defined: the names of those that its source has.

    A distribution brings changes of later versions into its own, so a bound only says that some kernels do not have
    the option; the version decides between two lines of one name.
    """
    times = Counter(option.name for option in options)
    return [
        option
        for option in options
        if not option.bounded or (option.name in defined and (times[option.name] == 1 or option.applies_to(kernel)))
    ]


def as_config(options: Sequence[Option]) -> str:
    """The text that `make allnoconfig` takes as KCONFIG_ALLCONFIG."""
    return "".join(
        f"# {option.name} is not set\n" if option.value == "n" else f"{option.name}={option.value}\n"
        for option in options
    )
