import Glibc

/// The head of a response.
struct ClientHead {
    let status: Int
    /// `1.0`, `1.1`, `2`, or `ICY`.
    let version: String
    /// As they came, without the empty line.
    private let lines: [UInt8]

    /// libcurl has read it before, and refused what is not HTTP.
    init(_ bytes: UnsafeRawBufferPointer) {
        // `HTTP/1.1 200 OK`, `HTTP/2 200`, `ICY 200 OK`.
        var space = 0
        while space < bytes.count, bytes[space] != 32, bytes[space] != 13, bytes[space] != 10 { space += 1 }
        let word = UnsafeRawBufferPointer(rebasing: bytes[..<space])
        if word.count == 8 && memcmp(word.baseAddress!, "HTTP/1.1", 8) == 0 {
            version = "1.1"
        } else {
            version = String(decoding: word.starts(with: "HTTP/".utf8) ? word.dropFirst(5) : word[...], as: UTF8.self)
        }
        var at = space
        while at < bytes.count, bytes[at] == 32 { at += 1 }
        var status = 0
        while at < bytes.count, bytes[at] >= 0x30 && bytes[at] <= 0x39 {
            status = (status * 10 + Int(bytes[at] & 15)) % 1000
            at += 1
        }
        self.status = status
        while at < bytes.count, bytes[at] != 10 { at += 1 }
        lines = Array(UnsafeRawBufferPointer(rebasing: bytes[min(at + 1, bytes.count)...]))
    }

    /// - Complexity: O(bytes).
    var fields: Fields {
        var fields = Fields()
        for line in lines.split(separator: 10) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = line[(colon + 1)...].dropLast(line.last == 13 ? 1 : 0)
            fields.append(
                String(decoding: line[..<colon], as: UTF8.self), String(String(decoding: value, as: UTF8.self).trimmed))
        }
        return fields
    }
}
