import Glibc
internal import WeirLoop

/// A request that a pool sends.
public struct ClientRequest: Sendable {
    public enum Body: Sendable {
        case none
        /// Can be sent again, when a redirect or a kept connection that turned out to be closed asks for it.
        case bytes([UInt8])
        /// Written while it is sent, at the pace of the peer; once. Without a `length` it goes in chunks.
        case stream(length: UInt64?, @LoopActor (ClientUpload) async throws -> Void)
        /// From a pipe or a socket, which is the pool's and closed in the end; moved without Swift. Without a `length` it
        /// goes in chunks.
        case descriptor(Int32, length: UInt64?)
        /// Written by a function of C where it is sent from, without Swift for each piece; once.
        case source(ClientSource, length: UInt64)

        /// From a sequence of pieces, which is iterated once, as fast as the peer takes them.
        public static func sequence<Pieces: AsyncSequence & Sendable>(_ pieces: Pieces, length: UInt64? = nil) -> Body
        where Pieces.Element == [UInt8] {
            .stream(length: length) { upload in
                for try await piece in pieces { try await upload.write(piece) }
            }
        }
    }

    public var method: Method
    /// `http://` or `https://`; user and password in it are sent as `Authorization: Basic`.
    public var url: String
    /// Sent in this order. `Content-Length`, `Transfer-Encoding` and `Connection` are not among them: the pool sends its own.
    public var fields: Fields
    public var body: Body
    /// Redirects that are followed; 0 gives the 3xx response to the caller. `Authorization` and `Cookie` do not go to
    /// another host.
    public var redirectLimit = 5
    /// `..` and `.` in the path stay there: for servers to whom they are names like others.
    public var keepsPath = false
    /// Seconds for all of it, the wait for its turn included; nil is no limit.
    public var timeout: Double?
    /// What errors call it; by default the URL without user, password, query and fragment. To be given when the path is a
    /// secret.
    public var label: String?

    public init(_ method: Method = .get, _ url: String, fields: Fields = Fields(), body: Body = .none) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }

    /// It is not sent: what came with it is let go of.
    func discard() {
        if case .descriptor(let descriptor, _) = body { close(descriptor) }
    }

    /// Fields that follow from the body and the connection.
    private static let reserved = ["Content-Length", "Transfer-Encoding", "Connection", "Expect"]

    /// Why it cannot be sent; nil when it can.
    var problem: String? {
        if !ClientRequest.isToken(method.rawValue) { return "the method is not a token" }
        for field in fields.all {
            if !ClientRequest.isToken(field.name) { return "a field's name is not a token" }
            if ClientRequest.reserved.contains(where: { Fields.equal($0, field.name) }) {
                return "the field \(field.name) is not the caller's to set"
            }
            if field.value.utf8.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) {
                return "the field \(field.name) has a line break in it"
            }
        }
        return nil
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
