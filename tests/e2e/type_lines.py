"""Types into `chat` on a pseudo-terminal: a line corrected with the cursor keys, the line before it called up again, a letter of
two bytes, and the end of input, at the prompt and typed ahead. What reached the conversation is what the terminal shows after the prompt.

The editor shows its prompt first and takes the terminal over afterwards; keys that come between the two are the kernel's. So keys are
typed only once the terminal is no longer in its line mode."""
import os
import pty
import re
import select
import signal
import sys
import termios
import time


def start():
    global pid, terminal, shown
    shown = b""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", LANG="C.UTF-8", LC_ALL="C.UTF-8")
        os.execv(sys.argv[1], sys.argv[1:])


def read_until(done, what, seconds=120):
    global shown
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            sys.exit(f"no {what}: {shown[-300:]!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # nobody at the other end any more
                time.sleep(0.05)


def prompts():
    return len(re.findall(rb"(?:^|\n|\r|\x1b\[[0-9;]*[A-Za-z])> ", shown))


def edited():
    return not termios.tcgetattr(terminal)[3] & termios.ICANON


def ended():
    global status
    done, status = os.waitpid(pid, os.WNOHANG)
    return done == pid


def type_line(keys, answer):
    """What is shown from these keys to the prompt after the answer. Not before: between two lines the terminal is not the editor's."""
    before = len(shown)
    os.write(terminal, keys)
    after = re.compile(re.escape(answer.encode()) + rb"[^\n]*\n(.*[\r\n])?(\x1b\[[0-9;]*[A-Za-z]|\r)*> $", re.DOTALL)
    read_until(lambda: after.search(shown, before) and edited(), f"answer {answer!r} and prompt")


def ends():
    read_until(ended, "end")
    assert os.waitstatus_to_exitcode(status) == 0, status
    os.close(terminal)


start()
read_until(lambda: prompts() > 0 and edited(), "prompt")
type_line("/wörld\r".encode(), "/wörld: unknown")
type_line(b"\x1b[A\r", "/wörld: unknown")  # up
type_line(b"/yz\x1b[Dx\r", "/yxz: unknown")  # left
os.write(terminal, b"\x04")
ends()

start()
os.write(terminal, b"\x04")  # typed ahead
ends()
