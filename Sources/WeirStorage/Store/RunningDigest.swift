internal import CWeirStorage

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. A value: a copy goes on by itself.
public struct RunningDigest: Sendable {
    private var state = weir_sha256_t()

    public init() { weir_sha256_begin(&state) }

    /// - Complexity: O(bytes).
    public mutating func add(_ bytes: [UInt8]) { weir_sha256_add(&state, bytes, bytes.count) }

    /// Of all bytes so far, in 64 small hexadecimal digits.
    public var hex: String {
        var end = state
        let digest = [UInt8](unsafeUninitializedCapacity: Int(WEIR_SHA256_SIZE)) { digest, count in
            weir_sha256_end(&end, digest.baseAddress)
            count = Int(WEIR_SHA256_SIZE)
        }
        return SHA256.hex(digest)
    }
}
