import Glibc

/// Takes `multipart/form-data` apart (RFC 7578, RFC 2046 §5.1), in whatever pieces it comes: what it delivers does not
/// depend on them. What two readers could read in two ways is refused.
///
/// It holds what was appended and not delivered yet, and never more than `MultipartParser.headLimit` beyond the last
/// piece.
public struct MultipartParser: Sendable {
    /// Bytes of a part's head, at most.
    public static let headLimit = 8192
    /// Parts of a form, at most.
    public static let partsLimit = 64
    /// Bytes before the first part, at most; RFC 7578 has none.
    public static let preambleLimit = 1024
    /// Blanks behind a boundary, at most.
    public static let paddingLimit = 64

    /// What comes next.
    public enum Step: Sendable, Equatable {
        /// Nothing, before more is appended.
        case more
        /// A part begins.
        case part(MultipartPart)
        /// Some of its bytes, not empty.
        case bytes([UInt8])
        /// It is complete.
        case partEnd
        /// The form is complete; what follows has no meaning.
        case end
    }

    private enum State {
        case preamble, delimiter, head, bodyStart, body, closing, end
    }

    /// CRLF, two hyphens, the boundary.
    private let delimiter: [UInt8]
    private var state = State.preamble
    /// The form may begin with a boundary: the line break before it is made up.
    private var buffer: [UInt8] = [13, 10]
    /// What of it was delivered.
    private var start = 0
    private var parts = 0
    private var preamble = 0

    /// A parser for a request's `Content-Type`.
    /// - Throws: `MultipartError` when it is another type, or has no boundary that can be one.
    public init(contentType: String?) throws(MultipartError) {
        guard let contentType, let type = FieldParameters(contentType), type.value == "multipart/form-data" else {
            throw MultipartError("the body is not multipart/form-data")
        }
        guard let boundary = type["boundary"], MultipartParser.isBoundary(boundary) else {
            throw MultipartError("the boundary of the form is missing or malformed; expected 1 to 70 characters")
        }
        delimiter = Array("\r\n--\(boundary)".utf8)
    }

    /// RFC 2046 §5.1.1.
    private static func isBoundary(_ text: String) -> Bool {
        (1...70).contains(text.utf8.count) && text.utf8.last != 32
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"):
                    true
                default: "'()+_,-./:=? ".utf8.contains(byte)
                }
            }
    }

    /// Hands over what came next. To be called when `next()` has said `.more`.
    public mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// There is nothing more to come.
    /// - Throws: when the form is not complete.
    public func finish() throws(MultipartError) {
        // The line break behind the last boundary may be missing.
        guard state == .end || (state == .closing && rest.allSatisfy { $0 == 32 || $0 == 9 }) else {
            throw MultipartError("the form ends before its last boundary")
        }
    }

    private var rest: ArraySlice<UInt8> { buffer[start...] }

    /// - Throws: `MultipartError` when what came is no such form; so does every later call.
    public mutating func next() throws(MultipartError) -> Step {
        while true {
            switch state {
            case .preamble:
                let (length, isFound) = search()
                preamble += length
                start += length
                guard preamble <= MultipartParser.preambleLimit else {
                    throw MultipartError("the form does not begin with its boundary")
                }
                guard isFound else { return .more }
                start += delimiter.count
                state = .delimiter
            case .delimiter:
                guard rest.count >= 2 else { return .more }
                if rest.starts(with: "--".utf8) {
                    start += 2
                    state = .closing
                } else {
                    guard try takeLineEnd() else { return .more }
                    state = .head
                }
            case .head:
                guard let part = try takeHead() else { return .more }
                state = .bodyStart
                return .part(part)
            case .bodyStart:
                // The line break behind the head may be that of the next boundary: a part may have no body at all.
                if rest.starts(with: delimiter.prefix(rest.count)) {
                    guard rest.count >= delimiter.count else { return .more }
                } else {
                    start += 2
                }
                state = .body
            case .body:
                let (length, isFound) = search()
                if length > 0 {
                    let bytes = Array(rest.prefix(length))
                    start += length
                    return .bytes(bytes)
                }
                guard isFound else { return .more }
                start += delimiter.count
                state = .delimiter
                return .partEnd
            case .closing:
                guard try takeLineEnd() else { return .more }
                state = .end
            case .end:
                start = buffer.count
                return .end
            }
        }
    }

    /// How many bytes lie before the next boundary, or before what may become one.
    private func search() -> (length: Int, isFound: Bool) {
        buffer.withUnsafeBytes { buffer in
            var at = start
            while at < buffer.count {
                let from = buffer.baseAddress! + at
                guard let found = memchr(from, 13, buffer.count - at) else { break }
                at += found - UnsafeMutableRawPointer(mutating: from)
                let count = min(delimiter.count, buffer.count - at)
                if memcmp(found, delimiter, count) == 0 { return (at - start, count == delimiter.count) }
                at += 1
            }
            return (buffer.count - start, false)
        }
    }

    /// Blanks and a line break behind a boundary; false when they are not all there.
    private mutating func takeLineEnd() throws(MultipartError) -> Bool {
        let blanks = rest.prefix { $0 == 32 || $0 == 9 }.count
        let line = rest.dropFirst(blanks)
        guard blanks <= MultipartParser.paddingLimit, line.first ?? 13 == 13, line.dropFirst().first ?? 10 == 10 else {
            throw MultipartError("a boundary is not the end of its line")
        }
        guard line.count >= 2 else { return false }
        start += blanks + 2
        return true
    }

    private mutating func takeHead() throws(MultipartError) -> MultipartPart? {
        // A head without a field ends with the first line break.
        let end: Int?
        if rest.starts(with: [13, 10]) {
            end = 0
        } else {
            end = buffer.withUnsafeBytes { buffer in
                var at = start
                while at + 4 <= buffer.count {
                    if memcmp(buffer.baseAddress! + at, [13, 10, 13, 10] as [UInt8], 4) == 0 { return at + 2 - start }
                    at += 1
                }
                return nil
            }
        }
        guard end ?? rest.count <= MultipartParser.headLimit else {
            throw MultipartError("a part's head is larger than \(MultipartParser.headLimit) bytes")
        }
        guard let end else { return nil }
        parts += 1
        guard parts <= MultipartParser.partsLimit else {
            throw MultipartError("the form has more than \(MultipartParser.partsLimit) parts")
        }
        let part = try MultipartPart(head: rest.prefix(end))
        start += end
        return part
    }
}
