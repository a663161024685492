internal import Glibc
internal import WeirLoop

/// How far a transfer is: a bar in place on a terminal, else a line now and then.
@LoopActor
final class Progress {
    private let title: String
    private let console: Console
    private let isTerminal: Bool
    private let clock: LoopClock
    private let start: UInt64
    private var last: UInt64 = 0
    private var hasBar = false

    /// Nanoseconds between two lines where there is no terminal, and between two looks of the bar.
    static let lineInterval: UInt64 = 5_000_000_000
    static let barInterval: UInt64 = 100_000_000

    init(_ title: String, _ console: Console, isTerminal: Bool, clock: LoopClock = .monotonic) {
        self.title = title
        self.console = console
        self.isTerminal = isTerminal
        self.clock = clock
        start = clock.now
        last = start
    }

    func tell(_ moved: UInt64, of length: UInt64) {
        let now = clock.now
        guard moved < length, now &- last >= (isTerminal ? Self.barInterval : Self.lineInterval) else { return }
        last = now
        let text = Self.text(title, moved, of: length, after: Double(now - start) / 1e9, width: isTerminal ? 20 : 0)
        if isTerminal {
            hasBar = true
            console.errors("\r\u{1B}[K\(text)")
        } else {
            console.error(text)
        }
    }

    /// The last line: what was moved, and how fast.
    func end(_ length: UInt64) {
        let seconds = Double(clock.now - start) / 1e9
        clear()
        console.error(
            "\(title): \(Self.bytes(Double(length))) in \(ScanText.fixed(seconds, 1)) s, "
                + "\(Self.bytes(Double(length) / max(seconds, 0.001)))/s")
    }

    /// Takes the bar away.
    func clear() {
        if hasBar { console.errors("\r\u{1B}[K") }
        hasBar = false
    }

    /// `title [#####     ] 50 %, 12.5 of 25 MB, 5.0 MB/s, 0:03 left`. No bar for a width of 0.
    nonisolated static func text(
        _ title: String, _ moved: UInt64, of length: UInt64, after seconds: Double, width: Int
    ) -> String {
        let share = length == 0 ? 1 : min(1, Double(moved) / Double(length))
        var text = title
        if width > 0 {
            let full = Int(share * Double(width))
            text += " [\(String(repeating: "#", count: full))\(String(repeating: " ", count: width - full))]"
        } else {
            text += ":"
        }
        let rate = seconds > 0 ? Double(moved) / seconds : 0
        text += " \(Int(share * 100)) %, \(bytes(Double(moved))) of \(bytes(Double(length))), \(bytes(rate))/s"
        guard rate > 0, moved < length else { return text }
        let left = (Double(length - moved) / rate).rounded(.up)
        guard left < 360_000 else { return text }
        let whole = Int(left)
        let minutes = whole / 60 % 60
        let clock =
            whole >= 3600
            ? "\(whole / 3600):\(minutes < 10 ? "0" : "")\(minutes):" : "\(minutes):"
        return text + ", \(clock)\(whole % 60 < 10 ? "0" : "")\(whole % 60) left"
    }

    /// `12.5 MB`, in powers of ten.
    nonisolated static func bytes(_ count: Double) -> String {
        for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where count >= size {
            return "\(ScanText.fixed(count / size, 1)) \(unit)"
        }
        return "\(Int(count)) B"
    }
}
