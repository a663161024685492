import COpenSSL
import WeirHTTP

/// The parameters of a call, in whatever form they came; of a file its facts only.
struct StandInForm {
    struct File {
        var name: String?
        var type: String?
        var bytes = 0
        var sha256 = ""
        var look = StandInLook()
    }

    var fields: [String: String] = [:]
    var files: [String: File] = [:]
}

/// SHA-256 of pieces.
public final class StandInDigest {
    private let context = EVP_MD_CTX_new()

    public init() { EVP_DigestInit_ex(context, EVP_sha256(), nil) }
    deinit { EVP_MD_CTX_free(context) }

    public func update(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    }

    /// In hexadecimal; once.
    public func finish() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &digest, nil)
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Reads `multipart/form-data` (RFC 7578) as it comes: fields are kept, files hashed and looked at.
struct StandInMultipart {
    struct Malformed: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// Bytes of a part's head, and of a field.
    static let limit = 64 << 10

    private enum State { case preamble, head, part, end }

    private(set) var form = StandInForm()
    private var state = State.preamble
    private var buffer: [UInt8] = []
    private let boundary: [UInt8]
    private var name = ""
    private var field: [UInt8]?
    private var file: StandInForm.File?
    private var digest: StandInDigest?

    /// Nil when the type is not multipart, or has no boundary.
    init?(type: String) {
        guard type.lowercased().hasPrefix("multipart/form-data"), let mark = type.firstRange(of: "boundary=") else {
            return nil
        }
        let value = type[mark.upperBound...].prefix { $0 != ";" }
        let bare = value.filter { $0 != "\"" }
        guard !bare.isEmpty, bare.utf8.count <= 70 else { return nil }
        boundary = Array("\r\n--\(bare)".utf8)
        // The first one has no line before it.
        buffer = [13, 10]
    }

    var isComplete: Bool { if case .end = state { true } else { false } }

    mutating func add(_ piece: [UInt8]) throws {
        buffer += piece
        while try step() {}
    }

    /// Whether something was taken.
    private mutating func step() throws -> Bool {
        switch state {
        case .end:
            buffer = []
            return false
        case .head:
            guard buffer.count >= 2 else { return false }
            if buffer.starts(with: "--".utf8) {
                state = .end
                return true
            }
            guard let end = buffer.firstOffset(of: Array("\r\n\r\n".utf8)) else {
                if buffer.count > Self.limit { throw Malformed("a part's head is too long") }
                return false
            }
            try open(String(decoding: buffer[..<end], as: UTF8.self))
            buffer.removeFirst(end + 4)
            state = .part
            return true
        case .preamble, .part:
            if let end = buffer.firstOffset(of: boundary) {
                try take(buffer[..<end])
                try close()
                buffer.removeFirst(end + boundary.count)
                state = .head
                return true
            }
            // The boundary may have begun.
            let sure = buffer.count - boundary.count
            guard sure > 0 else { return false }
            try take(buffer[..<sure])
            buffer.removeFirst(sure)
            return false
        }
    }

    private mutating func open(_ head: String) throws {
        var disposition: String?
        var type: String?
        for line in head.split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard parts.count == 2 else { throw Malformed("a part's head is malformed") }
            switch parts[0].lowercased() {
            case "content-disposition": disposition = String(parts[1])
            case "content-type": type = String(parts[1])
            default: break
            }
        }
        guard let disposition, disposition.hasPrefix("form-data"),
            let name = Self.parameter("name", of: disposition)
        else { throw Malformed("a part has no name") }
        self.name = name
        if let fileName = Self.parameter("filename", of: disposition) {
            file = StandInForm.File(name: fileName, type: type)
            digest = StandInDigest()
        } else {
            field = []
        }
    }

    /// `; name="value"`, with the quotes.
    private static func parameter(_ name: String, of text: String) -> String? {
        guard let mark = text.firstRange(of: "; \(name)=\"") else { return nil }
        let rest = text[mark.upperBound...]
        guard let end = rest.firstIndex(of: "\"") else { return nil }
        return String(rest[..<end])
    }

    private mutating func take(_ bytes: ArraySlice<UInt8>) throws {
        if bytes.isEmpty { return }
        if file != nil {
            digest?.update(bytes)
            file?.bytes += bytes.count
            file?.look.add(bytes)
        } else if let count = field?.count {
            guard count + bytes.count <= Self.limit else { throw Malformed("a field is too long") }
            field? += bytes
        }
    }

    private mutating func close() throws {
        if var file {
            file.sha256 = digest?.finish() ?? ""
            form.files[name] = file
        } else if let field {
            guard let text = String(validating: field, as: UTF8.self) else { throw Malformed("a field is no UTF-8") }
            form.fields[name] = text
        }
        file = nil
        digest = nil
        field = nil
    }
}
