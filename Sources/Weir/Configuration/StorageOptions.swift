internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `storage`: where objects lie.
public struct StorageOptions: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// A directory, `DATA/objects`.
        case local
        /// Cloudflare R2, or any S3.
        case r2
    }

    public var kind: Kind = .local
    /// R2's; says where its endpoint is.
    public var account: String?
    public var bucket: String?
    public var accessKeyID: String?
    /// From `secret_access_key` or its file.
    public var secretAccessKey: Secret?
    public var secretAccessKeyFile: String?
    /// Of an S3 that is not R2.
    public var endpoint: String?
    public var region = "auto"
    public var publicBaseURL: String?
    /// Most connections to the store at once.
    public var connections = 50

    public init() {}

    /// Of a bucket, with the credentials of the environment where none are configured.
    func r2(environment: [String: String]) throws(ObjectError) -> R2Options {
        guard let bucket else { throw ObjectError(argument: "storage.bucket is missing") }
        guard let endpoint = endpoint ?? account.map({ R2Options.endpoint(account: $0) }) else {
            throw ObjectError(argument: "storage.account is missing, or storage.endpoint")
        }
        var credentials = SigningCredentials(environment: environment)
        if let accessKeyID, let secretAccessKey {
            credentials = SigningCredentials(accessKeyID: accessKeyID, secretAccessKey: secretAccessKey.text)
        }
        guard let credentials else {
            throw ObjectError(
                argument: "there are no credentials; expected storage.access_key_id and storage.secret_access_key, or"
                    + " WEIR_R2_ACCESS_KEY_ID and WEIR_R2_SECRET_ACCESS_KEY in the environment")
        }
        var options = R2Options(endpoint: endpoint, bucket: bucket, credentials: credentials)
        options.region = region
        options.publicBaseURL = publicBaseURL
        return options
    }
}

extension Configuration {
    /// The store that is configured; on the loop. A bucket's has its pool among `pools`.
    @LoopActor
    func openStore(
        environment: [String: String], pools: ClientPools = ClientPools()
    ) throws(ObjectError) -> any ObjectStore {
        switch storage.kind {
        case .local: return try LocalStore(directory: inData("objects"))
        case .r2:
            var pool = ClientPoolOptions.objectStore
            pool.connections = storage.connections
            var options = try storage.r2(environment: environment)
            options.spool = cacheDirectory
            return try R2Store(options, pools: pools, pool: pool)
        }
    }
}
