"""The results as Markdown tables, and the targets beside them."""


def percent(share):
    return f"{100 * share:.2f} %"


def ms(nanoseconds):
    return f"{nanoseconds / 1e6:.2f}"


def ratio(a, b):
    return f"{a / b:.2f}" if b else "-"


def table(title, columns, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


class Targets:
    """What was wanted, and what came of it."""

    def __init__(self):
        self.rows = []

    def add(self, wanted, got, met):
        self.rows.append((wanted, got, "met" if met else "MISSED"))

    def missing(self, wanted):
        self.rows.append((wanted, "-", "not measured"))

    def below(self, wanted, value, limit, unit=""):
        self.add(wanted, f"{value:.2f}{unit}", value <= limit)

    def above(self, wanted, value, limit, unit=""):
        self.add(wanted, f"{value:.2f}{unit}", value >= limit)

    def shortfalls(self):
        """What --strict complains of: the targets that were not met, as far as they were measured at all."""
        if not self.rows:
            return ["no target was measured"]
        return [f"{wanted}: {got}, {what}" for wanted, got, what in self.rows if what != "met"]


def print_report(header, figures, sizes, peer_count, missing, failures, cases):
    """Prints everything; returns the targets of the cases that were asked for."""
    print(f"## Fan-out\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in missing.items():
        print(f"\n{name} was skipped: {reason}")
    for failure in failures:
        print("\n{contender} failed, {listeners} listeners, window {window_ms} ms: {reason}".format(**failure))
    targets = Targets()
    if "windows" in cases:
        cost_table(figures, sizes, targets)
    latency_tables(figures, sizes, targets, cases)
    if "icecast" in cases:
        peer_table(figures, peer_count, targets)
    if "many" in cases:
        many_table(figures, sizes, targets)
    loop_table(figures, targets)
    worst = max((figure["others"] for figure in figures.values()), default=0)
    print(f"\nMost that anything else on the machine used during a run: {percent(worst)} of a core"
          f"{' - too much: run again on a quiet machine' if worst > 0.1 else ''}.")
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def cost_table(figures, sizes, targets):
    count = sizes["listeners"]
    rows = []
    for window in sizes["windows"]:
        bare = figures.get(("windows", "bare", count, window))
        weir = figures.get(("windows", "weir", count, window))
        wanted = f"CPU at {window} ms within 1.15 x of the bare loop's"
        if bare is None:
            if window > 0:
                targets.missing(wanted)
            continue
        scale = 1000 / count
        row = [f"{window} ms", percent(bare["cpu"] * scale), spread(bare, scale)]
        if weir:
            row += [percent(weir["cpu"] * scale), spread(weir, scale), ratio(weir["cpu"], bare["cpu"])]
            row += [f"{weir['resident'] / 2**20:.1f} MiB", weir["kept"]]
            if window > 0:
                targets.below(wanted, weir["cpu"] / bare["cpu"], 1.15, " x")
            lost = count - weir["kept"]
            targets.add(f"none of {count} listeners lost at {window} ms", f"{lost} lost", weir["all_kept"])
        else:
            row += ["-"] * 5
            if window > 0:
                targets.missing(wanted)
        rows.append(row)
    if rows:
        table(
            f"Server CPU per 1000 listeners x 192 kB/s, share of a core ({count} measured)",
            ("window", "bare", "least-most", "weir", "least-most", "weir / bare", "weir RSS", "weir kept"),
            rows,
        )


def spread(figure, scale):
    return " - ".join(f"{100 * share * scale:.2f}" for share in figure["cpu_range"])


def latency_tables(figures, sizes, targets, cases):
    for case, count in (("few", sizes["few"]), ("windows", sizes["listeners"])):
        if case not in cases:
            continue
        rows = []
        for window in sizes["windows"]:
            pair = {name: figures.get((case, name, count, window)) for name in ("bare", "weir")}
            for name, figure in pair.items():
                if figure:
                    latency = figure["latency"]
                    rows.append([f"{window} ms", name, *(ms(latency[q]) for q in ("p50", "p99", "p999", "max"))])
            latency_target(targets, case, count, window, pair)
        if rows:
            table(
                f"Latency from source write to listener read, {count} listeners, ms",
                ("window", "server", "p50", "p99", "p99.9", "max"),
                rows,
            )


def latency_target(targets, case, count, window, pair):
    weir, bare = pair["weir"], pair["bare"]
    if window > 0:
        wanted = f"p99 at {window} ms with {count} listeners <= {window + 2} ms"
        limit = window + 2
    elif case == "few":
        wanted, limit = f"p99 at window 0 with {count} listeners <= 1 ms", 1
    else:
        wanted = f"p99 at window 0 with {count} listeners <= 1.5 x the bare loop's"
        if weir and bare:
            targets.below(wanted, weir["latency"]["p99"] / bare["latency"]["p99"], 1.5, " x")
        else:
            targets.missing(wanted)
        return
    if weir:
        targets.below(wanted, weir["latency"]["p99"] / 1e6, limit, " ms")
    else:
        targets.missing(wanted)


def peer_table(figures, count, targets):
    if count is None:
        targets.missing("CPU per listener and p99 beside Icecast's")
        return
    rows = []
    names = {"icecast": (0,), "weir": (0, 100), "bare": (0, 100)}
    for name, windows in names.items():
        for window in windows:
            figure = figures.get(("icecast", name, count, window))
            if figure is None:
                continue
            latency = figure["latency"]
            label = name if name == "icecast" else f"{name}, window {window} ms"
            rows.append([label, percent(figure["cpu"]), percent(figure["cpu"] / count * 1000),
                         *(ms(latency[q]) for q in ("p50", "p99", "max")),
                         f"{figure['resident'] / 2**20:.1f} MiB", f"{figure['switches']:.0f}", figure["kept"]])
    table(
        f"Beside Icecast, at {count} listeners: the most of the numbers tried at which it keeps every one",
        ("server", "CPU", "per 1000", "p50 ms", "p99 ms", "max ms", "RSS", "switches/s", "kept"),
        rows,
    )
    icecast = figures.get(("icecast", "icecast", count, 0))
    for window, factor in ((0, 2.5), (100, 8)):
        weir = figures.get(("icecast", "weir", count, window))
        wanted = f"CPU per listener at window {window} at least {factor} x below Icecast's"
        if weir and icecast:
            targets.above(wanted, icecast["cpu"] / weir["cpu"], factor, " x")
            if window == 0:
                targets.below("p99 at window 0 not above Icecast's (ratio)",
                              weir["latency"]["p99"] / icecast["latency"]["p99"], 1)
        else:
            targets.missing(wanted)


def many_table(figures, sizes, targets):
    count = sizes["many"]
    rows = []
    for name in ("bare", "weir"):
        figure = figures.get(("many", name, count, 100))
        if figure:
            latency = figure["latency"]
            rows.append([name, percent(figure["cpu"]), ms(latency["p50"]), ms(latency["p99"]), ms(latency["max"]),
                         f"{figure['resident'] / 2**20:.1f} MiB", figure["kept"]])
    if rows:
        table(f"{count} listeners x 16 kB/s, window 100 ms",
              ("server", "CPU", "p50 ms", "p99 ms", "max ms", "RSS", "kept"), rows)
    weir = figures.get(("many", "weir", count, 100))
    wanted = f"none of {count} listeners of 16 kB/s lost"
    if weir:
        targets.add(wanted, f"{count - weir['kept']} lost", weir["all_kept"])
    else:
        targets.missing(wanted)


def loop_table(figures, targets):
    """What the fan-out costs Weir's event loop: the worst of the runs."""
    rows = []
    for (case, name, count, window), figure in figures.items():
        if name != "weir":
            continue
        loop = figure["loop"]
        limit = 5 if case == "many" else 2
        wanted = f"longest stall by CPU time, {count} listeners, {case}, window {window} ms <= {limit} ms"
        if not loop or loop["cpu_max_ms_since_start"] is None:
            targets.missing(wanted)
            continue
        rows.append([case, count, f"{window} ms", loop["entries"], loop["turns"], loop["cpu_over_1ms"],
                     loop["cpu_over_2.5ms"], f"{loop['cpu_max_ms_since_start']:.2f}",
                     loop["wall_p999_ms_at_most"], f"{loop['wall_max_ms_since_start']:.2f}"])
        targets.below(wanted, loop["cpu_max_ms_since_start"], limit, " ms")
    if rows:
        table("The loop between two polls (longest since the start, joins included)",
              ("case", "listeners", "window", "entries into Swift", "turns", "CPU > 1 ms", "CPU > 2.5 ms",
               "CPU max ms", "wall p99.9 <= ms", "wall max ms"), rows)
