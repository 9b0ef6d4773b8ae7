"""Runs a command and prints what it took: seconds, seconds of processor time, KiB of memory at most, and how it ended.

It imports next to nothing, for the system counts the memory of whoever starts a process as that of the process too.
"""

import os
import sys
import time

output, *command = sys.argv[1:]
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
files += [(os.POSIX_SPAWN_OPEN, number, path, flags, 0o644) for number, path in [(1, output), (2, output + ".log")]]
start = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=files)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - start
print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
