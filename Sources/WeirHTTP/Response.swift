public import WeirLoop

/// What a handler answers with.
@LoopActor
public struct Response: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Written while it is sent. With a `length` exactly that many bytes follow; else `framing` says how the end is
        /// known. Not called for HEAD.
        case stream(length: UInt64?, framing: Framing, @LoopActor (ResponseWriter) async throws -> Void)
        /// The socket is handed over: the closure gets it with the head to send first, close-delimited. When it throws,
        /// the socket is still the connection's, and the error is answered as any other. Not called for HEAD.
        case takeover(@LoopActor (Takeover) throws -> Void)
    }

    /// How the end of a body without a length is known.
    public enum Framing: Sendable {
        /// Chunked for HTTP/1.1, by closing for HTTP/1.0.
        case chunked
        /// By closing the connection.
        case close
    }

    public var status: Int
    public var fields: Fields
    public var body: Body
    /// Closes the connection afterwards.
    public var closes = false

    public init(_ status: Int = 200, fields: Fields = Fields(), body: Body = .none) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    public static func text(_ text: String, status: Int = 200, type: String = "text/plain; charset=utf-8") -> Response {
        Response(status, fields: ["Content-Type": type], body: .bytes(Array(text.utf8)))
    }

    public static func json(_ value: JSON, status: Int = 200) -> Response {
        Response(
            status, fields: ["Content-Type": "application/json", "Cache-Control": "no-store"], body: .bytes(value.bytes)
        )
    }

    public static func error(_ error: HTTPError) -> Response {
        var response = Response.json(error.body, status: error.status)
        for field in error.fields.all { response.fields.append(field.name, field.value) }
        return response
    }
}

/// A socket on its way to something that moves bytes without the server, such as the fan-out.
@LoopActor
public struct Takeover {
    /// A connected non-blocking socket; the taker's from the moment the closure returns without an error.
    public let descriptor: Int32
    /// What the bytes go through in both directions, when that is not the socket itself. The taker's as the socket is.
    public let tls: TLSConnection?
    /// The same for a fan-out, which takes it.
    public var sink: Fanout.Sink? { tls?.sink }
    /// The rendered head of the response, to be sent before anything else.
    public let head: [UInt8]
    /// The peer's address.
    public let label: String
    /// Bytes that came behind the request's head.
    public let pending: [UInt8]
    /// To be kept until the socket is closed, then released.
    public let ticket: ConnectionTicket
}

/// The place of a connection that was handed over: it counts against the limits until it is released, and its access line
/// is written then. Dropping it releases it.
@LoopActor
public final class ConnectionTicket {
    private let place: ConnectionPlace
    private var event: AccessEvent?
    private let started: UInt64

    init(place: ConnectionPlace, event: AccessEvent, started: UInt64) {
        self.place = place
        self.event = event
        self.started = started
    }

    isolated deinit {
        release(bytes: 0, reason: "dropped")
    }

    /// The connection has ended: how many bytes of body it was sent, and why it ended. Releasing twice is harmless.
    public func release(bytes: UInt64, reason: String) {
        guard var event else { return }
        self.event = nil
        event.bytes = bytes
        event.reason = reason
        place.leave(event, started: started)
    }

    /// It was not taken after all.
    func revoke() { event = nil }
}
