"""Manners that both commands share: one line an error, exit codes, a progress display that also works in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from synth.errors import UserError
from synth.interrupts import listen, unheeded


def run_command(
    group: click.Group, name: str, explained: Callable[[Exception], str | None] = lambda _error: None
) -> None:
    """Run a command and leave the process with its exit code: 0 done, 2 a user's mistake, 130 stopped by the user.

    ``explained`` says in one line what a library's error means, where a user can mend that; None where it is a fault.
    """
    listen()
    code: object = 0
    try:
        code = group.main(prog_name=name, standalone_mode=False)
    except UserError as error:
        say(f"{name}: {error}")
        code = error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        say(f"{name}: {error.format_message()} (see '{context.command_path if context else name} --help')")
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        say(f"{name}: {error.strerror or error}{where}")
        code = 1
    except Exception as error:
        if unheeded():
            code = 130
        elif line := explained(error):
            say(f"{name}: {line}")
            code = 2
        else:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def say(message: str) -> None:
    """Tell the user one line on standard error; line breaks in the message become spaces."""
    sys.stderr.write(" ".join(message.split()) + "\n")
    sys.stderr.flush()
