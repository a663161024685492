/// Why a request has no response, or a response no end.
public struct ClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What the time ran out for.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Finding the host's address.
        case resolve
        case connect
        case tls
        /// Sending the request's body.
        case send
        /// The head of the response.
        case head
        case body
        /// All of it: the request's own limit.
        case request
    }

    public enum Kind: Sendable, Hashable, CaseIterable {
        /// The URL, or something else of the request, cannot be sent.
        case url, request
        /// The host, or the proxy, has no address.
        case resolve
        case connect
        /// TLS failed; the certificate is not trusted.
        case tls
        case proxy
        case timeout(Phase)
        /// The connection ended before the response did.
        case closed
        /// What came is not HTTP.
        case malformed
        case headTooLarge
        /// There is more than the caller takes.
        case bodyTooLarge
        case tooManyRedirects
        /// The body would have to be sent again, and is gone.
        case unrepeatable
        /// The request's body threw, or was not as long as announced.
        case upload
        /// The task was cancelled, or the response was dropped.
        case cancelled
        /// Whoever read the stream has gone.
        case abandoned
        case queueFull
        case poolClosed
        case memory

        /// In the order above.
        public static let allCases: [Kind] =
            [.url, .request, .resolve, .connect, .tls, .proxy] + Phase.allCases.map { .timeout($0) } + [
                .closed, .malformed, .headTooLarge, .bodyTooLarge, .tooManyRedirects, .unrepeatable, .upload,
                .cancelled, .abandoned, .queueFull, .poolClosed, .memory,
            ]

        /// A word for metrics.
        public var name: String {
            switch self {
            case .url: "url"
            case .request: "request"
            case .resolve: "resolve"
            case .connect: "connect"
            case .tls: "tls"
            case .proxy: "proxy"
            case .timeout(let phase): "timeout_\(phase.rawValue)"
            case .closed: "closed"
            case .malformed: "malformed"
            case .headTooLarge: "head_too_large"
            case .bodyTooLarge: "body_too_large"
            case .tooManyRedirects: "too_many_redirects"
            case .unrepeatable: "unrepeatable"
            case .upload: "upload"
            case .cancelled: "cancelled"
            case .abandoned: "abandoned"
            case .queueFull: "queue_full"
            case .poolClosed: "pool_closed"
            case .memory: "memory"
            }
        }
    }

    public let kind: Kind
    /// What was asked, without user, password, query and fragment, or as the request is labelled.
    public let url: String
    /// A sentence in English without a full stop.
    public let reason: String

    init(_ kind: Kind, url: String, reason: String) {
        self.kind = kind
        self.url = url
        self.reason = reason
    }

    public var description: String { url.isEmpty ? reason : "\(url): \(reason)" }
}
