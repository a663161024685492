/// The configuration's `downloads`.
public struct DownloadOptions: Sendable, Equatable {
    /// How cached files are checked before they are sent. Their length always is.
    public enum Verification: String, Sendable, Hashable, CaseIterable {
        /// By their length alone.
        case length
        /// Now and then by their CRC too, while they are sent.
        case sample
        /// By their CRC, before they are sent.
        case always
    }

    public enum Strategy: String, Sendable, Hashable, CaseIterable {
        /// Whatever can be sent while it is made is.
        case hybrid
        /// What is below the threshold is made in memory first.
        case classic
    }

    public enum Threshold: Sendable, Hashable {
        /// MiB, at least 1.
        case fixed(Int)
        /// By the memory that the process may use.
        case automatic
    }

    /// Where artefacts lie: a directory that is this node's alone.
    public var directory: String
    public var strategy = Strategy.hybrid
    public var threshold = Threshold.fixed(100)
    /// Bytes on disk that artefacts may take.
    public var budget: UInt64 = 10 << 30
    /// Bytes of memory for artefacts that are made in it, and for pages whose facts are learnt.
    public var memory: UInt64 = 256 << 20
    /// Bytes a second for each client; 0: as fast as it takes them.
    public var rate: UInt64 = 0
    /// MiB above which `rate` holds.
    public var rateAbove: UInt64 = 0
    public var verification = Verification.sample

    public init(directory: String) {
        self.directory = directory
    }
}
