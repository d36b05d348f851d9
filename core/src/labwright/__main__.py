"""The program: labwright, or python -m labwright."""

import signal


def main() -> None:
    """Read the program, then run what was asked for."""
    # Reading it takes a second or four, in which there is nothing to give back: Ctrl-C ends it as any other program.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from labwright.cli.app import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
