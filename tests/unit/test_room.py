"""Rooms, the parts that decide: what runs in place, where links lead, what is hidden, what goes over the wire."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import LabwrightError
from labwright.lesson.room import places
from labwright.lesson.room.interpreter import parse, script_of
from labwright.lesson.room.rooms import hosts_text, room_environment
from labwright.lesson.room.root import inside
from labwright.lesson.room.wire import Request, receive, receive_descriptors, replies, reply, send, send_descriptors

WORDS = st.lists(st.text(max_size=8) | st.sampled_from(["-u", "-m", "-c", "-", "--", "-uc", "x.py", "-O", "json"]))


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        (["python", "x.py", "-v"], ("x.py", False, ("x.py", "-v"))),
        (["python3", "-u", "-u", "x.py"], ("x.py", False, ("x.py",))),
        ([sys.executable, "-m", "json.tool", "a"], ("json.tool", True, ("-m", "a"))),
        (["/usr/bin/python2", "x.py"], None),
        (["bash", "x.py"], None),
        (["python"], None),
        (["python", "-"], None),
        (["python", ""], None),
        (["python", "-m"], None),
        (["python", "-m", ""], None),
        (["python", "-c", "pass"], None),
        (["python", "-um", "json"], None),
        (["python", "--", "x.py"], None),
    ],
)
def test_only_plain_calls_of_this_interpreter_run_in_place(argv, call):
    assert parse(tuple(argv)) == call


@given(WORDS)
def test_whatever_follows_python_is_taken_whole_or_left_to_python(words):
    words = list(words)
    call = parse(("python", *words))
    if call is not None:
        name, is_module, arguments = call
        while words[0] == "-u":
            words.pop(0)
        assert words == (["-m", name, *arguments[1:]] if is_module else list(arguments))
        assert name
        assert is_module or name == arguments[0]


@pytest.mark.parametrize("beside", ["json.py", "paramiko.pyc", "os.cpython-311-x86_64-linux-gnu.so", "labwright/"])
def test_a_file_with_the_name_of_a_loaded_module_needs_a_new_interpreter(tmp_path, monkeypatch, beside):
    import paramiko  # noqa: F401

    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("pass")
    request = Request(("python", "x.py"), dict(os.environ), "/", "/")
    assert script_of(request) is not None
    if beside.endswith("/"):
        Path(beside).mkdir()
        assert script_of(request) is not None, "a folder without __init__ hides nothing"
        Path(beside, "__init__.py").touch()
    else:
        Path(beside).touch()
    if beside.endswith(".so") and sys.version_info[:2] != (3, 11):
        pytest.skip("another version's suffix")
    assert script_of(request) is None


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LD_PRELOAD", "LC_ALL", "TZ", "HOME", "OPENSSL_CONF"])
def test_another_value_of_what_is_read_at_the_start_needs_a_new_interpreter(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("pass")
    assert script_of(Request(("python", "x.py"), os.environ | {name: "7"}, "/", "/")) is None
    assert script_of(Request(("python", "x.py"), os.environ | {"OTHER": "7"}, "/", "/")) is not None


def test_links_are_followed_inside_the_root_and_never_out_of_it(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "etc/static").mkdir(parents=True)
    outside.touch()
    for name in ("hosts", "static/hosts"):
        (root / "etc" / name).touch()
    links = {"absolute": "/etc/static/hosts", "relative": "static/../hosts", "up": "../../../../etc/hosts",
             "escape": f"{'../' * 20}{outside}", "gone": "/run/x", "round": "round"}  # fmt: skip
    for name, target in links.items():
        (root / "etc" / name).symlink_to(target)
    assert inside(root, "/etc/absolute") == root / "etc/static/hosts"
    assert inside(root, "/etc/relative") == inside(root, "/etc/up") == root / "etc/hosts"
    assert inside(root, "/etc/gone") == root / "run/x"
    assert inside(root, "/etc/escape").is_relative_to(root)
    assert inside(root, "/etc/round").is_relative_to(root)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "etc", "link"]), max_size=12).map("/".join))
def test_no_path_leads_out_of_the_root(path):
    root = Path("/nowhere/root")
    assert inside(root, path).is_relative_to(root)


@pytest.mark.parametrize("home", ["/", "/usr", "/nonexistent", "/root", "/tmp"])
def test_a_home_that_holds_the_system_or_is_covered_anyway_is_not_hidden(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home)
    assert Path(home) not in places.hidden(tmp_path)


def test_a_whole_home_on_the_path_of_imports_stays_hidden(monkeypatch, tmp_path):
    home = tmp_path / "home"
    (home / "lib").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", ["", str(home), str(home / "lib"), str(tmp_path)])
    assert [path for path in places.visible([home]) if path.is_relative_to(tmp_path)] == [home / "lib"]


def test_relative_folders_of_pythonpath_count_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "core/src::/opt")
    assert room_environment()["PYTHONPATH"] == f"{tmp_path}/core/src:/opt"


def test_hosts_are_lines_of_address_and_name():
    assert hosts_text({"leaf-1": "127.0.1.1", "web.lab": "::1"}).splitlines()[2:] == ["127.0.1.1 leaf-1", "::1 web.lab"]


@given(st.text(), st.text())
def test_no_name_and_no_address_writes_a_second_line(name, address):
    try:
        text = hosts_text({name: address})
    except LabwrightError:
        return
    assert text.count("\n") == 3
    assert text.endswith(f"\n{address} {name}\n")
    assert len(text.splitlines()[2].split()) == 2


@given(st.builds(Request, st.lists(st.text(), min_size=1).map(tuple), st.dictionaries(st.text(), st.text()), st.text(),
                 st.text()))  # fmt: skip
def test_a_request_arrives_as_it_was_sent(request):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, request)
        assert Request(**receive(theirs)) == request


def test_a_caller_that_goes_in_the_middle_of_a_request_is_noticed():
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(b"\0\0\0\x09{")
        ours.close()
        with pytest.raises(EOFError):
            receive(theirs)


def test_passwords_are_not_in_the_words_of_a_request():
    assert "SECRET" not in repr(Request(("python", "SECRET"), {"ANTIDOTE_TARGET_PASSWORD": "SECRET"}, "/", "/"))


def test_open_files_arrive_and_are_not_passed_on_to_programs():
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    with ours, theirs:
        send_descriptors(ours, [write])
        (arrived,) = receive_descriptors(theirs, 4)
        os.write(arrived, b"x")
        assert os.read(read, 1) == b"x"
        assert not os.get_inheritable(arrived)
        ours.close()
        with pytest.raises(EOFError):
            receive_descriptors(theirs, 4)
    for descriptor in (read, write, arrived):
        os.close(descriptor)


def test_a_reply_that_was_cut_off_is_none():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reply(ours, code=3)
        said = theirs.recv(100)
    assert list(replies(said)) == [{"code": 3}]
    assert list(replies(said + said[:-1])) == [{"code": 3}]
    assert list(replies(b"")) == []
