public import WeirHTTP

/// Signs requests with AWS Signature V4: in their header, or in their URL.
///
/// It keeps memory and keys from one signature to the next, and is used by one task or thread at a time. A signature with
/// a key that is kept allocates its result and nothing else.
public final class Signer {
    /// Seconds that a presigned URL may be valid for: a week at most.
    public static let expiryRange = 1...604_800

    /// What services differ in.
    public struct Rules: Sendable, Equatable {
        /// The path is encoded once more: everywhere but at S3.
        public var encodesPathAgain: Bool
        /// `//`, `/./` and `/../` are taken out of the path: everywhere but at S3, where keys may have them.
        public var normalizesPath: Bool
        /// `X-Amz-Content-Sha256` is sent and signed: S3 insists on it.
        public var addsContentHash: Bool
        /// The session token is signed; else it is appended afterwards, as few services want it.
        public var signsToken = true

        public init(encodesPathAgain: Bool, normalizesPath: Bool, addsContentHash: Bool) {
            self.encodesPathAgain = encodesPathAgain
            self.normalizesPath = normalizesPath
            self.addsContentHash = addsContentHash
        }

        /// S3's, and R2's.
        public static let s3 = Rules(encodesPathAgain: false, normalizesPath: false, addsContentHash: true)
        /// Everybody else's.
        public static let general = Rules(encodesPathAgain: true, normalizesPath: true, addsContentHash: false)
    }

    /// What a signed request is sent with, beside its own fields.
    public struct Signature: Sendable, Equatable {
        public let authorization: String
        /// `X-Amz-Date`.
        public let date: String
        /// `X-Amz-Content-Sha256`, where the service wants it.
        public let contentHash: String?
        /// `X-Amz-Security-Token`.
        public let token: String?

        /// Adds them.
        public func add(to fields: inout Fields) {
            fields.append("X-Amz-Date", date)
            if let contentHash { fields.append("X-Amz-Content-Sha256", contentHash) }
            if let token { fields.append("X-Amz-Security-Token", token) }
            fields.append("Authorization", authorization)
        }
    }

    /// Replacing them takes effect at once.
    public var credentials: SigningCredentials {
        get { work.credentials }
        set { work.credentials = newValue }
    }
    public let region: String
    public let service: String
    public let rules: Rules

    /// One value, so that it is asked for once in a signature.
    private var work: SigningWork

    /// The rules are those of the service: S3's for `s3`.
    public init(credentials: SigningCredentials, region: String, service: String = "s3", rules: Rules? = nil) {
        let rules = rules ?? (service == "s3" ? .s3 : .general)
        self.region = region
        self.service = service
        self.rules = rules
        work = SigningWork(credentials, region, service, rules)
    }

    /// Keys that were derived so far, and those that are kept.
    public var derivedKeys: UInt64 { work.keys.derived }
    public var keptKeys: Int { work.keys.count }

    /// Of the last signature: what it was made of.
    public var canonicalRequest: String { work.canonical.bytes.text }
    public var stringToSign: String { work.message.text }

    // MARK: In the header

    /// Signs all the fields of a request, but those that proxies and clients change.
    /// - Complexity: O(bytes of the head), and O(n log n) of its fields and parameters.
    public func sign(_ request: SigningRequest, at date: SigningDate) -> Signature {
        work.sign(request, date)
    }

    // MARK: In the URL

    /// A URL that is valid for `expires` seconds from `date` on, brought into `expiryRange`. Whoever uses it sends the
    /// request's fields with it, too.
    public func presign(_ request: SigningRequest, expires: Int, at date: SigningDate) -> String {
        let expires = min(max(expires, Signer.expiryRange.lowerBound), Signer.expiryRange.upperBound)
        return work.presign(request, expires, date)
    }
}
