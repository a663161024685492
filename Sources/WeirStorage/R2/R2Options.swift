/// Which bucket of which store, and how it is used.
public struct R2Options: Sendable, Equatable {
    /// `https://ACCOUNT.r2.cloudflarestorage.com`; any S3's is as good. Without a path.
    public var endpoint: String
    public var bucket: String
    /// R2's is `auto`.
    public var region = "auto"
    public var credentials: SigningCredentials
    /// Where everybody may read the bucket's objects, `https://media.example.com`; nil: nowhere.
    public var publicBaseURL: String?
    public var retry = RetryPolicy()
    /// Objects above this many bytes go in parts.
    public var multipartAbove: UInt64 = 64 << 20
    /// Bytes of a part, at least; 5 MiB and more.
    public var partSize: UInt64 = 16 << 20
    /// Parts of one object that are under way at once: 1 ... 32.
    public var parallelParts = 4

    public init(endpoint: String, bucket: String, credentials: SigningCredentials) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.credentials = credentials
    }

    /// R2's of an account.
    public static func endpoint(account: String) -> String { "https://\(account).r2.cloudflarestorage.com" }
}
