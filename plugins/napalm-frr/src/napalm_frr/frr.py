"""The driver. NAPALM looks for templates by the name of this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napalm.base import NetworkDriver
from napalm.base import constants as c
from napalm.base.exceptions import CommandErrorException, MergeConfigException, ReplaceConfigException

from napalm_frr import bgp, interfaces, probes, routes
from napalm_frr.configuration import without_banner
from napalm_frr.device import Device, understood
from napalm_frr.errors import message, printable, sanitized
from napalm_frr.options import Options
from napalm_frr.ssh import SshTransport
from napalm_frr.transaction import Transaction
from napalm_frr.transport import LocalTransport, Transport


class FRRDriver(NetworkDriver):  # type: ignore[misc]
    """NAPALM driver for FRR 8 and later on Linux, by SSH or on the machine itself.

    Each method is that of NAPALM's NetworkDriver, whose documentation holds; only what differs is said here.
    """

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: dict[str, Any] | None = None,
    ) -> None:
        """timeout: seconds that the device may take for one command. Raises ValueError for impossible optional_args."""
        self.hostname, self.username, self.password, self.timeout = hostname, username, password, timeout
        self.platform = "frr"
        self.profile = [self.platform]
        options = Options.parse(optional_args)
        transport: Transport = (
            LocalTransport()
            if options.transport == "local"
            else SshTransport(hostname, username, password, timeout, options)
        )
        self._device = Device(transport, options, timeout)
        self._transaction = Transaction(self._device)

    def open(self) -> None:
        """Raises ConnectAuthError, ConnectTimeoutError, or ConnectionException, also when FRR does not answer."""
        self._device.open()

    def close(self) -> None:
        """Forgets the candidate, not what rollback() goes back to.

        A commit that waits for its confirmation goes on waiting on the device.
        """
        self._transaction.discard()
        self._device.transport.close()

    def is_alive(self) -> dict[str, bool]:
        """Whether the connection takes a message."""
        return {"is_alive": self._device.transport.alive()}

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Raises MergeConfigException with FRR's words, and for daemons that do not run. `no ...` takes lines away."""
        self._transaction.load(_text(filename, config, MergeConfigException), merge=True)

    def load_replace_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Raises ReplaceConfigException with FRR's words, and for daemons that do not run."""
        self._transaction.load(_text(filename, config, ReplaceConfigException), merge=False)

    def compare_config(self) -> str:
        """The commands that frr-reload.py would give: `Lines To Delete`, `Lines To Add`."""
        return self._transaction.compare()

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        """Apply, verify, save; with revert_in save only when confirmed.

        Raises MergeConfigException or ReplaceConfigException when FRR refuses a part (the device is put back then),
        CommitError when another commit waits, when somebody changed the running configuration since it was compared,
        or when it could not be saved. NotImplementedError for a message: FRR has no place for it.
        """
        if message:
            raise NotImplementedError("FRR has no place for a commit message")
        if revert_in is not None and revert_in < 0:
            raise ValueError(f"revert_in is a number of seconds, not {revert_in}")
        self._transaction.commit(revert_in)

    def confirm_commit(self) -> None:
        """Also for a commit of another session of this user, where this session has made none that was to be confirmed.

        Raises CommitConfirmException when none waits that is to be confirmed so.
        """
        self._transaction.confirm()

    def has_pending_commit(self) -> bool:
        """Also for a commit of another session or user.

        Raises CommitConfirmException when the device failed to revert one.
        """
        return self._transaction.pending()

    def discard_config(self) -> None:
        """Nothing is on the device, so nothing to do there."""
        self._transaction.discard()

    def rollback(self) -> None:
        """Back to before the last commit of this session, or without one before the one that waits. Raises CommitError.

        What this session has committed is known over close() and open(), also when the connection broke in the commit.
        """
        self._transaction.rollback()

    def get_config(
        self, retrieve: str = "all", full: bool = False, sanitized: bool = False, format: str = "text"
    ) -> dict[str, str]:
        """full: no difference, FRR shows no defaults. Raises NotImplementedError for a format that is not text."""
        if format != "text":
            raise NotImplementedError(f"FRR has its configuration as text only, not as {format}")
        sources = {"running": self._running, "startup": self._startup, "candidate": self._candidate}
        wanted = {name: get() if retrieve in ("all", name) else "" for name, get in sources.items()}
        return {name: _sanitized(text) for name, text in wanted.items()} if sanitized else wanted

    def _running(self) -> str:
        return printable(without_banner(self._device.running()))

    def _startup(self) -> str:
        return printable(self._device.run_script("startup").part("startup"))

    def _candidate(self) -> str:
        return self._transaction.candidate.text if self._transaction.candidate else ""

    def cli(self, commands: list[str], encoding: str = "text") -> dict[str, str | dict[str, Any]]:
        """encoding: text or json. Raises CommandErrorException with FRR's words."""
        if encoding not in ("text", "json"):
            raise NotImplementedError(f"FRR answers as text or json, not as {encoding}")
        if not isinstance(commands, list):
            raise TypeError("cli() takes a list of commands")
        return {command: self._command(command, encoding) for command in commands}

    def _command(self, command: str, encoding: str) -> str | dict[str, Any]:
        if printable(command) != command or "\n" in command:
            raise CommandErrorException(f"One command is one line without control characters: {printable(command)!r}")
        if encoding == "text":
            return self._device.show(command)
        return self._device.show_json(command if command.split()[-1:] == ["json"] else f"{command} json")

    def get_facts(self) -> dict[str, Any]:
        """uptime: of the device. serial_number: empty, FRR has none. fqdn: with the domain that FRR is told, if any."""
        version = interfaces.version(self._device.show("show version"))
        report = self._device.run_script("facts")
        name = report.part("hostname").strip() or version["hostname"]
        domain = report.part("domain").strip()
        return {
            "vendor": "FRRouting",
            "model": "FRR",
            "os_version": version["version"],
            "hostname": printable(name),
            "fqdn": printable(f"{name}.{domain}" if domain else name),
            "serial_number": "",
            "uptime": probes.number(report.part("uptime").split(" ")[0]),
            "interface_list": list(self._interfaces()),
        }

    def _interfaces(self) -> dict[str, Any]:
        return self._device.show_json("show interface vrf all json")

    def get_interfaces(self) -> dict[str, dict[str, Any]]:
        """last_flapped: -1.0, since FRR tells it in an unknown time zone."""
        return understood(interfaces.interfaces, self._interfaces())

    def get_interfaces_ip(self) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
        """As NAPALM has it."""
        return understood(interfaces.addresses, self._interfaces())

    def get_interfaces_counters(self) -> dict[str, dict[str, int]]:
        """-1: what Linux does not count."""
        return understood(interfaces.counters, self._ip("-statistics", "link", "show"))

    def _ip(self, *words: str) -> list[interfaces.Json]:
        command = ["ip", "-json", *words]
        answer = self._device.execute(command)
        if answer.code:
            raise CommandErrorException(message(f"The device refused: {' '.join(command)}", answer.err))
        return interfaces.json_list(answer.out, " ".join(command))

    def get_arp_table(self, vrf: str = "") -> list[dict[str, Any]]:
        """From the kernel, in which FRR's routes are. age: seconds since the last change."""
        return [
            {name: entry[name] for name in ("interface", "mac", "ip", "age")} for entry in self._neighbours("-4", vrf)
        ]

    def get_ipv6_neighbors_table(self) -> list[dict[str, Any]]:
        """From the kernel. age: seconds since the last change."""
        return self._neighbours("-6", "")

    def _neighbours(self, family: str, vrf: str) -> list[dict[str, Any]]:
        wanted = interfaces.in_vrf(self._interfaces(), vrf) if vrf else None
        return understood(interfaces.neighbours, self._ip("-statistics", family, "neigh", "show"), wanted)

    def get_network_instances(self, name: str = "") -> dict[str, dict[str, Any]]:
        """VRFs. An unknown name gives an empty dictionary."""
        found = understood(interfaces.instances, self._interfaces(), self._device.show("show vrf"), self._running())
        return {one: value for one, value in found.items() if name in ("", one)}

    def get_bgp_neighbors(self) -> dict[str, dict[str, Any]]:
        """received_prefixes are what FRR counts: without soft-reconfiguration those after the filters."""
        summary = self._device.show_bgp("show bgp vrf all summary json")
        return understood(bgp.neighbors, summary, self._device.show_bgp("show bgp vrf all neighbors json"))

    def get_bgp_neighbors_detail(self, neighbor_address: str = "") -> dict[str, dict[int, list[dict[str, Any]]]]:
        """What FRR does not tell is empty, 0 or False."""
        details = self._device.show_bgp("show bgp vrf all neighbors json")
        return understood(bgp.neighbors_detail, details, neighbor_address)

    def get_route_to(
        self, destination: str = "", protocol: str = "", longer: bool = False
    ) -> dict[str, list[dict[str, Any]]]:
        """protocol: FRR's word, such as bgp, connected, static, kernel, ospf. Raises ValueError for no destination."""
        return routes.route_to(self._device, destination, protocol, longer)

    def ping(
        self,
        destination: str,
        source: str = c.PING_SOURCE,
        ttl: int = c.PING_TTL,
        timeout: int = c.PING_TIMEOUT,
        size: int = c.PING_SIZE,
        count: int = c.PING_COUNT,
        vrf: str = c.PING_VRF,
        source_interface: str = c.PING_SOURCE_INTERFACE,
    ) -> dict[str, Any]:
        """With the device's own ping. Raises ValueError for what is neither a name nor an address."""
        command, seconds = probes.ping_command(destination, [source_interface, source], ttl, timeout, size, count, vrf)
        answer = self._device.execute(command, timeout=seconds)
        return probes.ping(answer.code, printable(answer.out), answer.err, count)

    def traceroute(
        self,
        destination: str,
        source: str = c.TRACEROUTE_SOURCE,
        ttl: int = c.TRACEROUTE_TTL,
        timeout: int = c.TRACEROUTE_TIMEOUT,
        vrf: str = c.TRACEROUTE_VRF,
    ) -> dict[str, Any]:
        """With the device's own traceroute. host_name is the address: names are not resolved."""
        command, seconds = probes.traceroute_command(destination, source, ttl, timeout, vrf)
        answer = self._device.execute(command, timeout=seconds)
        return probes.traceroute(answer.code, printable(answer.out), answer.err)


# The methods' own parameters hide these names.
_sanitized = sanitized


def _text(filename: str | None, config: str | None, refusal: type[Exception]) -> str:
    """A candidate; as NAPALM has it, the file wins."""
    if filename is None:
        if config is None:
            raise refusal("Give a filename or a config.")
        return config
    try:
        return Path(filename).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise refusal(f"The candidate cannot be read: {filename}: {error.strerror}") from error
