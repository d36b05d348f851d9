"""NAPALM's views of BGP neighbours. Pure functions on FRR's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napalm_frr.interfaces import objects

Json = Mapping[str, Any]

# NAPALM knows the first two; others have FRR's name.
FAMILIES = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}
NOBODY = "0.0.0.0"  # noqa: S104 - what FRR shows as the router id of a peer that it has not met


def vrf_name(name: str) -> str:
    """NAPALM calls the default VRF global."""
    return "global" if name == "default" else name


def neighbors(summary: Json, details: Json) -> dict[str, dict[str, Any]]:
    """From `show bgp vrf all summary json` and `show bgp vrf all neighbors json`.

    uptime: seconds, -1 for a session that is not up. received_prefixes: those that FRR counts in its summary.
    """
    found: dict[str, dict[str, Any]] = {"global": {"router_id": "", "peers": {}}}
    for vrf, families in objects(summary):
        instance = found.setdefault(vrf_name(vrf), {"router_id": "", "peers": {}})
        for family, shown in objects(families):
            instance["router_id"] = str(shown.get("routerId", instance["router_id"]))
            for peer, brief in objects(shown.get("peers", {})):
                detail = _detail(details, vrf, peer)
                entry = instance["peers"].setdefault(peer, _neighbor(brief, detail))
                entry["address_family"][FAMILIES.get(family, family)] = _prefixes(
                    brief, detail.get("addressFamilyInfo", {}).get(family, {})
                )
    return found


def _detail(details: Json, vrf: str, peer: str) -> Json:
    found = details.get(vrf, {}).get(peer, {})
    return found if isinstance(found, dict) else {}


def _neighbor(brief: Json, detail: Json) -> dict[str, Any]:
    is_up = brief.get("state") == "Established"
    remote_id = str(detail.get("remoteRouterId", ""))
    return {
        "local_as": int(brief.get("localAs", detail.get("localAs", 0))),
        "remote_as": int(brief.get("remoteAs", detail.get("remoteAs", 0))),
        "remote_id": "" if remote_id == NOBODY else remote_id,
        "is_up": is_up,
        "is_enabled": not _is_shut(brief, detail),
        "description": str(detail.get("nbrDesc", brief.get("desc", ""))),
        "uptime": int(brief.get("peerUptimeMsec", 0)) // 1000 if is_up else -1,
        "address_family": {},
    }


def _is_shut(brief: Json, detail: Json) -> bool:
    return bool(detail.get("adminShutDown")) or "Admin" in str(brief.get("state", ""))


def _prefixes(brief: Json, family: Json) -> dict[str, int]:
    received = int(brief.get("pfxRcd", family.get("acceptedPrefixCounter", -1)))
    return {
        "received_prefixes": received,
        "accepted_prefixes": int(family.get("acceptedPrefixCounter", received)),
        "sent_prefixes": int(brief.get("pfxSnt", family.get("sentPrefixCounter", -1))),
    }


def neighbors_detail(details: Json, wanted: str) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """From `show bgp vrf all neighbors json`. wanted: the address of one neighbour, or empty for all.

    What FRR does not tell is empty, 0 or False: previous_connection_state, multipath, local_as_prepend.
    """
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for vrf, peers in objects(details):
        for address, peer in objects(peers):
            if wanted in ("", address):
                by_as = found.setdefault(vrf_name(vrf), {})
                by_as.setdefault(int(peer.get("remoteAs", 0)), []).append(_peer(vrf, address, peer))
    return found


def _peer(vrf: str, address: str, peer: Json) -> dict[str, Any]:
    stats, families = peer.get("messageStats", {}), [one for _, one in objects(peer.get("addressFamilyInfo", {}))]
    accepted = sum(int(one.get("acceptedPrefixCounter", 0)) for one in families)
    local = str(peer.get("hostLocal", ""))
    return {
        "up": peer.get("bgpState") == "Established",
        "local_as": int(peer.get("localAs", 0)),
        "remote_as": int(peer.get("remoteAs", 0)),
        "router_id": str(peer.get("localRouterId", "")),
        "local_address": "" if local == "Unknown" else local,
        "routing_table": vrf_name(vrf),
        "local_address_configured": "updateSource" in peer,
        "local_port": max(0, int(peer.get("portLocal", 0))),
        "remote_address": address,
        "remote_port": max(0, int(peer.get("portForeign", 0))),
        "multihop": int(peer.get("externalBgpNbrMaxHopsAway", 1)) > 1,
        "multipath": False,
        "remove_private_as": any("privateAs" in key for one in families for key in one),
        "import_policy": _policy(families, "routeMapForIncomingAdvertisements"),
        "export_policy": _policy(families, "routeMapForOutgoingAdvertisements"),
        "input_messages": int(stats.get("totalRecv", 0)),
        "output_messages": int(stats.get("totalSent", 0)),
        "input_updates": int(stats.get("updatesRecv", 0)),
        "output_updates": int(stats.get("updatesSent", 0)),
        "messages_queued_out": int(stats.get("depthOutq", 0)),
        "connection_state": str(peer.get("bgpState", "")),
        "previous_connection_state": "",
        "last_event": str(peer.get("lastResetDueTo", "")),
        "suppress_4byte_as": "4byteAs" not in peer.get("neighborCapabilities", {"4byteAs": ""}),
        "local_as_prepend": False,
        **_timers(peer),
        "active_prefix_count": accepted,
        "received_prefix_count": accepted,
        "accepted_prefix_count": accepted,
        "suppressed_prefix_count": 0,
        "advertised_prefix_count": sum(int(one.get("sentPrefixCounter", 0)) for one in families),
        "flap_count": int(peer.get("connectionsDropped", 0)),
    }


def _timers(peer: Json) -> dict[str, int]:
    """Seconds; FRR has milliseconds."""
    names = {
        "holdtime": "bgpTimerHoldTimeMsecs",
        "configured_holdtime": "bgpTimerConfiguredHoldTimeMsecs",
        "keepalive": "bgpTimerKeepAliveIntervalMsecs",
        "configured_keepalive": "bgpTimerConfiguredKeepAliveIntervalMsecs",
    }
    return {ours: int(peer.get(theirs, 0)) // 1000 for ours, theirs in names.items()}


def _policy(families: list[Json], key: str) -> str:
    return next((str(one[key]) for one in families if key in one), "")


def paths(shown: Json, local_as: int) -> dict[str, dict[str, Any]]:
    """NAPALM's attributes of each path by its next hop, from `show bgp ... PREFIX json`."""
    return {
        str(hop.get("ip", "")): _attributes(path, hop, local_as)
        for path in shown.get("paths", ())
        for hop in path.get("nexthops", ())
    }


def _attributes(path: Json, hop: Json, local_as: int) -> dict[str, Any]:
    segments = path.get("aspath", {}).get("segments", ())
    systems = [int(one) for segment in segments for one in segment.get("list", ())]
    preference = int(path.get("locPrf", path.get("localPref", 100)))
    return {
        "local_as": local_as,
        # The neighbour's own number comes first; a path without numbers began in our own system.
        "remote_as": systems[0] if systems and path.get("peer", {}).get("type") != "internal" else local_as,
        "peer_id": str(path.get("peer", {}).get("peerId", "")),
        "as_path": str(path.get("aspath", {}).get("string", "")),
        "communities": [str(one) for one in path.get("community", {}).get("list", ())],
        "local_preference": preference,
        "preference2": -preference - 1,
        "metric": int(path.get("metric", path.get("med", 0))),
        "metric2": int(hop.get("metric", 0)),
    }
