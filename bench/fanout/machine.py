"""What a measurement needs from the system: the counters of processes, and what machine this is."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

CPUCLOCK_SCHED = 2  # clock_getcpuclockid(3) as Linux encodes it: the run time of all threads, in ns
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """CPU seconds, user and system, that all threads of a process have used, exact to the nanosecond."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def status_field(pid, field):
    """A field of /proc/PID/status in its own unit (memory: KiB)."""
    match = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(match[1]) if match else 0


def resident_bytes(pid):
    return status_field(pid, "VmRSS") * 1024


def anonymous_bytes(pid):
    return status_field(pid, "RssAnon") * 1024


def context_switches(pid):
    """Voluntary and involuntary switches of all threads alive."""
    voluntary = involuntary = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            text = Path(f"/proc/{pid}/task/{task}/status").read_text()
        except FileNotFoundError:
            continue
        voluntary += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
        involuntary += int(re.search(r"^nonvoluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
    return voluntary, involuntary


def softirq_threads():
    """The kernel threads that take over packet work when there is too much of it to do it in passing."""
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if Path(f"/proc/{name}/comm").read_text().startswith("ksoftirqd/"):
                    pids.append(int(name))
            except OSError:
                continue
    return pids


def system_seconds():
    """Busy and stolen CPU seconds of the whole machine."""
    fields = [int(n) / TICKS for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _wait, irq, softirq, steal = fields[:8]
    return user + nice + system + irq + softirq, steal


class Snapshot:
    """The counters at one moment. Two of them make an interval."""

    def __init__(self, pids):
        """`pids`: name -> process id of what is being measured."""
        self.time = time.monotonic()
        self.cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
        self.switches = {name: context_switches(pid) for name, pid in pids.items()}
        self.resident = {name: resident_bytes(pid) for name, pid in pids.items()}
        self.anonymous = {name: anonymous_bytes(pid) for name, pid in pids.items()}
        self.threads = {name: len(os.listdir(f"/proc/{pid}/task")) for name, pid in pids.items()}
        self.softirq = sum(cpu_seconds(pid) for pid in softirq_threads())
        self.busy, self.stolen = system_seconds()

    def since(self, before):
        """What happened between `before` and this one."""
        seconds = self.time - before.time
        cpu = {name: self.cpu[name] - before.cpu[name] for name in self.cpu}
        return {
            "seconds": round(seconds, 4),
            "cpu_seconds": {name: round(value, 6) for name, value in cpu.items()},
            "cpu_share": {name: round(value / seconds, 6) for name, value in cpu.items()},
            "switches": {
                name: [now - then for now, then in zip(self.switches[name], before.switches[name])]
                for name in self.switches
            },
            "resident_bytes": self.resident,
            "anonymous_bytes": self.anonymous,
            "threads": self.threads,
            "softirq_share": round((self.softirq - before.softirq) / seconds, 4),
            "stolen_share": round((self.stolen - before.stolen) / seconds, 4),
            # What the machine did beside the bench: a large value spoils the run.
            "others_share": round(max(0, self.busy - before.busy - sum(cpu.values())) / seconds, 4),
        }


def first_line(*command):
    """The first line a program prints about itself, or None when it is not there."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (run.stdout + run.stderr).strip().splitlines()
    return lines[0].strip() if lines else None


def git(*arguments):
    directory = Path(__file__).resolve().parent
    run = subprocess.run(["git", "-C", directory, *arguments], capture_output=True, text=True)
    return run.stdout.strip() if run.returncode == 0 else None


def header(weir=None):
    """The machine, and the version of everything that is compared."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) * 1024
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "load_average": os.getloadavg(),
        "compiler": first_line("cc", "--version"),
        "revision": git("rev-parse", "HEAD"),
        "modified": bool(git("status", "--porcelain")),
        "weir": first_line(str(weir), "version") if weir else None,
        "icecast": first_line("icecast2", "-v"),
        "node": first_line("node", "--version"),
        "python": platform.python_version(),
    }
