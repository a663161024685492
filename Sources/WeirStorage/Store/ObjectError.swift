public import WeirHTTP
public import WeirLoop

/// Why an object store did not do what it was asked.
public struct ObjectError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// The key, or another argument, cannot be.
        case key, argument
        /// There is no such object; no such bucket, or upload.
        case notFound, noBucket, noUpload
        /// The credentials are not known, or may not do this; the signature is wrong, which is mostly the secret.
        case denied, signature
        /// The store is in another region than the one that was signed for.
        case region
        /// A presigned URL whose time is over; or a clock that is far off.
        case expired
        /// The object has changed meanwhile.
        case changed
        /// No byte of the object is in the range.
        case range
        /// Larger than an object, or one request, may be.
        case tooLarge
        /// There were fewer bytes, or more, than was announced.
        case length
        /// What is stored is not what was stored.
        case damaged
        /// The store refused for another reason.
        case refused
        /// Too many requests, or a failure of the store's; tried again before.
        case unavailable
        /// No answer; tried again where that is safe.
        case connection(ClientError.Kind)
        /// What answered is no object store, or one that speaks otherwise.
        case malformed
        /// The system's, of files.
        case file(CoreError)
        case cancelled
    }

    public let kind: Kind
    /// What was being done: `put`, `get part 3`.
    public internal(set) var operation: String
    /// Whose object; empty for none.
    public internal(set) var key: String
    /// Of the response; nil when there was none.
    public let status: Int?
    /// The store's own word, such as `NoSuchKey`.
    public let code: String?
    /// A sentence, the store's own where it gave one.
    public let message: String
    /// By which the store's people find the request: `x-amz-request-id`, or R2's `cf-ray`.
    public let requestID: String?

    init(
        _ kind: Kind, operation: String = "", key: String = "", status: Int? = nil, code: String? = nil,
        requestID: String? = nil, _ message: String
    ) {
        self.kind = kind
        self.operation = operation
        self.key = key
        self.status = status
        self.code = code
        self.message = message
        self.requestID = requestID
    }

    /// What was asked for cannot be.
    public init(argument message: String) { self.init(.argument, message) }

    init(file error: CoreError, operation: String = "", key: String = "", _ what: String) {
        self.init(.file(error), operation: operation, key: key, "\(what): \(error)")
    }

    /// The same, of this operation and object.
    func during(_ operation: String, _ key: ObjectKey? = nil) -> ObjectError {
        var error = self
        if error.operation.isEmpty { error.operation = operation }
        if error.key.isEmpty, let key { error.key = key.text }
        return error
    }

    public var description: String {
        var text = [operation, key].filter { !$0.isEmpty }.joined(separator: " ")
        if !text.isEmpty { text += ": " }
        if let status { text += "\(status) " }
        if let code { text += "\(code): " }
        text += message
        if let requestID { text += " (request \(requestID))" }
        return text
    }
}
