"""Types into `chat` on a pseudo-terminal: a line corrected with the cursor keys, the line before it called up again, a letter of
two bytes, and the end of input. What reached the conversation is what the terminal shows after the prompt."""
import os
import pty
import re
import select
import sys
import time

pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    os.execv(sys.argv[1], sys.argv[1:])

shown = b""


def read_until(done, what, seconds=120):
    global shown
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"no {what}: {shown[-300:]!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                return


def prompts():
    return len(re.findall(rb"(?:^|\n|\r|\x1b\[[0-9;]*[A-Za-z])> ", shown))


def type_line(keys, answer):
    """What is shown from these keys to the prompt after the answer. Not before: between two lines the terminal is not the editor's."""
    before = len(shown)
    os.write(terminal, keys)
    after = re.compile(re.escape(answer.encode()) + rb"[^\n]*\n(.*[\r\n])?(\x1b\[[0-9;]*[A-Za-z]|\r)*> $", re.DOTALL)
    read_until(lambda: after.search(shown, before), f"answer {answer!r} and prompt")


read_until(lambda: prompts() > 0, "prompt")
type_line("/wörld\r".encode(), "/wörld: unknown")
type_line(b"\x1b[A\r", "/wörld: unknown")  # up
type_line(b"/yz\x1b[Dx\r", "/yxz: unknown")  # left
os.write(terminal, b"\x04")
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
