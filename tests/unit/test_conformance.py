"""Each check of the conformance kit finds the fault that it is there for, and passes our own drivers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest
from support.packages import DRIVER, lay_out, offers

from labwright.errors import LabwrightError
from labwright.hooks import HOOKS
from labwright.interfaces import BOOTSTRAPPERS, CONFIGURATORS, INTERFACE_VERSION, PROVISIONERS
from labwright.testing import assert_conforms, check_driver, checks_of, claims, common, stages
from labwright.testing.kit import run_check
from labwright.testing.subject import Subject

STATIC = f"{DRIVER}@staticmethod\n    "
OURS = f"interface_version = {INTERFACE_VERSION}"
PROVISIONER = (
    "from labwright.interfaces import DriverFacts, Provisioned, Provisioner\n"
    "class Driver(Provisioner):\n    facts = DriverFacts('Third')\n    ways = ('mounted',)\n"
)
PROVISION = "    def provision(self, request, bench): return Provisioned()\n"
CONFIGURATOR = (
    "from labwright.interfaces import ConfigurationResult, DriverFacts, LessonConfigurator\n"
    "class Driver(LessonConfigurator):\n    facts = DriverFacts('Third')\n"
)
FINE = (
    "    def candidates(self, endpoint): return (endpoint.name + '.sh',)\n"
    "    def configure(self, job, bench): return ConfigurationResult(False, 'it is down')\n"
)


@pytest.fixture
def subject(tmp_path, monkeypatch, bench):
    """Installs a module with a driver and gives what the checks look at."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(code: str, group: str = "bootstrappers", name: str = "third") -> Subject:
        lay_out(tmp_path / "site", "third_driver", code, offers(group, name, "third_driver:Driver"))
        importlib.invalidate_caches()
        sys.modules.pop("third_driver", None)
        (plugin,) = claims(name, group)
        return Subject(plugin, bench)

    umask = os.umask(0o022)
    yield install
    # The module is imported here too, with what it does then.
    os.umask(umask)
    sys.modules.pop("third_driver", None)


@pytest.mark.parametrize(
    ("check", "code", "state", "found"),
    [
        (common.check_interface, "Driver = 3", "fail", "not a subclass of labwright.interfaces.Bootstrapper"),
        (common.check_interface_version, f"{DRIVER}interface_version = 2", "fail", "built for interface 2"),
        (common.check_interface_version, f"{DRIVER}pass", "pass", f"interface {INTERFACE_VERSION}"),
        (common.check_interface_version_is_written_down, f"{DRIVER}{OURS}", "pass", "in Driver"),
        (common.check_facts, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', status='partial')", "fail", "limits does not say"),
        (common.check_facts, f"from labwright.interfaces import Distribution\n{DRIVER}distribution = Distribution(' ')",
         "fail", "not a line of 1 to 60"),
        (common.check_facts, f"{DRIVER}distribution = None", "fail", "distribution is NoneType"),
        (common.check_facts_are_frozen, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', tools=['tar'])", "fail", "changed in place: tools"),
        (common.check_methods_are_there, "from labwright.interfaces import Bootstrapper\n"
         "class Driver(Bootstrapper):\n    pass", "fail", "does not implement fetch_kernel_source"),
        (common.check_signatures, f"{DRIVER}def resolve(self, image, bench): pass", "fail", "does not take snapshot"),
        (common.check_signatures, f"{DRIVER}def resolve(self, image, bench, snapshot): pass", "fail",
         "wants snapshot, which callers may leave out"),
        (common.check_signatures, f"{DRIVER}def resolve(self, bench, image, snapshot=''): pass", "fail",
         "does not take image by that name at place 1"),
        (common.check_signatures, f"{DRIVER}def resolve(self, image, bench, snapshot='', *, more): pass", "fail",
         "wants more, which nobody gives it"),
        (common.check_signatures, f"{DRIVER}def resolve(self, image, bench, snapshot='', more=1): pass", "pass", "as"),
        (common.check_signatures, f"{DRIVER}def resolve(self, *args, **names): pass", "pass", "as in"),
        (common.check_signatures, f"{DRIVER}def resolve(*args, **names): pass", "pass", "as in"),
        (common.check_signatures, f"{DRIVER}def resolve(): pass", "fail", "does not take its instance"),
        (common.check_signatures, f"{STATIC}def resolve(image, bench, snapshot=''): pass", "pass", "as in"),
        (common.check_signatures, f"{STATIC}def resolve(self, image, bench, snapshot=''): pass",
         "fail", "does not take image by that name at place 1"),
        (common.check_signatures, f"{DRIVER}@classmethod\n    def resolve(cls, image, bench, snapshot=''): pass",
         "pass", "as in"),
        (common.check_signatures, f"from functools import partialmethod\n{DRIVER}def any(self, more, image, bench, "
         "snapshot=''): pass\n    resolve = partialmethod(any, 1)", "pass", "as in"),
        (common.check_signatures, f"{DRIVER}resolve = property(print)", "fail", "resolve is no method"),
        (common.check_signatures, f"{DRIVER}resolve = 3", "fail", "resolve is no method"),
        (common.check_it_can_be_made, f"{DRIVER}def __init__(self, size): pass", "fail", "raises TypeError"),
        (common.check_it_can_be_made, f"{DRIVER}one = object()\n    def __new__(cls): return cls.one", "warning",
         "one instance"),
        (common.check_imports_of_labwright, f"{DRIVER}def late(self):\n        from labwright import cli", "fail",
         "third_driver.py:4 imports labwright.cli"),
        (common.check_imports_of_labwright, f"import labwright.pipeline.steps\n{DRIVER}pass", "fail", ":1 imports"),
        (common.check_import_is_silent, f"import os\nos.write(1, b'hello')\n{DRIVER}pass", "fail", "prints: hello"),
        (common.check_import_is_silent,
         f"import sys, warnings\nif 'pytest' not in sys.modules: warnings.warn('in a while')\n{DRIVER}pass", "warning",
         "in a while"),
        (common.check_import_leaves_the_process_alone,
         f"import os, random\nos.umask(0o077)\nrandom.seed(1)\n{DRIVER}pass",
         "fail", "changes the umask, the state of random"),
        (common.check_import_is_quick,
         f"import sys, time\nif 'pytest' not in sys.modules: time.sleep(1.05)\n{DRIVER}pass",
         "warning", "importing it takes"),
        (common.check_types_are_published, f"{DRIVER}pass", "warning", "no py.typed"),
        (common.check_dependency_is_bounded, f"{DRIVER}pass", "warning", "does not depend on labwright"),
        (stages.check_releases, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', default_release='2')", "fail", "at least one"),
        (stages.check_releases, "from labwright.interfaces import Distribution, Release\n"
         f"{DRIVER}distribution = Distribution('T', releases=(Release('1', 'l'),), default_release='2')", "fail",
         "default release '2' is not one of 1"),
        (stages.check_tools, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', tools=('/bin/tar',))", "fail", "'/bin/tar'"),
        (stages.check_tools, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', tools=('tar|no-tar', 'no-such-tool'))", "warning",
         ": no-such-tool"),
        (stages.check_fragments, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', fragments=('third',))", "fail", "third.config cannot be read"),
        (stages.check_packages, "from labwright.interfaces import Distribution\n"
         f"{DRIVER}distribution = Distribution('T', packages=('a b',))", "fail", "a b"),
    ],
)  # fmt: skip
def test_a_check_finds_its_fault(subject, check, code, state, found):
    result = run_check(check, subject(code))
    assert (result.state, found in result.found) == (state, True), str(result)
    assert result.advice


@pytest.mark.parametrize(
    ("check", "group", "code", "state", "found"),
    [
        (stages.check_ways, "provisioners", PROVISIONER + PROVISION, "pass", "mounted"),
        (stages.check_ways, "provisioners", PROVISIONER + "    ways = ()\n" + PROVISION, "fail", "no way into"),
        (stages.check_ways, "provisioners", PROVISIONER + "    ways = ('by hand',)\n" + PROVISION, "fail", "'by hand'"),
        (stages.check_ways, "provisioners", PROVISIONER + "    ways = ('console',)\n" + PROVISION, "pass", "its own"),
        (stages.check_candidates, "configurators", CONFIGURATOR + FINE, "pass", "sample.sh"),
        (stages.check_candidates, "configurators",
         CONFIGURATOR + FINE + "    def candidates(self, endpoint): return ('../x',)\n", "fail", "'../x'"),
        (stages.check_an_endpoint_that_is_down_is_a_result, "configurators", CONFIGURATOR + FINE, "pass", "it is down"),
        (stages.check_an_endpoint_that_is_down_is_a_result, "configurators",
         CONFIGURATOR + FINE + "    def configure(self, job, bench): raise OSError('refused')\n", "fail",
         "raises OSError: refused"),
        (stages.check_an_endpoint_that_is_down_is_a_result, "configurators",
         CONFIGURATOR + FINE + "    def configure(self, job, bench): return ConfigurationResult(True, 'fine')\n",
         "fail", "not ok=False"),
        (stages.check_an_endpoint_that_is_down_is_a_result, "configurators", CONFIGURATOR + FINE
         + "    def configure(self, job, bench): return ConfigurationResult(False, job.endpoint.password)\n", "fail",
         "the password is in the result"),
        (stages.check_a_bad_file_is_a_result, "configurators", CONFIGURATOR + FINE
         + "    def configure(self, job, bench): return (job.lesson / job.file).read_text()\n", "fail",
         "raises UnicodeDecodeError"),
    ],
)  # fmt: skip
def test_a_check_of_one_interface_finds_its_fault(subject, check, group, code, state, found):
    result = run_check(check, subject(code, group))
    assert (result.state, found in result.found) == (state, True), str(result)


BUSY = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"


def test_what_others_take_of_the_processor_is_no_slow_import(subject):
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        result = run_check(common.check_import_is_quick, subject(f"{BUSY}{DRIVER}pass"))
    finally:
        os.sched_setaffinity(0, mine)
        for other in others:
            other.kill()
            other.wait()
    assert result.state == "pass", str(result)


@pytest.fixture
def installed(tmp_path, monkeypatch, bench):
    """Installs a package of several files that offers acme_pack:Driver."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(**files: str) -> Subject:
        lay_out(tmp_path / "site", "beside", "", offers("bootstrappers", "third", "acme_pack:Driver"))
        (tmp_path / "site/acme_pack").mkdir()
        for name, code in files.items():
            (tmp_path / f"site/acme_pack/{name}.py").write_text(code)
        importlib.invalidate_caches()
        (plugin,) = claims("third", "bootstrappers")
        return Subject(plugin, bench)

    before = dict(os.environ)
    yield install
    os.environ.clear()
    os.environ.update(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_pack"]:
        del sys.modules[name]


def test_what_the_entry_points_module_does_counts_not_that_of_the_class(installed):
    """The module that re-exports is the one that every command imports."""
    subject = installed(
        __init__="import os, sys, time\nprint('hello')\nos.environ['ACME'] = 'set'\nfrom labwright import cli\n"
        "if 'pytest' not in sys.modules: time.sleep(1.05)\nfrom labwright_debian import DebianBootstrapper as Driver\n"
    )
    assert subject.driver.__module__.startswith("labwright_debian")
    states = {check: run_check(check, subject).state for check in checks_of(BOOTSTRAPPERS)}
    assert states[common.check_import_is_silent] == "fail"
    assert states[common.check_import_leaves_the_process_alone] == "fail"
    assert states[common.check_import_is_quick] == "warning"
    assert states[common.check_imports_of_labwright] == "fail"


@pytest.mark.parametrize("template", ["class @NAME@:\n", "\0", "\udcff"])
def test_a_template_that_is_no_python_is_a_warning(installed, template):
    fine = f"{DRIVER}pass\n"
    subject = installed(__init__=fine)
    (subject.folder / "template.py").write_bytes(template.encode(errors="surrogateescape"))
    result = run_check(common.check_imports_of_labwright, subject)
    assert (result.state, result.found) == ("warning", "no Python: template.py")
    (subject.folder / "other.py").write_text("import labwright.ui\n")
    assert run_check(common.check_imports_of_labwright, subject).state == "fail"


def test_facts_that_hold_a_dict_as_the_interfaces_own_do_are_frozen_enough(subject):
    code = f"{DRIVER}distribution = Distribution('T', refused={{'1': 'old'}})"
    found = subject(f"from labwright.interfaces import Distribution\n{code}")
    assert run_check(common.check_facts_are_frozen, found).state == "pass"
    assert "dict" not in (common.check_facts_are_frozen.__doc__ or "")


def test_a_type_that_cannot_be_written_in_an_image_is_no_name(subject):
    result = run_check(common.check_name, subject(f"{DRIVER}pass", name="Third_OS"))
    assert result.state == "fail"


def test_a_type_that_another_package_offers_is_a_warning(tmp_path, monkeypatch, bench):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    lay_out(
        tmp_path / "site", "third_driver", f"{DRIVER}pass", offers("bootstrappers", "debian", "third_driver:Driver")
    )
    for plugin in claims("debian", "bootstrappers"):
        assert run_check(common.check_type_is_not_taken, Subject(plugin, bench)).state == "warning"


@pytest.mark.parametrize(("name", "group"), [("debian", "bootstrappers"), ("debian", "provisioners")])
def test_our_own_drivers_conform(name, group):
    assert_conforms(group, name)


def test_each_interface_has_checks_of_its_own():
    assert len({checks_of(group) for group in (BOOTSTRAPPERS, PROVISIONERS, CONFIGURATORS)}) == 3


def test_a_driver_that_does_not_import_has_one_result(subject):
    broken = subject("raise OSError('boom')")
    (result,) = check_driver(broken.plugin, broken.bench)
    assert result.state == "fail"
    assert "boom" in result.found
    with pytest.raises(AssertionError, match=r"third of third_driver does not conform:\nloads: fail: .*boom"):
        assert_conforms("bootstrappers", "third")


def test_of_two_packages_the_chosen_one_has_to_conform(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "third_driver", raising=False)
    code = f"{DRIVER}distribution = None"
    lay_out(tmp_path / "site", "third_driver", code, offers("bootstrappers", "debian", "third_driver:Driver"))
    with pytest.raises(LabwrightError, match="which debian of the bootstrappers is meant: labwright_debian"):
        assert_conforms("bootstrappers", "debian")
    monkeypatch.setenv("LABWRIGHT_DEBIAN_PLUGIN", "labwright-debian")
    assert_conforms("bootstrappers", "debian")
    monkeypatch.setenv("LABWRIGHT_DEBIAN_PLUGIN", "third-driver")
    with pytest.raises(AssertionError, match="debian of third_driver does not conform"):
        assert_conforms("bootstrappers", "debian")


def test_a_type_or_interface_that_is_not_there_says_what_there_is():
    with pytest.raises(LabwrightError, match="no installed package offers the type 'nothing'") as caught:
        claims("nothing")
    assert "debian" in caught.value.hint
    with pytest.raises(LabwrightError, match="there is no interface 'drivers'") as caught:
        claims("debian", "drivers")
    assert "provisioners" in caught.value.hint


CHECKS = """
from labwright.hooks import CheckResult, hookimpl
@hookimpl
def labwright_check_driver(plugin):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "state", "found"),
    [
        ("return [CheckResult('profile', 'pass', plugin.name)]", "pass", "third"),
        ("raise OSError('of their own')", "fail", "they raise OSError: of their own"),
        ("return None", "fail", "they raise TypeError"),
    ],
)
def test_checks_of_another_package_are_run_and_their_fault_is_theirs(subject, tmp_path, body, state, found):
    lay_out(tmp_path / "site", "checks", CHECKS.format(body=body), f"[{HOOKS}]\nchecks = checks\n")
    sys.modules.pop("checks", None)
    third = subject(PROVISIONER + PROVISION, "provisioners")
    last = check_driver(third.plugin, third.bench)[-1]
    assert (last.state, found in last.found) == (state, True), str(last)


def test_the_pytest_plugin_costs_other_projects_nothing():
    """It is loaded in every run of pytest where labwright is installed."""
    code = (
        "import sys, pytest; before = set(sys.modules); import labwright.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['labwright', 'labwright.pytest_plugin']"
