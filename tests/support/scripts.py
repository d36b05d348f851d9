"""Python scripts that show whether something else than an interpreter of their own runs them."""

from __future__ import annotations

import re

SCRIPTS = r"""
=== nothing
pass
=== exit without a code
import sys; sys.exit()
=== exit code
import sys; sys.exit(7)
=== exit code beyond a byte
import sys; sys.exit(1000)
=== exit with a text
import sys; print('out'); sys.exit('no such router')
=== exit with a tuple
raise SystemExit((1, 2))
=== exit with False
raise SystemExit(False)
=== the site's exit
exit(4)
=== exit at once
import os, sys; sys.stdout.write('kept'); os._exit(9)
=== exception
def one():
    raise ValueError('bad address')
one()
=== exception with a cause
try:
    {}['a']
except KeyError as error:
    raise RuntimeError('b') from error
=== exception with a context
try:
    {}['a']
except KeyError:
    1 / 0
=== exception group
raise ExceptionGroup('two', [ValueError(1), TypeError(2)])
=== exception in an imported file
import sibling; sibling.fail()
=== recursion
import sys
sys.tracebacklimit = 3
def f(): f()
f()
=== a hook for exceptions
import sys
def hook(kind, error, trace):
    print(kind, error, trace.tb_lineno, trace.tb_next, error.__traceback__ is trace)
sys.excepthook = hook
1 / 0
=== the traceback printed by hand
import traceback
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
=== the last exception
import atexit, sys, traceback
atexit.register(lambda: traceback.print_last())
1 / 0
=== keyboard interrupt
raise KeyboardInterrupt
=== keyboard interrupt from a signal
import os, signal
os.kill(os.getpid(), signal.SIGINT)
print('not here')
=== atexit
import atexit
atexit.register(print, 'first')
atexit.register(print, 'last in, first out')
=== atexit after an exception
import atexit
atexit.register(print, 'still')
1 / 0
=== atexit that fails
import atexit
atexit.register(lambda: 1 / 0)
=== the file's name at exit
import atexit
atexit.register(lambda: print('__file__' in globals()))
print(__file__)
=== the file's name at exit after an exception
import atexit
atexit.register(lambda: print('__file__' in globals()))
1 / 0
=== an object that speaks when it goes
class A:
    def __del__(self): print('gone')
a = A()
=== a cycle that speaks when it goes
class A:
    def __del__(self): print('gone')
a = A(); a.a = a
=== a generator that is not finished
def g():
    try: yield 1
    finally: print('closed')
x = g(); next(x)
=== an object that uses modules when it goes
import os, json, requests
class A:
    def __del__(self): print(os.getpid() > 0, json.dumps(1), requests.get is not None)
a = A()
=== threads are waited for
import threading, time
def f():
    time.sleep(.2)
    print('done')
threading.Thread(target=f).start()
print('main ends')
=== a daemon thread is not
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
=== an exception in a thread
import threading
threading.Thread(target=lambda: 1 / 0, name='worker').start()
=== a pool of threads
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
print(list(pool.map(str, range(5))))
=== the main thread
import threading
print(threading.main_thread() is threading.current_thread(), threading.active_count(), threading.current_thread().name)
=== children
import subprocess, sys
print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv)', 'x'], capture_output=True, text=True))
=== a shell
import os
print(os.system('echo from the shell; exit 3'))
=== a pipe that nobody reads
import subprocess
print(subprocess.run('yes | head -1', shell=True).returncode)
=== a broken pipe
import os
r, w = os.pipe()
os.close(r)
os.write(w, b'x')
=== standard output closed
import os
os.close(1)
print('lost')
=== fork
import os, sys
p = os.fork()
if p == 0:
    print('child')
    sys.exit(3)
print(os.waitpid(p, 0)[1])
=== processes by fork
import multiprocessing as m
def f(x): return x * x
if __name__ == '__main__':
    with m.get_context('fork').Pool(2) as pool: print(pool.map(f, [1, 2, 3]))
=== processes by spawn
import multiprocessing as m
def f(x): return x * x
if __name__ == '__main__':
    with m.get_context('spawn').Pool(2) as pool: print(pool.map(f, [1, 2, 3]))
=== processes by fork server
import multiprocessing as m
def f(x): return x * x
if __name__ == '__main__':
    with m.get_context('forkserver').Pool(2) as pool: print(pool.map(f, [1, 2, 3]))
=== a queue between processes
import multiprocessing as m
def f(q): q.put('hello')
if __name__ == '__main__':
    q = m.Queue(); p = m.Process(target=f, args=(q,)); p.start(); print(q.get()); p.join(); print(p.exitcode)
=== asyncio
import asyncio
async def f():
    await asyncio.sleep(0.01)
    return 'woken'
print(asyncio.run(f()))
=== main
if __name__ == '__main__':
    print('main')
=== main's names
print(sorted(globals()))
=== main's values
print({k: v for k, v in globals().items() if k not in ('__loader__', '__builtins__')}, type(__loader__))
print(__loader__.name, __loader__.path, __builtins__, __annotations__)
=== main as a module
import sys, __main__
x = 1
print(__main__.x, sys.modules['__main__'] is __main__, __main__, globals() is vars(__main__))
=== pickles of main
import pickle
class A: pass
print(pickle.loads(pickle.dumps(A())).__class__, A.__module__, A)
=== dataclasses and annotations
import dataclasses, inspect
@dataclasses.dataclass
class A:
    x: int = 1
print(A(), inspect.getsource(A), inspect.getfile(A))
=== future imports do not leak
def f(x: int): pass
print(f.__annotations__)
=== a sibling
import sibling; print(sibling.__file__, sibling.NAME)
=== a sibling that hides a library
import scp; print(scp.__file__, scp.MINE)
=== a folder beside that is no package
import paramiko; print(paramiko.__name__, bool(paramiko.__file__))
=== no code is cached
import os, sibling; print(sorted(os.listdir('.')), os.path.exists('__pycache__'))
=== arguments
import sys; print(sys.argv, sys.orig_argv[-1])
=== paths
import sys; print(sys.path, sys.executable, sys.prefix, sys.flags, sys.warnoptions, sys._xoptions)
=== hooks of import
import sys; print(len(sys.meta_path), len(sys.path_hooks), sys.dont_write_bytecode)
=== a library loaded before
import paramiko, requests; print(paramiko.__version__, requests.__name__)
=== environment
import os; print(sorted(os.environ.items()), os.getenv('HOME'))
=== environment of a child
import os; os.environ['A'] = '1'; os.system('env | sort | grep -v ^_=')
=== places
import os, tempfile; print(os.getcwd(), tempfile.gettempdir(), os.path.expanduser('~'))
=== identity
import os; print(os.getuid(), os.getgid(), os.getsid(0) == os.getpid(), os.umask(0))
=== open files
import os; print(sorted(os.listdir('/proc/self/fd')))
=== signals
import signal
for s in sorted(signal.valid_signals()): print(s, signal.getsignal(s))
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
=== killed by itself
import os, signal; print('before'); os.kill(os.getpid(), signal.SIGTERM)
=== an alarm
import signal, time
signal.signal(signal.SIGALRM, lambda *_: print('rang'))
signal.setitimer(signal.ITIMER_REAL, .05)
time.sleep(.2)
=== abort
import os; os.abort()
=== limits
import resource; print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
=== streams
import sys
for s in (sys.stdin, sys.stdout, sys.stderr):
    print(s, s.buffer, s.encoding, s.errors, s.newlines, s.mode, s.buffer.name)
    print(s.line_buffering, s.write_through, s.isatty(), s.fileno())
print(sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__)
=== input at its end
input('name? ')
=== all input
import sys; print(repr(sys.stdin.read()))
=== standard error
import sys; print('one', file=sys.stderr); sys.stderr.write('two'); print('three', file=sys.stderr)
=== letters of all countries
print('Zürich \u2192 \U0001f310'); import sys; sys.stdout.buffer.write(b'\xff\n')
=== half a character
print('\udc80')
=== a syntax error
print('x'

=== a syntax error with an offset
def f(:
    pass
=== wrong indentation
if 1:
  a = 1
    b = 2
=== an escape that is none
print('\d')
=== an encoding that is none
# -*- coding: nosuch -*-
print(1)
=== warnings
import warnings; warnings.warn('old'); warnings.warn('older', DeprecationWarning)
=== filters of warnings
import warnings; print([f for f in warnings.filters if f[2].__module__ == 'builtins'])
=== logging
import logging; logging.warning('here'); print(logging.getLogger().handlers)
=== logging before it is set up
import logging; logging.getLogger('x').error('last resort')
=== random numbers differ
import random, uuid; print(random.random() != random.random(), uuid.uuid4().version)
=== code in a string
exec(compile('print(__name__)', 'other', 'exec'))
=== runpy
import runpy; print(runpy.run_path('sibling.py', run_name='other')['NAME'])
=== modules of main
import sys; print(sys.modules['__main__'].__file__, __spec__, __package__)
=== a new module found
open('/tmp/fresh.py', 'w').write('X = 1'); import sys; sys.path.append('/tmp')
import fresh; print(fresh.X)
=== collector
import gc; print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks)
=== settings of the interpreter
import sys; print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile())
print(sys.displayhook, sys.excepthook, sys.breakpointhook, sys.unraisablehook)
=== an unraisable
class A:
    def __del__(self): 1 / 0
A()
=== ssl
import ssl; print(ssl.create_default_context().verify_mode, len(ssl.RAND_bytes(4)))
=== locale
import locale; print(locale.getlocale(), locale.getpreferredencoding(), locale.setlocale(locale.LC_ALL))
=== time
import time; print(time.tzname, time.timezone)
=== no terminal
import os
try:
    open('/dev/tty')
except OSError as error:
    print(error)
"""
"""Scripts by name."""
BYTES = {
    "a byte of zero": b"print(1)\x00",
    "not UTF-8": b"print('\xff')",
    "another encoding": b"# -*- coding: latin-1 -*-\nprint('\xe9')",
    "a mark of byte order": b"\xef\xbb\xbfprint('marked')",
    "lines of another system": b"print(1)\r\nprint('''a\r\nb''')\r\n",
    "an empty file": b"",
}
TABLE = {
    **{name: source.encode() for name, source in re.findall(r"^=== (.*)\n((?s:.*?))(?=^===|\Z)", SCRIPTS, re.M)},
    **BYTES,
}
