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
    /// Where the parts of a pipe lie while they are sent, `parallelParts` of them at most, in files without names. Made when
    /// it is needed.
    public var spool = "/var/tmp"
    /// Bytes of a part of a pipe whose length is not known; 5 MiB ... 5 GiB. Parts must be equal, and 10 000 of them are the
    /// most that can come from one: 625 GiB at the default.
    public var spooledPartSize: UInt64 = 64 << 20

    public init(endpoint: String, bucket: String, credentials: SigningCredentials) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.credentials = credentials
    }

    /// R2's of an account.
    public static func endpoint(account: String) -> String { "https://\(account).r2.cloudflarestorage.com" }
}
