"""Compiles what comes on standard input, each with its length before it, and answers with a line of JSON for each.

Run by its path, with nothing of labwright's.
"""

import json
import resource
import struct
import sys
import warnings

MEMORY = 1 << 30
"""Bytes; a script of 4 MiB, the largest that is looked into, takes half of it."""
SECONDS = 60
"""Of the processor, where nobody is left who would end this."""
LONGEST = 1000
"""Characters of a message."""


def main() -> None:
    """Until the end of the input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    while header := sys.stdin.buffer.read(4):
        found = mistake(sys.stdin.buffer.read(struct.unpack(">I", header)[0]))
        answer = {"line": found[0], "message": found[1][:LONGEST]} if found else None
        print(json.dumps(answer), flush=True)


def mistake(data: bytes) -> tuple[int, str] | None:
    """The line of the first mistake, and what it is."""
    try:
        compile(data, "script", "exec", dont_inherit=True)
    except SyntaxError as error:
        return max(error.lineno or 1, 1), f"not Python 3: {error.msg or 'it cannot be compiled'}"
    except (ValueError, RecursionError, MemoryError, OverflowError, LookupError) as error:
        return 1, f"not Python that can be compiled: {str(error) or type(error).__name__}"
    return None


if __name__ == "__main__":
    main()
