/// A part of a form: what its head says (RFC 7578 §4).
public struct MultipartPart: Sendable, Equatable {
    /// The form's field.
    public let name: String
    /// As the client calls the file, without directories; nil for one that is no file.
    public let fileName: String?
    /// `Content-Type`; nil when it says none.
    public let type: String?

    /// Bytes of `name`, at most.
    static let nameLimit = 256

    public init(name: String, fileName: String? = nil, type: String? = nil) {
        self.name = name
        self.fileName = fileName
        self.type = type
    }

    /// A head's lines, with the line break behind each.
    init(head: ArraySlice<UInt8>) throws(MultipartError) {
        var fields = Fields()
        var rest = head
        while !rest.isEmpty {
            let line = rest.prefix { $0 != 13 }
            rest = rest[line.endIndex...]
            guard rest.starts(with: [13, 10]), let field = MultipartPart.field(line) else {
                throw MultipartError("a line of a part's head is malformed")
            }
            rest = rest.dropFirst(2)
            fields.append(field.name, field.value)
        }
        let dispositions = fields.values("Content-Disposition")
        guard dispositions.count == 1, let disposition = FieldParameters(dispositions[0]),
            disposition.value == "form-data", let name = disposition["name"],
            (1...MultipartPart.nameLimit).contains(name.utf8.count)
        else {
            throw MultipartError(
                "a part does not say which field it is; expected Content-Disposition: form-data; name=")
        }
        // RFC 7578 §4.7: it is deprecated, and these are the ones that change nothing.
        for coding in fields.values("Content-Transfer-Encoding")
        where !["7bit", "8bit", "binary"].contains(coding.lowercased()) {
            throw MultipartError("a part has a transfer encoding, which forms do not have any more")
        }
        self.name = MultipartPart.unescape(name)
        fileName = disposition["filename"].map { MultipartPart.base(MultipartPart.unescape($0)) }
        type = fields["Content-Type"]
    }

    /// A line of a head; nil when it is malformed. Control characters have no place in one, and it is not folded.
    private static func field(_ line: ArraySlice<UInt8>) -> Fields.Field? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(FieldParameters.isToken),
            line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 }),
            let value = String(validating: line[(colon + 1)...], as: UTF8.self)
        else { return nil }
        return Fields.Field(name: String(decoding: line[..<colon], as: UTF8.self), value: String(value.trimmed))
    }

    /// What browsers write for a quote in a name (WHATWG HTML, multipart/form-data); line breaks, which they escape as
    /// well, stay as they are.
    private static func unescape(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.starts(with: "22".utf8) {
                bytes.append(UInt8(ascii: "\""))
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Behind the last slash or backslash: some send the path (RFC 7578 §4.2).
    private static func base(_ path: String) -> String {
        String(path[(path.lastIndex { $0 == "/" || $0 == "\\" }.map { path.index(after: $0) } ?? path.startIndex)...])
    }
}
