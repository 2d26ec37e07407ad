"""An object store for the gate's tests: one for all nodes of a run, a door for each node that can be shut, and a history.

It keeps what it is given and asks nobody who they are. With `conditional` it honours If-None-Match, else it overwrites
with a friendly 200 as some do. With `faults`, some answers are lost after the object was written, and some are 503.
"""

import asyncio
import json
import random
import threading
import time

MISSING = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"


class Store:
    """.doors are ports, one a node; .shut holds the numbers of those that are shut; .history is [(time, path, note)]."""

    def __init__(self, doors, conditional=True, faults=0.0, seed=0):
        self.objects, self.history, self.shut = {}, [], set()
        self._conditional, self._faults, self._dice = conditional, faults, random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers = [self._call(asyncio.start_server(self._door(n), "127.0.0.1", 0)) for n in range(doors)]
        self.doors = [server.sockets[0].getsockname()[1] for server in self._servers]
        self.requests = [0] * doors

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def _door(self, n):
        async def serve(reader, writer):
            try:
                while n not in self.shut:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    method, path, _ = head[0].split(" ", 2)
                    fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                    body = await reader.readexactly(int(fields.get("content-length", 0)))
                    if n in self.shut:
                        break
                    self.requests[n] += 1
                    answer = self._answer(method, path, fields, body)
                    if answer is None:
                        break
                    writer.write(answer)
                    await writer.drain()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                pass
            finally:
                writer.close()
        return serve

    def _answer(self, method, path, fields, body):
        if self._dice.random() < self._faults:
            return self._reply("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
        if method == "GET":
            found = self.objects.get(path)
            return self._reply("200 OK", found) if found is not None else self._reply("404 Not Found", MISSING)
        if self._conditional and fields.get("if-none-match") == "*" and path in self.objects:
            return self._reply("412 Precondition Failed", b"<Error><Code>PreconditionFailed</Code></Error>")
        self.objects[path] = body
        if "/ready/" in path:
            self.history.append((time.monotonic(), path, json.loads(body)))
        return None if self._dice.random() < self._faults else self._reply("200 OK", b"")

    @staticmethod
    def _reply(status, body):
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/xml\r\n\r\n".encode() + body

    def close(self):
        async def end():
            for server in self._servers:
                server.close()
        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
