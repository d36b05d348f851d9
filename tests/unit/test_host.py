"""Where labwright keeps things, and a doctor whose checks may break one by one."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer

from labwright.cli.session import failures
from labwright.errors import Cause, LabwrightError
from labwright.host import namespace, probes, usage
from labwright.host.files import beside, write_whole
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.sockets import listens


def surroundings(tmp_path: Path) -> probes.Surroundings:
    return probes.Surroundings(
        Paths(tmp_path), Ledger(tmp_path / "ledger"), tmp_path, lambda: (False, "not tried"), deep=False
    )


def test_a_home_that_is_not_there_is_an_error_in_words(monkeypatch):
    monkeypatch.setenv("LABWRIGHT_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(LabwrightError, match="no cache folder"):
        Paths.from_environment()


def test_a_cache_folder_that_others_could_swap_is_refused(tmp_path):
    parent = tmp_path / "open"
    parent.mkdir()
    parent.chmod(0o777)
    with pytest.raises(LabwrightError, match="everybody may rename"):
        Paths(parent / "cache").ensure()
    parent.chmod(0o1777)
    Paths(parent / "cache").ensure()
    (parent / "cache").chmod(0o777)
    with pytest.raises(LabwrightError, match="written by others"):
        Paths(parent / "cache").ensure()


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), ValueError("x"), StopIteration(), OSError("x")])
def test_a_check_that_breaks_does_not_end_the_doctor(tmp_path, monkeypatch, error):
    def check_broken(_: probes.Surroundings) -> probes.Finding:
        """It broke."""
        raise error

    monkeypatch.setattr(probes, "CHECKS", (check_broken, probes.check_clock))
    findings = probes.examine(Paths(tmp_path), lambda: (False, ""))
    assert [(finding.name, finding.state) for finding in findings] == [("broken", "warning"), ("clock", "ok")]
    assert type(error).__name__ in findings[0].found
    assert Ledger(tmp_path / "ledger").entries() == []


@pytest.mark.parametrize(
    ("page", "found"),
    [(b"<html>Please log in</html>", "something else than a Release file"), (None, "404")],
)
def test_a_mirror_that_is_none_is_noticed(tmp_path, monkeypatch, page, found):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if page else 404)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    real = probes.run

    def run(argv, **options):
        if argv[0] == "apt-get":
            # A stand-in for the sources of a host: one mirror, on loopback.
            return real(["echo", f"Debian http://127.0.0.1:{server.server_port}/dists/x/"])
        return real(argv, **options)

    monkeypatch.setattr(probes, "run", run)
    finding = probes.check_mirror(surroundings(tmp_path))
    server.shutdown()
    server.server_close()
    assert finding.state == "missing"
    assert found in finding.found
    assert finding.remedy


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    place = tmp_path / "file"
    write_whole(place, "one")
    with pytest.raises(UnicodeEncodeError):
        write_whole(place, "\udcff")
    assert place.read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert beside(Path("/x") / ("n" * 255)).name != "n" * 255
    assert len(beside(Path("/x") / ("n" * 255)).name) <= 255


def test_errors_have_exit_codes_of_their_own():
    codes = [cause.exit_code for cause in Cause]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


def test_no_memory_for_labwright_itself_is_an_error_in_words(capsys):
    with pytest.raises(typer.Exit) as caught, failures():
        raise MemoryError
    assert caught.value.exit_code == 10
    assert "out of memory" in capsys.readouterr().err


def test_what_children_take_is_seen(tmp_path):
    before = usage.children_memory(os.getpid())
    code = "x = b'x' * 80_000_000; input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + 10
        while usage.children_memory(os.getpid()) - before < 80_000_000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.communicate(b"\n")


def test_free_memory_is_no_more_than_the_system_has():
    assert 0 < usage.available_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 2


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ("tired:100000:65536\n", 65536),
        ("1000:1:70000\ntired:9:5\n", 70000),
        ("other:1:65536\n", 0),
        ("tired:x:y\n\n", 0),
    ],
)
def test_the_ids_set_aside_for_a_user(tmp_path, table, count):
    place = tmp_path / "subuid"
    place.write_text(table)
    assert namespace.subordinate_ids(place, "tired", 1000) == count
    assert namespace.subordinate_ids(tmp_path / "none", "tired", 1000) == 0


@pytest.mark.parametrize("name", ["two words", "a:b", "c#d", "e%f", "tab\tbed", 'q"'])
def test_a_cache_folder_that_make_and_apt_cannot_work_in_is_refused_at_once(tmp_path, name):
    with pytest.raises(LabwrightError, match="in its path") as caught:
        Paths(tmp_path / name / "cache").ensure()
    assert caught.value.cause is Cause.CONFIG
    assert not (tmp_path / name).exists()
    Paths(tmp_path / "schön+gut_1.2~3").ensure()


def test_a_socket_is_there_before_it_takes_connections(tmp_path):
    place = tmp_path / "a socket"
    with socket.socket(socket.AF_UNIX) as one:
        assert not listens(place)
        one.bind(str(place))
        assert place.is_socket()
        assert not listens(place)
        one.listen()
        assert listens(place)
        assert not listens(tmp_path / "socket")
    assert not listens(place)
