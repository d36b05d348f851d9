"""A node whose interfaces have the names of one system: what every renderer starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labwright.kit.model import Node, Port


@dataclass(frozen=True)
class Named:
    """ports: the names of data interfaces by index. loopback: of a loopback, with {} for its number. raw: text."""

    node: Node
    ports: Mapping[int, str]
    loopback: str
    raw: str

    def name(self, port: Port) -> str:
        """What the system calls an interface."""
        return self.ports[port.index] if port.index is not None else self.loopback.format(port.loopback)

    @property
    def all(self) -> tuple[Port, ...]:
        """Loopbacks first: what has an id must be there before what uses it."""
        return self.node.loopbacks + self.node.ports


def text(*groups: list[str], raw: str = "") -> str:
    """Lines as a text that ends with a line feed, then what the author adds."""
    lines = [line for group in groups for line in group]
    body = "\n".join(lines) + "\n" if lines else ""
    return body + (raw if not raw or raw.endswith("\n") else f"{raw}\n")
