"""The design that is replaced: every so many seconds it takes a batch, uploads it, and sleeps until the next tick.

    tick.py DATABASE API TOKEN JOBS [BATCH] [SECONDS]

On the jobs of Weir's own table, in SQLite. Prints a line of JSON when so many jobs are done.
"""

import concurrent.futures
import http.client
import json
import sqlite3
import sys
import time
import urllib.parse

PICK = """
    SELECT c.id, s.r2_key, s.name FROM media_cache AS c JOIN media_store AS s USING (bot_slug, sha256, kind)
    WHERE c.phase = 'queued' ORDER BY c.score DESC, c.enqueued_at, c.id LIMIT ?
"""
DONE = """
    UPDATE media_cache SET status = 'ready', phase = 'done', file_id = ?, updated_at = ? WHERE id = ? AND phase = 'queued'
"""
BYTES = b"\xff\xd8\xff" + bytes(1997)


def upload(api, token, job):
    number, _, name = job
    head = f'--B\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n{number % 1000 + 1}\r\n--B\r\n'
    head += f'Content-Disposition: form-data; name="photo"; filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head.encode() + BYTES + number.to_bytes(8, "big") + b"\r\n--B--\r\n"
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api).netloc, timeout=60)
    connection.request("POST", f"/bot{token}/sendPhoto", body, {"Content-Type": "multipart/form-data; boundary=B"})
    answer = json.load(connection.getresponse())
    connection.close()
    return answer["result"]["photo"][-1]["file_id"]


def main(path, api, token, count, batch=5, interval=2):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    began = tick = time.monotonic()
    done = 0
    with concurrent.futures.ThreadPoolExecutor(batch) as pool:
        while done < count:
            jobs = database.execute(PICK, (min(batch, count - done),)).fetchall()
            if not jobs:
                break
            files = pool.map(lambda job: upload(api, token, job), jobs)
            for job, file in zip(jobs, files):
                database.execute(DONE, (file, int(time.time() * 1000), job[0]))
                done += 1
            tick += interval
            if done < count:
                time.sleep(max(0, tick - time.monotonic()))
    print(json.dumps({"jobs": done, "seconds": time.monotonic() - began}))
    return 0 if done == count else 1


sys.exit(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
