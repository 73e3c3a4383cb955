"""What a worker process does: it takes tasks from a socket, and gives their results back.

It is started as a program of its own, not as a copy of the one that started it: so it needs nothing of the user's
script, which may lack `if __name__ == "__main__"` or have come through a pipe.
Nothing heavy is imported before it knows how to say that an import failed, and to end when its main process does.
"""

import os
import pickle
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue

PROGRAM = "import sys; _, number, *sys.path = sys.argv; from reverie.workers.child import serve; serve(int(number))"
"""Its arguments: the number of the socket, and where modules are found."""
READY = b""


def serve(number: int) -> None:
    """Says READY, or why not; then answers each task, a pickled (function, argument), with a pickled `Attempt` or
    exception."""
    connection, tasks = Connection(number), SimpleQueue[bytes]()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    try:
        from reverie.devices import stay_on_one_thread
        from reverie.errors import UserError
        from reverie.workers.contract import attempt

        stay_on_one_thread()
    except BaseException:
        connection.send_bytes(traceback.format_exc().encode())
        sys.exit(1)
    connection.send_bytes(READY)
    while True:
        packed = tasks.get()
        try:
            function, task = pickle.loads(packed)
            answer = pickle.dumps(attempt(function, task))
        except UserError as error:
            answer = pickle.dumps(error)
        except Exception as error:
            words = f"a task or its result cannot travel to a worker process or back ({type(error).__name__}: {error})"
            answer = pickle.dumps(UserError(f"{words}: its types must be those of a module that can be imported there"))
        connection.send_bytes(answer)


def _receive(connection: Connection, tasks: SimpleQueue[bytes]) -> None:
    while True:
        try:
            tasks.put(connection.recv_bytes())
        except (EOFError, OSError):  # the main process is no more, however it ended
            os._exit(1)
