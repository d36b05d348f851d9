"""The simulation of write-a-plugin's device on a real terminal: what plugins new writes plays the same on a wire.

It is a small command line, as vendors have them, and speaks on standard input and output, which have to be a terminal.
With a program as argument it runs that for what touches the system: `user NAME` with the password's hash on standard
input, and `halt`.
"""

from __future__ import annotations

import subprocess
import sys
import termios

LOGIN = ("admin", "admin")
REFUSED = "% Unknown command"


class Device:
    """What the console knows. mode: `>` or `#`, or `(config)#`. program: for what touches the system, or nothing."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.name = "acme"
        self.mode = ">"

    def do(self, line: str) -> str:
        """One command, and what it says."""
        words = line.split()
        configuring = self.mode == "(config)#"
        match words:
            case []:
                return ""
            case ["enable"] if self.mode == ">":
                self.mode = "#"
            case ["configure"] if self.mode == "#":
                self.mode = "(config)#"
            case ["exit"] if configuring:
                self.mode = "#"
            case ["hostname", name] if configuring:
                self.name = name
            case ["username", name, "secret", secret] if configuring:
                return self.system("user", name, given=secret) if secret.startswith("$") else "% A hash is wanted"
            case ["halt"] if self.mode == "#":
                self.halt()
            case ["write", "memory"] if self.mode == "#":
                return "saved"
            case ["show", "version"]:
                return f"{self.name} is up"
            case _:
                return REFUSED
        return ""

    def halt(self) -> None:
        """Switch it off."""
        if ask("Power off? [yes/no]: ") == "yes":
            print("The system is going down", flush=True)
            self.system("halt")
            raise EOFError

    def system(self, *words: str, given: str = "") -> str:
        """Have the program do it, and what it complains of."""
        if not self.program:
            return ""
        done = subprocess.run([self.program, *words], input=given, text=True, capture_output=True, check=False)
        return f"% {done.stderr.strip()}" if done.returncode else ""


def ask(question: str, echo: bool = True) -> str:
    """One line of input. echo: whether it is shown while it is typed."""
    sys.stdout.write(question)
    sys.stdout.flush()
    shown = termios.tcgetattr(sys.stdin)
    hidden = [*shown]
    hidden[3] &= ~termios.ECHO
    if not echo:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, hidden)
    try:
        line = sys.stdin.readline()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, shown)
    if not line:
        raise EOFError
    if not echo:
        print()
    return line.strip()


def main() -> None:
    """Boot, let somebody in, and take commands."""
    device = Device(sys.argv[1] if len(sys.argv) > 1 else "")
    print("\nStarting the system ...\n")
    while (ask(f"{device.name} login: "), ask("Password: ", echo=False)) != LOGIN:
        print("Login incorrect")
    while ask("Run the setup wizard? [yes/no]: ") != "no":
        print("There is no wizard in a simulation.")
    while True:
        if said := device.do(ask(f"{device.name}{device.mode} ")):
            print(said)


if __name__ == "__main__":
    try:
        main()
    except (EOFError, KeyboardInterrupt):
        sys.exit(0)
