internal import WeirHTTP

/// The canonical form of a request (AWS: Create a signed AWS API request, step 1), in memory that serves the next as
/// well.
struct CanonicalRequest: ~Copyable {
    /// A name and a value that lie in `text` behind each other.
    private struct Pair {
        var start: Int
        /// Of the name; the value begins there.
        var middle: Int
        var end: Int
        /// Whether the one before it has the same name; known once they are written.
        var repeats = false
    }

    /// What is signed.
    var bytes = SigningBuffer()
    /// Names and values, in the order they came in.
    private var text = SigningBuffer()
    private var pairs = Pairs()
    /// Where in `bytes` what follows lies.
    private(set) var path = 0..<0
    private(set) var query = 0..<0
    private(set) var signedNames = 0..<0

    /// Pairs in memory that serves the next request as well.
    private struct Pairs: ~Copyable {
        private(set) var base = UnsafeMutablePointer<Pair>.allocate(capacity: 32)
        private(set) var count = 0
        private var capacity = 32

        deinit { base.deallocate() }

        mutating func clear() { count = 0 }

        @inline(__always)
        mutating func append(_ pair: Pair) {
            if count == capacity { grow() }
            (base + count).initialize(to: pair)
            count &+= 1
        }

        @inline(never)
        private mutating func grow() {
            let grown = UnsafeMutablePointer<Pair>.allocate(capacity: capacity * 2)
            grown.moveInitialize(from: base, count: count)
            base.deallocate()
            base = grown
            capacity *= 2
        }
    }

    // MARK: Parts

    mutating func begin(_ method: Method) {
        bytes.clear()
        bytes.append(method.rawValue)
        bytes.append(UInt8(ascii: "\n"))
        text.clear()
        pairs.clear()
    }

    mutating func add(path text: String, encodesAgain: Bool, normalizes: Bool) {
        let start = bytes.count
        if normalizes {
            append(path: CanonicalRequest.normalized(text), encodesAgain)
        } else {
            append(path: text, encodesAgain)
        }
        if bytes.count == start { bytes.append(UInt8(ascii: "/")) }
        path = start..<bytes.count
        bytes.append(UInt8(ascii: "\n"))
    }

    @inline(__always)
    private mutating func append(path text: String, _ encodesAgain: Bool) {
        SigningBuffer.with(text) {
            if encodesAgain { bytes.append($0, .pathAgain) } else { bytes.append($0, .path) }
        }
    }

    /// The pairs of a query, as it is sent.
    mutating func add(query: String) {
        if query.isEmpty { return }
        SigningBuffer.with(query) { all in
            var at = 0
            while at < all.count {
                var end = at
                var equals = -1
                while end < all.count, all[end] != UInt8(ascii: "&") {
                    if equals < 0 && all[end] == UInt8(ascii: "=") { equals = end }
                    end &+= 1
                }
                // `a&&b` has two parameters.
                if end > at {
                    let middle = equals < 0 ? end : equals
                    let start = text.count
                    text.append(UnsafeBufferPointer(rebasing: all[at..<middle]), .query)
                    let split = text.count
                    if equals >= 0 { text.append(UnsafeBufferPointer(rebasing: all[(equals &+ 1)..<end]), .query) }
                    pairs.append(Pair(start: start, middle: split, end: text.count))
                }
                at = end &+ 1
            }
        }
    }

    /// A parameter or a field that signing adds, as it is.
    mutating func add(_ name: StaticString, _ value: (inout SigningBuffer) -> Void) {
        let start = text.count
        text.append(name)
        let middle = text.count
        value(&text)
        pairs.append(Pair(start: start, middle: middle, end: text.count))
    }

    /// Sorts and writes the parameters.
    mutating func endQuery() {
        sort(byValue: true)
        let start = bytes.count
        for index in 0..<pairs.count {
            if index > 0 { bytes.append(UInt8(ascii: "&")) }
            let pair = pairs.base[index]
            bytes.append(text[pair.start..<pair.middle])
            bytes.append(UInt8(ascii: "="))
            bytes.append(text[pair.middle..<pair.end])
        }
        query = start..<bytes.count
        bytes.append(UInt8(ascii: "\n"))
        text.clear()
        pairs.clear()
    }

    /// A header field: its name is made small, white space around and within its value goes.
    mutating func add(field name: String, _ value: String) {
        let start = text.count
        SigningBuffer.with(name) { name in
            text.reserve(name.count)
            for byte in name { text.appendReserved(CanonicalRequest.lower(byte)) }
        }
        let middle = text.count
        SigningBuffer.with(value) { value in
            if SigningEncoding.isPlain(value) { return text.append(value) }
            text.reserve(value.count)
            var hasSpace = false
            for byte in value {
                if byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) {
                    hasSpace = true
                    continue
                }
                if hasSpace && text.count > middle { text.appendReserved(0x20) }
                hasSpace = false
                text.appendReserved(byte)
            }
        }
        pairs.append(Pair(start: start, middle: middle, end: text.count))
    }

    /// Sorts and writes the fields and their names, and what the body is said to be.
    mutating func end(payload: String) {
        sort(byValue: false)
        for index in 0..<pairs.count {
            let pair = pairs.base[index]
            if index > 0 && isSameName(pairs.base[index - 1], pair) {
                pairs.base[index].repeats = true
                bytes.append(UInt8(ascii: ","))
            } else {
                if index > 0 { bytes.append(UInt8(ascii: "\n")) }
                bytes.append(text[pair.start..<pair.middle])
                bytes.append(UInt8(ascii: ":"))
            }
            bytes.append(text[pair.middle..<pair.end])
        }
        bytes.append("\n\n")
        let start = bytes.count
        appendNames(separator: ";")
        signedNames = start..<bytes.count
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(payload)
    }

    /// The names of the fields so far, encoded: the value of `X-Amz-SignedHeaders`. They must be known before the query
    /// is written, and are collected anew for the fields afterwards.
    static func names(_ fields: [String]) -> String {
        Set(fields.map { String($0.lowercased()) }).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            .joined(separator: "%3B")
    }

    private mutating func appendNames(separator: StaticString) {
        for index in 0..<pairs.count {
            let pair = pairs.base[index]
            if pair.repeats { continue }
            if index > 0 { bytes.append(separator) }
            bytes.append(text[pair.start..<pair.middle])
        }
    }

    // MARK: Order

    /// By the bytes of the name, then of the value, or in the order they came. Most come in order, or nearly so.
    private mutating func sort(byValue: Bool) {
        let count = pairs.count
        guard count > 1 else { return }
        let base = UnsafePointer(text.base)
        let pairs = pairs.base
        if count > 64 {
            // Stable, as the sort of the standard library is.
            let sorted = UnsafeBufferPointer(start: pairs, count: count)
                .sorted { CanonicalRequest.precedes(base, $0, $1, byValue) }
            for index in 0..<count { pairs[index] = sorted[index] }
            return
        }
        for index in 1..<count {
            let pair = pairs[index]
            var at = index
            while at > 0, CanonicalRequest.precedes(base, pair, pairs[at &- 1], byValue) {
                pairs[at] = pairs[at &- 1]
                at &-= 1
            }
            pairs[at] = pair
        }
    }

    @inline(__always)
    private static func precedes(_ base: UnsafePointer<UInt8>, _ one: Pair, _ other: Pair, _ byValue: Bool) -> Bool {
        let order = compare(base, one.start..<one.middle, other.start..<other.middle)
        if order != 0 || !byValue { return order < 0 }
        return compare(base, one.middle..<one.end, other.middle..<other.end) < 0
    }

    @inline(__always)
    private static func compare(_ base: UnsafePointer<UInt8>, _ one: Range<Int>, _ other: Range<Int>) -> Int {
        let count = min(one.count, other.count)
        var at = 0
        while at < count {
            let (a, b) = (base[one.lowerBound &+ at], base[other.lowerBound &+ at])
            if a != b { return Int(a) &- Int(b) }
            at &+= 1
        }
        return one.count &- other.count
    }

    private func isSameName(_ one: Pair, _ other: Pair) -> Bool {
        CanonicalRequest.compare(UnsafePointer(text.base), one.start..<one.middle, other.start..<other.middle) == 0
    }

    // MARK: Bytes

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

    /// Without empty segments, `.` and `..` (RFC 3986 §5.2.4), as services other than S3 want it.
    static func normalized(_ path: String) -> String {
        var segments: [Substring.UTF8View] = []
        let all = Substring(path).utf8
        for segment in all.split(separator: UInt8(ascii: "/")) {
            if segment.elementsEqual(".".utf8) { continue }
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
            } else {
                segments.append(segment)
            }
        }
        let isFolder = all.last == UInt8(ascii: "/")
        return "/" + segments.map { String(Substring($0)) }.joined(separator: "/")
            + (isFolder && !segments.isEmpty ? "/" : "")
    }
}
