"""The conformance kit: what every driver has to keep to, as checks that its authors' tests and `plugins check` run.

With pytest nothing has to be imported: labwright brings the fixtures `bench`, `driver` and `conformance` to a project
that names its driver; see docs/write-a-plugin.md. Elsewhere:

    from labwright.testing import assert_conforms

    assert_conforms("provisioners", "acme")
"""

from __future__ import annotations

from labwright.hooks import CheckResult, Plugin
from labwright.testing.bench import workbench
from labwright.testing.kit import assert_conforms, check_driver, checks_of, claim, claims

__all__ = ["CheckResult", "Plugin", "assert_conforms", "check_driver", "checks_of", "claim", "claims", "workbench"]
