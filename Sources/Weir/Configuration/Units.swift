/// Sizes and durations as people write them.
enum Units {
    /// Each with its factor; `KiB` and so on are powers of two, `kB` and so on powers of ten.
    static let sizes: [(name: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000), ("KB", 1000), ("B", 1),
    ]
    static let durations: [(name: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]

    /// A number and the unit after it, which may be empty; nil when there is no number.
    static func split(_ text: String) -> (number: Double, unit: String)? {
        let end = text.firstIndex { !"0123456789._+-".contains($0) } ?? text.endIndex
        // 1e3 has no unit: the exponent belongs to the number.
        if Node.isNumber(text) { return number(text).map { ($0, "") } }
        guard Node.isNumber(String(text[..<end])), let number = number(String(text[..<end])) else { return nil }
        return (number, String(text[end...].drop { $0 == " " }))
    }

    private static func number(_ text: String) -> Double? {
        Double(text.filter { $0 != "_" })
    }

    /// Bytes: `65536`, `64KiB`, `1.5 GiB`, `100MB`. Nil when it is none, or not a whole number of bytes.
    static func bytes(_ text: String) -> Int? {
        guard let (number, unit) = split(text) else { return nil }
        let factor = unit.isEmpty ? 1 : sizes.first { $0.name == unit }?.bytes
        guard let factor else { return nil }
        return Int(exactly: (number * Double(factor)).rounded(unit.isEmpty || unit == "B" ? .toNearestOrEven : .up))
            .flatMap { unit.isEmpty && Double($0) != number ? nil : $0 }
    }

    /// Seconds: `5`, `0.5`, `5s`, `200ms`, `2m`, `1h`.
    static func seconds(_ text: String) -> Double? {
        guard let (number, unit) = split(text) else { return nil }
        let factor = unit.isEmpty ? 1 : durations.first { $0.name == unit }?.seconds
        return factor.map { $0 == 0.001 ? number / 1000 : number * $0 }
    }

    /// As a configuration would say it, exactly: `1MiB`, `100MB`, `1000`.
    static func write(bytes: Int) -> String {
        let unit = sizes.first { bytes >= $0.bytes && bytes % $0.bytes == 0 }
        guard let unit, unit.bytes > 1 else { return String(bytes) }
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    /// As a configuration would say it, exactly: `200ms`, `75s`, `1h`, `0`.
    static func write(seconds: Double) -> String {
        if seconds == 0 { return "0" }
        for unit in durations.reversed() where unit.seconds >= 1 {
            let count = seconds / unit.seconds
            if count >= 1, count == count.rounded() { return "\(whole(count))\(unit.name)" }
        }
        return seconds < 1 ? "\(whole(seconds * 1000))ms" : "\(seconds)s"
    }

    private static func whole(_ number: Double) -> String {
        Int(exactly: number.rounded()).map { abs(number - Double($0)) < 1e-6 ? String($0) : "\(number)" } ?? "\(number)"
    }

    /// For people, rounded: `1.5 MiB`, `20 KiB`, `12 B`.
    static func round(bytes: Int) -> String {
        guard let unit = sizes.prefix(4).first(where: { bytes >= $0.bytes }) else { return "\(bytes) B" }
        return "\(tenths(Double(bytes) / Double(unit.bytes))) \(unit.name)"
    }

    /// For people, rounded: `5.46 s`.
    static func round(seconds: Double) -> String {
        "\(decimal(seconds, places: 2)) s"
    }

    /// One decimal place, which is left off when it is zero.
    static func tenths(_ number: Double) -> String { decimal(number, places: 1) }

    private static func decimal(_ number: Double, places: Int) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        guard let scaled = Int(exactly: (number * Double(scale)).rounded()) else { return "\(number)" }
        var fraction = String(abs(scaled % scale))
        fraction = String(repeating: "0", count: places - fraction.count) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        let sign = scaled < 0 && scaled / scale == 0 ? "-" : ""
        return sign + String(scaled / scale) + (fraction.isEmpty ? "" : "." + fraction)
    }
}
