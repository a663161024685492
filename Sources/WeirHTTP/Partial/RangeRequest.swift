/// What a request wants of a representation whose length is known (RFC 9110 §14). One range is answered; several, and
/// what is not understood, get the whole, as the standard allows.
public enum RangeRequest: Sendable, Equatable {
    /// No range, or none that is answered: 200.
    case whole
    /// 206. Never empty, and within the representation.
    case part(Range<UInt64>)
    /// Nothing of it is there: 416.
    case unsatisfiable

    /// Reads the values of `Range`, of a representation of `length` bytes.
    public init(_ values: [String], length: UInt64) {
        self = .whole
        guard values.count == 1, let spec = RangeRequest.only(Array(values[0].utf8)[...]) else { return }
        guard let dash = spec.firstIndex(of: UInt8(ascii: "-")) else { return }
        let (first, last) = (spec[..<dash], spec[(dash + 1)...])
        if first.isEmpty {
            guard let suffix = RangeRequest.number(last) else { return }
            if suffix == 0 {
                self = .unsatisfiable
            } else if length > 0 {
                self = .part(length - min(suffix, length)..<length)
            }
            return
        }
        guard let start = RangeRequest.number(first) else { return }
        var end = UInt64.max
        if !last.isEmpty {
            guard let number = RangeRequest.number(last), number >= start else { return }
            end = number
        }
        self = start < length ? .part(start..<min(end, length - 1) + 1) : .unsatisfiable
    }

    /// `Content-Range` of the answer; nil for the whole.
    public func contentRange(of length: UInt64) -> String? {
        switch self {
        case .whole: nil
        case .part(let range): "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
        case .unsatisfiable: "bytes */\(length)"
        }
    }

    /// The only range of a set of bytes; nil when there is another unit, none, or more.
    private static func only(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let equals = value.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let unit = value[..<equals]
        guard unit.map({ Fields.lower($0) }) == Array("bytes".utf8) else { return nil }
        // Empty elements of a list count for nothing (RFC 9110 §5.6.1.2).
        let specs = value[(equals + 1)...].split(separator: UInt8(ascii: ",")).map { trimmed($0) }.filter {
            !$0.isEmpty
        }
        return specs.count == 1 ? specs[0] : nil
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let rest = bytes.drop(while: isSpace)
        guard let last = rest.lastIndex(where: { !isSpace($0) }) else { return [] }
        return rest[...last]
    }

    /// Digits and nothing else; what is larger than can be said is as large as can be.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        if digits.isEmpty { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let (tens, overflows) = number.multipliedReportingOverflow(by: 10)
            let (sum, exceeds) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            number = overflows || exceeds ? .max : sum
        }
        return number
    }
}
