"""What the host's children run: a Pulumi program, or a plugin, that ends with its parent.

Runs in the project's own interpreter, as a file:

    run_child.py program              the description of the run comes on standard input, as JSON
    run_child.py module NAME ARGS...  a module of the pulumi package that is a plugin's server
    run_child.py path PATH ARGS...    a plugin's folder or file
"""

import asyncio
import atexit
import gc
import json
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SDK_VERSION = "3.259.0"
"""The pulumi release whose run-time functions are called here; a test keeps it equal to the
host's, which this file cannot import."""

EXIT_REPORTED = 32
"""Exit code of a failure that was reported to the user."""

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

WATCH_SECONDS = 0.5
"""How often a child looks whether its parent still lives."""

AFTER_CALLBACK_SECONDS = 0.01
"""How soon a lost interrupt is repeated: the callback has returned by then."""

OBJECTS_BEFORE_COLLECTION = 50_000
"""How many objects are made before the garbage collector looks for cycles. Python's default is 700,
at which importing Pulumi and a program takes a tenth longer."""

THREADS_PER_OPERATION = 4
"""Threads for one parallel resource operation, each of which blocks on several calls."""


def end_with_parent() -> None:
    """End this process, and its group if it leads one, as soon as its parent has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def keep_interrupts() -> None:
    """Interrupt again, instead of a report, where an interrupt is lost.

    Python loses an exception in the callback of a weak reference, and in other callbacks.
    """

    def repeat(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            again = threading.Timer(AFTER_CALLBACK_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = repeat


def user_traceback(error: BaseException, directory: str) -> str:
    """Return the traceback of `error` from the first frame of a file in `directory` on.

    Frames before it are the host's and Pulumi's. An error without such a frame keeps all of its
    frames, unless it is a syntax error, which names the file itself. `directory` is absolute.
    """
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    seen: set[int] = set()
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        part.stack = _from_user_code(part.stack, directory)
        if part.exc_type is not None and issubclass(part.exc_type, SyntaxError):
            part.stack = traceback.StackSummary.from_list(
                [frame for frame in part.stack if _is_user_code(frame.filename, directory)]
            )
        part = part.__cause__ or part.__context__
    return "".join(report.format())


def _from_user_code(stack: traceback.StackSummary, directory: str) -> traceback.StackSummary:
    for index, frame in enumerate(stack):
        if _is_user_code(frame.filename, directory):
            return traceback.StackSummary.from_list(stack[index:])
    return stack


def _is_user_code(filename: str, directory: str) -> bool:
    path = os.path.abspath(filename)
    return (
        not filename.startswith("<")
        and path.startswith(os.path.join(directory, ""))
        and path != os.path.abspath(__file__)
        and "site-packages" not in path
    )


def run_program() -> int:
    """Run the Pulumi program that standard input describes; returns the exit code.

    The host may start this before the engine asks for the program, so that importing Pulumi does
    not come on top of what the engine does meanwhile.
    """
    try:
        import pulumi.runtime  # noqa: F401 - imported early, used by Program.
    except ImportError as error:
        failure = str(error)
    else:
        failure = ""
    job = sys.stdin.read()
    if not job:
        # The host has found no use for this process, or has ended.
        return 0
    if failure:
        print(
            f"The program's Python, {sys.executable}, cannot import the package pulumi: {failure}\n"
            f"Install the project's requirements with "
            f"`{sys.executable} -m pip install -r requirements.txt`.",
            file=sys.stderr,
        )
        return 1
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    try:
        program = Program(json.loads(job))
    except (AttributeError, TypeError) as error:
        print(f"The program cannot be run: {error}. {other_release()}", file=sys.stderr)
        return 1
    return program.run()


def other_release() -> str:
    """Return what to say of another pulumi than this file was written for, "" if it is the one."""
    import pulumi._version

    installed = str(pulumi._version.version)
    if installed == SDK_VERSION:
        return ""
    return (
        f"pulumi {installed} in {sys.executable} is not the release that the emulated language "
        f"host was made for. Install pulumi=={SDK_VERSION} if something misbehaves."
    )


class Program:
    """A run of a Pulumi program, described by the host's `programs.job`."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        import pulumi.runtime

        self._job = job
        os.chdir(job["directory"])
        # Subprocesses of the program find its config where the official host leaves it.
        os.environ["PULUMI_CONFIG"] = json.dumps(job["config"])
        os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(job["config_secret_keys"])
        pulumi.runtime.set_all_config(job["config"], job["config_secret_keys"])
        pulumi.runtime.configure(
            pulumi.runtime.Settings(
                project=job["project"],
                stack=job["stack"],
                organization=job["organization"],
                root_directory=job["root_directory"],
                parallel=job["parallel"],
                dry_run=job["dry_run"],
                monitor=job["monitor"],
                engine=job["engine"],
            )
        )
        sys.argv = [job["entry_point"], *job["arguments"]]

    def run(self) -> int:
        """Run it and report what goes wrong to the engine; returns the exit code."""
        import pulumi

        entry_point = os.path.abspath(self._job["entry_point"])
        directory = entry_point if os.path.isdir(entry_point) else os.path.dirname(entry_point)
        if directory == entry_point and not os.path.exists(
            os.path.join(entry_point, "__main__.py")
        ):
            pulumi.log.error(
                f"{entry_point} has no __main__.py, so there is no program to run. "
                "Add one, or name the program's folder with `main:` in Pulumi.yaml."
            )
            return EXIT_REPORTED
        if warning := other_release():
            pulumi.log.warn(warning)
        try:
            self._run_in_stack()
        except pulumi.RunError as error:
            pulumi.log.error(str(error))
        except Exception as error:
            pulumi.log.error("The program failed:\n" + user_traceback(error, directory))
        except KeyboardInterrupt:
            # A second interrupt, while the interpreter waits for its threads, needs no traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            return EXIT_INTERRUPTED
        else:
            return 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return EXIT_REPORTED

    def _run_in_stack(self) -> None:
        import logging

        import pulumi.runtime

        # A failed resource leaves futures that are never awaited. That is how Pulumi programs fail,
        # and asyncio's complaints about it would bury the error itself.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        operations = max(self._job["parallel"], 1)
        executor = ThreadPoolExecutor(max_workers=operations * THREADS_PER_OPERATION)
        loop.set_default_executor(executor)
        try:
            loop.run_until_complete(pulumi.runtime.run_in_stack(self._run_user_code))
            executor.shutdown(wait=True)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            loop.close()

    def _run_user_code(self) -> None:
        # What the module leaves behind must not be taken for a result.
        runpy.run_path(self._job["entry_point"], run_name="__main__")


def run_plugin(kind: str, target: str, arguments: list[str]) -> None:
    """Run a plugin's server as `python -m target` or `python target` would."""
    sys.argv = [target, *arguments]
    if kind == "module":
        sys.path.insert(0, os.getcwd())
        runpy.run_module(target, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(target, run_name="__main__")


def main(arguments: list[str]) -> int:
    """Run what the command line says; returns the exit code."""
    # The folder of this file: the user's modules must not mix with the host's.
    del sys.path[0]
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    end_with_parent()
    keep_interrupts()
    kind, *rest = arguments
    if kind == "program":
        return run_program()
    run_plugin(kind, rest[0], rest[1:])
    if kind == "module":
        # Pulumi's servers leave threads that take a tenth of a second to end, and the engine would
        # wait for that on every run.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
