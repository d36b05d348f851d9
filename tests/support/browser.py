"""A headless Chromium for tests of pages: its layout, its console, axe's findings, screenshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

AXE = files("axe_core_python").joinpath("axe.min.js")
RUN_AXE = """
const [rules, done] = arguments;
axe.run(document, rules.length ? {runOnly: rules} : {}).then(found => done(found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target} ${node.html.slice(0, 160)}`))));
"""
TALLEST_SHOT = 16000


class Browser:
    """One window. Pages are shown by file: address, so that nothing listens."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def show(self, page: Path, width: int, dark: bool = False, height: int = 900) -> None:
        """Open a page in a window of this width, in light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme, motion]})
        self.driver.get(page.as_uri())

    def ask(self, script: str, *arguments: object) -> Any:
        """What a function body in JavaScript returns; the page's own policy holds for the page, not for this."""
        return self.driver.execute_script(script, *arguments)

    def open_all(self) -> None:
        """Open every part of the page that is folded."""
        self.ask("document.querySelectorAll('details').forEach(one => one.open = true)")

    def console(self) -> list[str]:
        """What the browser complained of since the last call: errors, refused requests, broken policies."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def axe(self, *rules: str) -> list[str]:
        """The findings of axe-core, a line each. rules: those that are looked at; all where none is named."""
        self.ask(AXE.read_text())
        found = self.driver.execute_async_script(RUN_AXE, rules)
        return list(found)

    def screenshot(self, name: str, folder: Path) -> Path:
        """The whole page, as a PNG; in LABWRIGHT_SCREENSHOTS where that is set."""
        place = Path(os.environ.get("LABWRIGHT_SCREENSHOTS") or folder)
        place.mkdir(parents=True, exist_ok=True)
        height = min(self.ask("return document.documentElement.scrollHeight"), TALLEST_SHOT)
        width = self.ask("return document.documentElement.clientWidth")
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        self.driver.save_screenshot(str(place / f"{name}.png"))
        return place / f"{name}.png"


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; it and its driver end with the context."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(120)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
