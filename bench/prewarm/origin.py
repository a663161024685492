"""A store that keeps objects in memory and takes its time to give them out: puts at once, gets after a delay.

    origin.py PORT LEAST MOST

Seconds; picked evenly. It speaks as much of S3 as is needed to put an object and to get it, and checks no signature.
"""

import asyncio
import random
import sys

objects = {}
delay = (float(sys.argv[2]), float(sys.argv[3]))
gets = random.Random(1)


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            path = target.split("?")[0]
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            found = objects.get(path)
            if method == "PUT":
                objects[path] = body
                status, answer = "200 OK", b""
            elif found is None:
                status, answer = "404 Not Found", b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>"
            else:
                if method == "GET":
                    await asyncio.sleep(gets.uniform(*delay))
                status, answer = "200 OK", found
            lines = f'HTTP/1.1 {status}\r\nETag: "{abs(hash(path)):x}"\r\nContent-Length: {len(answer)}\r\n\r\n'
            writer.write(lines.encode() + (b"" if method == "HEAD" else answer))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024) as server:
        await server.serve_forever()


asyncio.run(main())
