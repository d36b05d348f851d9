"""The key pair of the stand-in, and what is signed with it: packages and lists of packages."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EPOCH = 1_700_000_000
AT_ONCE = 2


@dataclass(frozen=True)
class Signer:
    """A home with a key pair of its own. Nothing of the user's home is read: its macros would change the packages."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "GNUPGHOME": str(self.home / "gnupg"),
            "GPG_TTY": "none", "LANG": "C.UTF-8", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(EPOCH),
        }  # fmt: skip

    def gpg(self, *words: str | Path) -> str:
        return subprocess.run(
            ["gpg", "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", *words],
            check=True, capture_output=True, text=True, env=self.environment,
        ).stdout  # fmt: skip

    def fingerprint(self) -> str:
        fields = [line.split(":") for line in self.gpg("--with-colons", "--list-keys").splitlines()]
        return next(line[9] for line in fields if line[0] == "fpr")

    def sign_list(self, repomd: Path) -> None:
        signature = repomd.with_name(f"{repomd.name}.asc")
        signature.unlink(missing_ok=True)
        self.gpg("--detach-sign", "--armor", "--output", signature, repomd)

    def sign_packages(self, packages: Sequence[Path]) -> None:
        """rpmsign replaces each file, so what is linked to it elsewhere stays as it was."""
        if not packages:
            return
        words = ["rpmsign", "--define", f"_gpg_name {self.fingerprint()}", "--define", "__gpg /usr/bin/gpg",
                 "--addsign"]  # fmt: skip
        shares = [packages[at::AT_ONCE] for at in range(min(AT_ONCE, len(packages)))]
        running = [
            subprocess.Popen([*words, *share], env=self.environment, stdout=subprocess.DEVNULL) for share in shares
        ]
        for child in running:
            assert child.wait() == 0, "rpmsign failed"

    def end_agent(self) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], check=True, env=self.environment)


def make_key(home: Path, name: str) -> Signer:
    signer = Signer(home)
    (home / "gnupg").mkdir(mode=0o700, parents=True)
    signer.gpg("--passphrase", "", "--quick-generate-key", f"{name} <stand-in@localhost>", "rsa3072", "sign", "never")
    return signer


def export_key(signer: Signer, place: Path) -> Path:
    place.write_text(signer.gpg("--armor", "--export"))
    return place
