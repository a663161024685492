internal import WeirHTTP
internal import WeirStorage

extension ConfigurationTable where Target == Configuration {
    /// The keys of `storage`.
    static let storageKeys: [ConfigurationKey<Configuration>] = {
        let standard = Configuration()
        func key<Value: Equatable>(
            _ path: String, _ type: ConfigurationType<Value>,
            _ field: any WritableKeyPath<Configuration, Value> & Sendable, default: String? = nil, _ about: String
        ) -> ConfigurationKey<Configuration> {
            ConfigurationKey(path, type, field, in: standard, default: `default`, about)
        }
        return [
            key(
                "storage.kind", .word(), \.storage.kind,
                "Where objects lie: in files below `DATA/objects`, or in a bucket of R2 or any S3"
            ),
            key(
                "storage.account", .optional(.text()), \.storage.account,
                "R2's account, which says where its endpoint is"),
            key("storage.bucket", .optional(.text()), \.storage.bucket, "The bucket"),
            key(
                "storage.access_key_id", .optional(.text()), \.storage.accessKeyID,
                "Who signs. Not given, the credentials are those of `WEIR_R2_ACCESS_KEY_ID` and"
                    + " `WEIR_R2_SECRET_ACCESS_KEY`, or of AWS's variables"),
            key(
                "storage.secret_access_key", .optional(.secret), \.storage.secretAccessKey, "The secret of this key"),
            key(
                "storage.secret_access_key_file", .optional(.path), \.storage.secretAccessKeyFile,
                "A file with the secret instead; space around it is left off"),
            key(
                "storage.endpoint", .optional(.url), \.storage.endpoint, default: "R2's of the account",
                "Where the store is, for an S3 that is not R2"),
            key("storage.region", .text(), \.storage.region, "The region that is signed for; R2's is `auto`"),
            key(
                "storage.public_base_url", .optional(.url), \.storage.publicBaseURL,
                "Where everybody may read the bucket's objects; without one they get presigned URLs"),
            key(
                "storage.connections", .integer(1...1000), \.storage.connections,
                "Most connections to the store at once"),
        ]
    }()
}

extension ConfigurationType where Value == String {
    /// Of a server: no user, no query.
    static var url: Self {
        text(noun: "URL", expected: "a URL such as https://HOST") { text in
            guard let request = SigningRequest(.get, url: text), request.query.isEmpty, !text.contains("#") else {
                return "\(quoted(text)) is not an http or https URL without user and query"
            }
            return nil
        }
    }
}

extension ConfigurationReader {
    /// What a bucket needs to be found.
    mutating func checkStorage(_ storage: StorageOptions) {
        guard storage.kind == .r2, isSound("storage.kind", "storage.bucket", "storage.account", "storage.endpoint")
        else {
            return
        }
        if storage.bucket == nil {
            report("given without storage.bucket; expected both", at: "storage.kind", origin(of: "storage.kind"))
        }
        if storage.account == nil && storage.endpoint == nil {
            report(
                "given without storage.account; expected that, or storage.endpoint", at: "storage.kind",
                origin(of: "storage.kind"))
        }
    }
}
