"""Jobs of Procrastinate's, that do nothing: deferred in one go, then run by one worker until none is left.

    procrastinate_jobs.py URL JOBS CONCURRENCY

The schema is made anew. Prints a line of JSON.
"""

import asyncio
import json
import logging
import sys
import time

from procrastinate import App, PsycopgConnector

logging.disable(logging.WARNING)


async def main(url, count, concurrency):
    app = App(connector=PsycopgConnector(conninfo=url, min_size=2, max_size=20))
    done = 0

    @app.task(queue="bench", name="nothing")
    async def nothing(number):
        nonlocal done
        done += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({"number": number} for number in range(count)))
        began = time.monotonic()
        await app.run_worker_async(
            queues=["bench"], concurrency=concurrency, wait=False, listen_notify=False, install_signal_handlers=False
        )
        seconds = time.monotonic() - began
    print(json.dumps({"jobs": done, "seconds": seconds}))
    return 0 if done == count else 1


sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
