"""A real browser without a window, driven through its own debugging pipe: no package is needed beside Chromium."""

import base64
import fcntl
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
OPTIONS += ("--disable-extensions", "--disable-background-networking", "--force-device-scale-factor=1")
LAUNCH = """import os, sys
for ours, expected in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(ours), expected)
os.execv(sys.argv[3], sys.argv[3:])"""  # Chromium reads commands from 3 and answers on 4
KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "ArrowRight": (39, ""),
    "ArrowLeft": (37, ""),
    " ": (32, " "),
}


def find_chromium() -> str:
    """The program; installed from the distribution where that can be done.

    Raises:
        RuntimeError: it is not there, and this user cannot install it.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
            done = subprocess.run(["apt-get", "--quiet", *command], env=environment, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"apt-get {command[0]} failed: {done.stderr.strip()}")
        found = shutil.which("chromium")
    if found is None:
        raise RuntimeError("This test needs Chromium; as root, `apt-get install chromium`.")
    return found


class Chromium:
    """A browser with one page.

    Attributes:
        troubles: errors of the console and exceptions of the page's program, in words.
    """

    def __init__(self, profile: Path, downloads: Path) -> None:
        self.troubles: list[str] = []
        self._number, self._buffer = 0, b""
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs_in, theirs_out)]
        command = [sys.executable, "-S", "-c", LAUNCH, *map(str, high), find_chromium(), *OPTIONS]
        command += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, pass_fds=high, **quiet)
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
        self._in, self._out = ours_in, ours_out
        self._ready = selectors.DefaultSelector()
        self._ready.register(ours_in, selectors.EVENT_READ)
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.send(f"{domain}.enable")
        self._session, page = None, self._session
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        self._session = page

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        for end in (self._in, self._out):
            os.close(end)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the debugging protocol, and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not self._ready.select(max(0.0, deadline - time.monotonic())):
                raise RuntimeError("Chromium does not answer")
            part = os.read(self._in, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        whole, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(whole)

    def _note(self, event: dict[str, Any]) -> None:
        content = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = content["exceptionDetails"]
                self.troubles.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if content["entry"]["level"] in ("error", "warning"):
                self.troubles.append(f"{content['entry']['text']} {content['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if content["type"] in ("error", "warning"):
                self.troubles.append(str(content["args"]))

    def open(self, page: Path, address: str = "") -> None:
        """Load a file and wait for it."""
        self.leave()  # else another address of the same file loads nothing
        self.send("Page.navigate", url=page.resolve().as_uri() + address)
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def leave(self) -> None:
        """Show an empty page."""
        self.send("Page.navigate", url="about:blank")
        self.wait_for("location.href === 'about:blank' && document.readyState === 'complete'")

    def reload(self) -> None:
        """Load the page again."""
        self.run("window.old = true")
        self.send("Page.reload")
        self.wait_for("!window.old && document.readyState === 'complete'")

    def run(self, program: str) -> Any:
        """The value of an expression in the page.

        Raises:
            RuntimeError: it throws.
        """
        answer = self.send("Runtime.evaluate", expression=program, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{program}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, program: str, seconds: float = 20) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.run(program):
                    return
            except RuntimeError as error:
                if "navigated" not in str(error):
                    raise
            if time.monotonic() > deadline:
                raise RuntimeError(f"never true: {program}")
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Keys one after the other, letters or names of :data:`KEYS`."""
        for key in keys:
            code, text = KEYS.get(key, (ord(key[0].upper()), key))
            pressed = {"key": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **pressed)
            self.send("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def type(self, text: str) -> None:
        """Into the field that has the focus."""
        self.send("Input.insertText", text=text)

    def give_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field for files."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def accessible(self) -> list[tuple[str, str]]:
        """(role, name) of all that a screen reader is told of."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        seen = [node for node in nodes if not node.get("ignored") and "role" in node]
        return [(node["role"]["value"], str(node.get("name", {}).get("value", ""))) for node in seen]

    def resize(self, width: int, height: int = 900) -> None:
        """The size of the page's window in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """A screenshot of the window (PNG)."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
