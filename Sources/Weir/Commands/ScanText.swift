internal import CWeir

/// The report for people.
enum ScanText {
    /// Access points that are written out; JSON has the others.
    static let pointsShown = 5
    /// Losses of the lock that are written out.
    static let locksShown = 5

    static func text(_ report: ScanReport, file: String) -> String {
        var sections = [summary(report, file)]
        sections += report.programs.filter { $0.number != 0 }.map(program)
        sections.append(pids(report))
        sections.append(access(report))
        return sections.joined(separator: "\n")
    }

    // MARK: Sections

    private static func summary(_ report: ScanReport, _ file: String) -> String {
        let counters = report.counters
        var rows: [(String, String)] = [
            ("size", "\(grouped(counters.bytes)) bytes, \(count(counters.packets, "packet"))"),
            ("packet size", sizes(report.locks)),
            ("lock", report.locks.first.map { "at byte \(grouped($0.from))" } ?? "none"),
            ("duration", report.duration.map(time) ?? "not known: no clock"),
        ]
        if let bitrate = report.bitrate { rows.append(("bitrate", rate(bitrate))) }
        rows.append(("sync losses", losses(report)))
        rows += report.locks.dropFirst().prefix(locksShown).enumerated().compactMap { index, lock in
            report.locks[index].to.map { ("", "lost at byte \(grouped($0)), found at \(grouped(lock.from))") }
        }
        rows.append(("continuity", errors(counters.continuity, "error")))
        if counters.announced > 0 {
            rows.append(("announced", count(counters.announced, "packet") + " with discontinuity_indicator"))
        }
        if counters.transport > 0 {
            rows.append(("transport", "\(count(counters.transport, "packet")) marked as wrong"))
        }
        if counters.bad_sections > 0 {
            rows.append(("tables", "\(count(counters.bad_sections, "section")) with a wrong CRC"))
        }
        if report.trailing > 0 { rows.append(("end", end(report))) }
        return "\(printable(file)): MPEG transport stream\n" + lines(rows)
    }

    private static func program(_ program: ScanReport.Program) -> String {
        var title = "programme \(program.number): PMT \(program.pmt)"
        if let version = program.version { title += " version \(version)" } else { title += ", not seen" }
        if let pcr = program.pcr { title += ", clock \(pcr)" }
        return title + "\n"
            + table(
                program.streams.map { stream in
                    ["\(stream.pid)", stream.codec.kind, stream.codec.name ?? "type \(hex(stream.type))"]
                }, leading: [1, 2])
    }

    private static func pids(_ report: ScanReport) -> String {
        let rows = report.pids.map { pid in
            [
                "\(pid.pid)", hex(pid.pid), grouped(pid.core.packets), "\(fixed(report.share(of: pid) * 100, 2)) %",
                report.bitrate(of: pid).map(rate) ?? "-", grouped(pid.core.continuity), describe(pid),
            ]
        }
        let head = ["PID", "", "packets", "share", "bitrate", "errors", ""]
        return table([head] + rows, leading: [6])
    }

    private static func access(_ report: ScanReport) -> String {
        if report.access.isEmpty { return "access points: none\n" }
        var text = ""
        for access in report.access {
            text += "access points of \(access.pid): \(grouped(access.points))"
            if let interval = access.interval {
                text += ", every \(fixed(interval.mean, 2)) s, at most \(fixed(interval.longest, 2)) s apart"
            }
            text += "\n"
        }
        let rows = report.accessPoints.prefix(pointsShown).map { point in
            [
                point.seconds.map { "\(fixed($0, 2)) s" } ?? "-", "\(point.pid)", grouped(point.packet),
                grouped(point.offset), point.reason,
            ]
        }
        text += table([["time", "PID", "packet", "byte", "by"]] + rows, leading: [4])
        let rest = report.counters.access_points - UInt64(rows.count)
        if rest > 0 { text += "  and \(grouped(rest)) more: --json\n" }
        return text
    }

    // MARK: Phrases

    /// `188 bytes`, or `188 and 204 bytes` of a stream that changes.
    private static func sizes(_ locks: [ScanReport.Lock]) -> String {
        let sizes = Set(locks.map(\.stride)).sorted().map { "\($0)" }
        return "\(sizes.joined(separator: " and ")) bytes"
    }

    private static func losses(_ report: ScanReport) -> String {
        let counters = report.counters
        var text = errors(counters.losses, "loss", plural: "losses")
        if counters.dropped > 0 { text += "; \(count(counters.dropped, "packet")) dropped for a wrong sync byte" }
        let skipped = counters.skipped - report.trailing
        if skipped > 0 { text += "; \(count(skipped, "byte")) skipped" }
        return text
    }

    /// What lies behind the last packet.
    private static func end(_ report: ScanReport) -> String {
        let bytes = count(report.trailing, "byte")
        let isPacket = report.locks.last.map { $0.to == nil && report.trailing < $0.stride } ?? false
        return isPacket ? "\(bytes) of an unfinished packet" : "\(bytes) in no packet"
    }

    private static func describe(_ pid: ScanReport.PID) -> String {
        var text = pid.role.name
        if ["video", "audio"].contains(pid.role.kind) { text += " \(pid.role.kind)" }
        if pid.core.pcrs > 0, pid.role.kind != "clock" { text += ", clock" }
        if pid.core.scrambled > 0 { text += ", scrambled" }
        return text
    }

    private static func errors(_ number: UInt64, _ noun: String, plural: String? = nil) -> String {
        number == 0 ? "none" : count(number, noun, plural: plural)
    }

    private static func count(_ number: UInt64, _ noun: String, plural: String? = nil) -> String {
        "\(grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// A name may hold anything; a line of the report shall not.
    static func printable(_ file: String) -> String {
        file.unicodeScalars.contains { $0.properties.generalCategory == .control } ? quoted(file) : file
    }

    // MARK: Numbers

    /// `12 345 678`
    static func grouped(_ number: UInt64) -> String {
        let digits = Array(String(number))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += " " }
            text.append(digit)
        }
        return text
    }

    static func hex(_ number: some FixedWidthInteger) -> String {
        let digits = String(number, radix: 16)
        let width = number.bitWidth / 4
        return "0x" + String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// `9.87 s`, or `1:02:03.45` from a minute on.
    static func time(_ seconds: Double) -> String {
        guard seconds >= 59.995, let hundredths = UInt64(exactly: (seconds * 100).rounded()) else {
            return "\(fixed(seconds, 2)) s"
        }
        let rest = fixed(Double(hundredths % 6000) / 100, 2)
        let minutes = hundredths / 6000
        let hours = minutes < 60 ? "" : "\(minutes / 60):" + (minutes % 60 < 10 ? "0" : "")
        return hours + "\(minutes % 60):" + (rest.count < 5 ? "0" : "") + rest
    }

    /// `4.93 Mbit/s`
    static func rate(_ bits: Double) -> String {
        switch bits {
        case 999_950...: "\(fixed(bits / 1e6, 2)) Mbit/s"
        case 1000...: "\(fixed(bits / 1e3, 1)) kbit/s"
        default: "\(fixed(bits, 0)) bit/s"
        }
    }

    /// With so many decimal places, all of them.
    static func fixed(_ number: Double, _ places: Int) -> String {
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        guard let scaled = UInt64(exactly: (number * Double(scale)).rounded()) else { return "\(number)" }
        guard places > 0 else { return "\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    // MARK: Lines

    private static func lines(_ rows: [(String, String)]) -> String {
        let width = (rows.map { $0.0.count }.max() ?? 0) + 2
        return rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))\($0.1)\n" }.joined()
    }

    /// Columns that are as wide as they have to be, to the right but those in `leading`.
    private static func table(_ rows: [[String]], leading: Set<Int>) -> String {
        var widths = [Int](repeating: 0, count: rows.map(\.count).max() ?? 0)
        for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
        return rows.map { row in
            var line = ""
            for (index, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[index] - cell.count)
                line += "  " + (leading.contains(index) ? cell + gap : gap + cell)
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
