"""A PostgreSQL of the bench's own, and what is run against it beside Weir: pgbench and statements."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "Tests/Database/postgresql"


def is_there():
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") is not None


def program(name):
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


class Cluster:
    def __init__(self):
        # On a disk: what a commit costs is what is measured. The server's user must get through.
        self.directory = tempfile.TemporaryDirectory(prefix="weir-bench-jobs-", dir="/var/tmp")
        os.chmod(self.directory.name, 0o755)
        self.socket = f"{self.directory.name}/cluster"
        self.process = subprocess.Popen([SCRIPT, self.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("postgresql://"):
            raise SystemExit("bench/jobs: PostgreSQL did not start")
        self.schemas = 0

    def schema(self, commit="on"):
        """A URL with tables of its own."""
        self.schemas += 1
        name = f"bench_{self.schemas}"
        self.ask(self.url, f"CREATE SCHEMA {name}")
        options = f"-csearch_path={name} -csynchronous_commit={commit}"
        return f"{self.url}&options={options.replace(' ', '%20').replace('=', '%3D')}"

    def ask(self, url, statement):
        """The first column of the first row."""
        output = subprocess.run(
            [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement], stdout=subprocess.PIPE,
            text=True, check=True,
        )  # fmt: skip
        return output.stdout.strip()

    def settle_down(self, url):
        """Tables as a server that has run for a while has them."""
        self.ask(url, "ANALYZE media_cache, media_store")
        self.ask(self.url, "CHECKPOINT")

    def pgbench(self, url, statements, batch, clients, jobs):
        """Jobs claimed and completed, and the seconds it took: two transactions for a batch, of Weir's statements."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(round_script(statements, batch))
            script.flush()
            command = [
                program("pgbench"), "-n", "-M", "prepared", "-j1", f"-c{clients}", "-t", jobs // batch // clients,
                "-f", script.name, "-d", url,
            ]  # fmt: skip
            output = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        rate = re.search(r"^tps = ([\d.]+)", output.stdout, re.M)
        if output.returncode != 0 or not rate:
            raise SystemExit(f"pgbench: {output.stdout}{output.stderr}")
        done = int(self.ask(url, "SELECT count(*) FROM media_cache WHERE status = 'ready'"))
        transactions = jobs // batch // clients * clients
        if done != transactions * batch:
            raise SystemExit(f"pgbench: {done} of {transactions * batch} jobs are ready")
        return {"jobs": done, "seconds": transactions / float(rate[1])}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.directory.cleanup()


# The columns that a claim returns: MediaEntry.columns, and the tier.
COLUMNS = 25
# Weir's parameters of `claim` and `settle`, in their order.
CLAIM = ("shift", "batch", "cap", "lease", "worker")
SETTLE = ("shift", "ids", "fences", "statuses", "phases", "delays", "errors", "refunds", "files", "uniques", "weak")


def round_script(statements, batch):
    """A claim, with all that it returns in one row of arrays (a script has no more), and its completion."""
    names = [f"c{number}" for number in range(COLUMNS)]
    arrays = ", ".join(f"array_agg({name}) AS a{number}" for number, name in enumerate(names))
    claim = substitute(statements["claim"], CLAIM)
    settle = substitute(statements["settle"], SETTLE).replace(":ids", ":a0").replace(":fences", ":a13")

    def repeated(value):
        return "{" + ",".join([value] * batch) + "}"

    values = {
        "shift": 0, "batch": batch, "cap": 300_000, "lease": 30_000, "worker": "bench-0", "statuses": repeated('"ready"'),
        "phases": repeated('"done"'), "delays": repeated("0"), "errors": repeated("NULL"), "refunds": repeated("0"),
        "files": repeated('"file"'), "uniques": repeated('"unique"'), "weak": repeated("f"),
    }  # fmt: skip
    lines = [f"\\set {name} {value}" for name, value in values.items() if isinstance(value, int)]
    # Words are written where they are used: a script's variables are numbers.
    for name, value in values.items():
        if isinstance(value, str):
            claim, settle = (re.sub(rf":{name}\b", f"'{value}'", text) for text in (claim, settle))
    lines += [f"WITH claimed ({', '.join(names)}) AS ({claim}) SELECT {arrays} FROM claimed \\gset", f"{settle};"]
    return "\n".join(lines) + "\n"


def substitute(text, names):
    """`$1` becomes the first name, on one line."""
    line = " ".join(text.split())
    # Not the second colon of a cast.
    return re.sub(r"\$(\d+)", lambda match: f":{names[int(match[1]) - 1]}", line)
