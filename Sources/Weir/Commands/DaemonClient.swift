internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// A running daemon, as the commands that speak to it see it: its address and the admin token.
@LoopActor
final class DaemonClient {
    /// Bytes of an answer, at most.
    static let answerLimit = 8 << 20
    /// Bytes of a file that are read at once.
    static let pieceSize = 256 << 10

    /// What a daemon answered that did not do what it was asked; or why there was none.
    struct Failure: Error, CustomStringConvertible {
        let description: String
        /// Of the answer; nil without one.
        var status: Int?

        init(_ description: String, status: Int? = nil) {
            self.description = description
            self.status = status
        }
    }

    private let pool: ClientPool
    private let root: String
    private let token: String?

    /// - Parameter server: nil is the first address that is configured.
    init(_ configuration: Configuration, server: String?, connections: Int = 8) throws {
        let options = { () -> ClientPoolOptions in
            var options = ClientPoolOptions()
            options.connections = connections
            // A daemon answers an upload when object and row are durable.
            options.headTimeout = 300
            options.caFile = configuration.server.tls.certificate
            return options
        }()
        if let server {
            root = server.hasSuffix("/") ? String(server.dropLast()) : server
        } else {
            root = try DaemonClient.root(configuration)
        }
        token = try DaemonClient.token(configuration)
        pool = ClientPool(name: "daemon", options: options)
    }

    func close() async { await pool.close() }

    nonisolated static func root(_ configuration: Configuration) throws(Failure) -> String {
        for case .internet(let host, let port, let scheme) in configuration.server.addresses where port != 0 {
            let isSecure = scheme.map { $0 == .https } ?? configuration.server.tls.isConfigured
            let name = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            return "\(isSecure ? "https" : "http")://\(name.contains(":") ? "[\(name)]" : name):\(port)"
        }
        throw Failure("the configuration has no address with a port; expected --server http://HOST:PORT")
    }

    private nonisolated static func token(_ configuration: Configuration) throws -> String? {
        if let token = configuration.auth.adminToken { return token.text }
        return try SecretFile.readExisting(Secrets.tokenPath(configuration))
    }

    // MARK: Requests

    /// The answer's JSON, of a request that was done.
    @discardableResult
    func ask(
        _ method: WeirHTTP.Method, _ target: String, type: String? = nil, body: ClientRequest.Body = .none
    ) async throws -> JSON {
        var fields = Fields()
        if let token { fields["Authorization"] = "Bearer \(token)" }
        if let type { fields["Content-Type"] = type }
        let request = ClientRequest(method, root + target, fields: fields, body: body)
        let response: ClientResponse
        let bytes: [UInt8]
        do throws(ClientError) {
            response = try await pool.send(request)
            bytes = try await response.collect(limit: DaemonClient.answerLimit)
        } catch {
            throw Failure("\(root): \(error.reason)")
        }
        let json = bytes.isEmpty ? JSON.null : (try? JSON(reading: bytes)) ?? .null
        guard (200...299).contains(response.status) else {
            let said = json["error"]
            throw Failure(
                "\(said?["code"]?.text ?? String(response.status)): \(said?["message"]?.text ?? "refused")",
                status: response.status)
        }
        return json
    }

    /// A body that is a file, from its beginning; `progress` is told how many bytes went.
    nonisolated static func file(
        _ descriptor: Int32, length: UInt64, progress: @escaping @LoopActor (Int) -> Void
    ) -> ClientRequest.Body {
        .stream(length: length) { upload in
            var offset: UInt64 = 0
            while offset < length {
                let count = Int(min(UInt64(pieceSize), length - offset))
                let place = off_t(offset)
                let piece = try await onPool {
                    var bytes = [UInt8](repeating: 0, count: count)
                    let filled = pread(descriptor, &bytes, count, place)
                    guard filled > 0 else { throw CoreError(errno: filled < 0 ? errno : EIO) }
                    return filled == count ? bytes : Array(bytes[..<filled])
                }
                try await upload.write(piece)
                offset += UInt64(piece.count)
                progress(piece.count)
            }
        }
    }

    /// A value of a query.
    nonisolated static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = Array("0123456789ABCDEF")
                escaped += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
        return escaped
    }
}
