internal import WeirHTTP
internal import WeirLive

/// One event of the log: a level, what happened, and the facts, in their order.
struct LogLine: Sendable {
    typealias Field = (name: String, value: JSON)

    var level: LogOptions.Level
    /// The words that people search for; they never change with the facts.
    var message: String
    var fields: [Field]
    /// Nanoseconds since 1970.
    var time: Int64

    /// Bytes of one value; what is longer is cut.
    static let valueLimit = 2048

    /// The line with its end.
    func bytes(_ format: LogOptions.Format) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(160)
        switch format {
        case .text: writeText(to: &bytes)
        case .json: writeJSON(to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    private func writeJSON(to bytes: inout [UInt8]) {
        var members: [(String, JSON)] = [
            ("time", .string(WallClock.text(time))), ("level", .string(level.rawValue)), ("message", .string(message)),
        ]
        for field in fields { members.append((field.name, LogLine.cut(field.value))) }
        JSON.object(members).write(to: &bytes)
    }

    /// `2024-05-17T08:30:00.125Z info listener left station=vinyl reason=closed`
    private func writeText(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: WallClock.text(time).utf8)
        bytes.append(UInt8(ascii: " "))
        bytes.append(contentsOf: level.rawValue.utf8)
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 8 - level.rawValue.utf8.count))
        bytes.append(contentsOf: message.utf8)
        for field in fields {
            bytes.append(UInt8(ascii: " "))
            bytes.append(contentsOf: field.name.utf8)
            bytes.append(UInt8(ascii: "="))
            let value = LogLine.cut(field.value)
            if case .string(let text) = value, LogLine.isBare(text) {
                bytes.append(contentsOf: text.utf8)
            } else {
                // Quoted and escaped as in JSON: what a client sent cannot begin a line of its own.
                value.write(to: &bytes)
            }
        }
    }

    /// Whether a text needs no quotes: it cannot be taken for two fields, or for another kind of value.
    private static func isBare(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
                    && byte != UInt8(ascii: "\\")
            }
    }

    private static func cut(_ value: JSON) -> JSON {
        guard case .string(let text) = value, text.utf8.count > valueLimit else { return value }
        return .string(String(decoding: text.utf8.prefix(valueLimit), as: UTF8.self) + "…")
    }
}
