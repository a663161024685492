#if PostgreSQL
    internal import CPostgreSQL

    /// A statement's text, made once. Every connection prepares it at its first use.
    final class PostgreSQLQuery: Sendable {
        let name: String
        let text: String

        /// `name` is its own among all.
        init(_ name: String, _ text: String) {
            self.name = name
            self.text = text
        }

        func callAsFunction(_ values: PostgreSQLValue...) -> PostgreSQLCommand {
            PostgreSQLCommand(query: self, values: values.map(\.text))
        }
    }

    /// A parameter, as PostgreSQL reads it.
    struct PostgreSQLValue: Sendable {
        let text: String?

        static func text(_ value: String?) -> PostgreSQLValue { PostgreSQLValue(text: value) }
        static func integer(_ value: Int64) -> PostgreSQLValue { PostgreSQLValue(text: String(value)) }
        static func integer(_ value: Int) -> PostgreSQLValue { PostgreSQLValue(text: String(value)) }
        static func bool(_ value: Bool) -> PostgreSQLValue { PostgreSQLValue(text: value ? "t" : "f") }

        static func bytes(_ bytes: [UInt8]) -> PostgreSQLValue {
            let digits = Array("0123456789abcdef".utf8)
            var hex = Array("\\x".utf8)
            hex.reserveCapacity(2 + 2 * bytes.count)
            for byte in bytes {
                hex.append(digits[Int(byte >> 4)])
                hex.append(digits[Int(byte & 15)])
            }
            return PostgreSQLValue(text: String(decoding: hex, as: UTF8.self))
        }

        /// An array's literal (PostgreSQL manual, §8.15.2): quoted, quotes and backslashes escaped.
        static func array(_ values: [PostgreSQLValue]) -> PostgreSQLValue {
            var literal = "{"
            for (index, value) in values.enumerated() {
                if index > 0 { literal += "," }
                guard let text = value.text else {
                    literal += "NULL"
                    continue
                }
                literal += "\""
                for scalar in text.unicodeScalars {
                    if scalar == "\"" || scalar == "\\" { literal += "\\" }
                    literal.unicodeScalars.append(scalar)
                }
                literal += "\""
            }
            return PostgreSQLValue(text: literal + "}")
        }
    }

    struct PostgreSQLCommand: Sendable {
        let query: PostgreSQLQuery
        let values: [String?]
    }

    /// A statement's rows. Columns count from 0.
    struct PostgreSQLRow: Sendable, MediaRow {
        private let values: [String?]

        init(_ result: OpaquePointer, _ row: Int32) {
            values = (0..<PQnfields(result)).map { column in
                guard PQgetisnull(result, row, column) == 0, let text = PQgetvalue(result, row, column) else {
                    return nil
                }
                return String(cString: text)
            }
        }

        func textOrNil(_ column: Int) -> String? { values.indices.contains(column) ? values[column] : nil }

        func text(_ column: Int) -> String { textOrNil(column) ?? "" }

        func integerOrNil(_ column: Int) -> Int64? { textOrNil(column).flatMap { Int64($0) } }

        /// 0 for NULL.
        func integer(_ column: Int) -> Int64 { integerOrNil(column) ?? 0 }

        func bool(_ column: Int) -> Bool { textOrNil(column) == "t" }

        /// Of the hexadecimal form; what is not in it is left out.
        func bytes(_ column: Int) -> [UInt8] {
            let hex = Array(text(column).utf8.dropFirst(2))
            return stride(from: 0, to: hex.count - hex.count % 2, by: 2).compactMap {
                UInt8(String(decoding: hex[$0..<$0 + 2], as: UTF8.self), radix: 16)
            }
        }
    }

    extension DatabaseError {
        /// Of a statement that failed, by its SQLSTATE (PostgreSQL manual, appendix A).
        init(result: OpaquePointer) {
            let code = PQresultErrorField(result, PostgreSQLField.sqlState).map { String(cString: $0) } ?? ""
            let text = PQresultErrorField(result, PostgreSQLField.primary).map { String(cString: $0) }
            let message = text ?? PQresultErrorMessage(result).map { DatabaseError.line($0) } ?? "no reason given"
            self.init(
                DatabaseError.kind(sqlState: code), code: code.isEmpty ? nil : "SQLSTATE \(code)",
                "PostgreSQL: \(message)")
        }

        static func kind(sqlState code: String) -> Kind {
            switch code {
            case "57014": .timeout
            case "40001", "40P01", "55P03": .busy
            case "53100": .diskFull
            case "42501": .denied
            case "XX001", "XX002": .damaged
            case "25006", "58030": .file
            default:
                switch code.prefix(2) {
                // Connections; too little of something; the operator; nothing at all, when the connection broke.
                case "08", "53", "57", "": .unavailable
                case "28": .denied
                default: .refused
                }
            }
        }

        /// The first line of a message.
        static func line(_ message: UnsafePointer<CChar>) -> String {
            String(String(cString: message).prefix { $0 != "\n" })
        }
    }

    /// PG_DIAG_SQLSTATE and PG_DIAG_MESSAGE_PRIMARY: macros of characters, which Swift does not see.
    enum PostgreSQLField {
        static let sqlState = Int32(UInt8(ascii: "C"))
        static let primary = Int32(UInt8(ascii: "M"))
    }
#endif
