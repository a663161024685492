"""Instructions, which are the same however busy the machine is."""

import re
import subprocess
import tempfile


def instructions(command, rounds):
    """Of one, by callgrind: many less few, so that the start of the program does not count."""
    counts = []
    with tempfile.TemporaryDirectory() as directory:
        # Valgrind gives up at the debugging information of a Swift program.
        bare = f"{directory}/program"
        subprocess.run(["objcopy", "--strip-debug", command[0], bare], check=True)
        for count in (rounds, 2 * rounds):
            output = subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", bare, *command[1:], str(count)],
                capture_output=True, text=True, check=True,
            ).stderr  # fmt: skip
            counts.append(int(re.search(r"Collected : (\d+)", output)[1]))
    return (counts[1] - counts[0]) / rounds
