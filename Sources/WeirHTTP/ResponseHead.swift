internal import CWeir
import Glibc

/// Renders response heads.
enum ResponseHead {
    /// `Server:` of every response.
    static let product = "Weir/" + String(cString: weir_version_string())

    /// How the body is framed, as the head says it.
    enum Length {
        /// Neither field: 1xx, 204, 304, or a body that ends by closing.
        case unstated
        case bytes(UInt64)
        case chunked
    }

    enum Persistence {
        /// Persistent by version; nothing is said.
        case implied
        case keepAlive
        case close
    }

    static func render(
        status: Int, fields: Fields, length: Length, persistence: Persistence, date: [UInt8]
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(384)
        bytes.append(contentsOf: "HTTP/1.1 ".utf8)
        bytes.append(contentsOf: String(status).utf8)
        bytes.append(UInt8(ascii: " "))
        bytes.append(contentsOf: reason(status).utf8)
        bytes.append(contentsOf: "\r\nDate: ".utf8)
        bytes.append(contentsOf: date)
        bytes.append(contentsOf: "\r\nServer: ".utf8)
        bytes.append(contentsOf: product.utf8)
        bytes.append(contentsOf: "\r\n".utf8)
        for field in fields.all {
            append(field.name, field.value, to: &bytes)
        }
        switch length {
        case .unstated: break
        case .bytes(let count): append("Content-Length", String(count), to: &bytes)
        case .chunked: append("Transfer-Encoding", "chunked", to: &bytes)
        }
        switch persistence {
        case .implied: break
        case .keepAlive: append("Connection", "keep-alive", to: &bytes)
        case .close: append("Connection", "close", to: &bytes)
        }
        bytes.append(contentsOf: "\r\n".utf8)
        return bytes
    }

    /// Control characters cannot begin a field of their own: each becomes a space.
    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        for byte in name.utf8 { bytes.append(byte > 0x20 && byte != 0x7f ? byte : UInt8(ascii: "_")) }
        bytes.append(contentsOf: ": ".utf8)
        for byte in value.utf8 { bytes.append(byte >= 0x20 && byte != 0x7f ? byte : UInt8(ascii: " ")) }
        bytes.append(contentsOf: "\r\n".utf8)
    }

    static func reason(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        case 508: "Loop Detected"
        default: "Status"
        }
    }

    /// Whether a status never has a body (RFC 9110 §6.4.1).
    static func isBodiless(_ status: Int) -> Bool { status < 200 || status == 204 || status == 304 }
}

/// `Date:`, rendered once a second (RFC 9110 §5.6.7).
struct HTTPDate {
    private var second: time_t = -1
    private(set) var bytes: [UInt8] = []

    mutating func now() -> [UInt8] {
        let now = time(nil)
        if now != second {
            second = now
            bytes = HTTPDate.render(now)
        }
        return bytes
    }

    static func render(_ seconds: time_t) -> [UInt8] {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return Array("\(days[Int(parts.tm_wday)]), \(date) \(clock) GMT".utf8)
    }
}
