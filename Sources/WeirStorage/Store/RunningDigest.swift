internal import CWeirStorage

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. A value: a copy goes on by itself.
public struct RunningDigest: Sendable {
    private var state = weir_sha256_t()

    public init() { weir_sha256_begin(&state) }

    /// - Complexity: O(bytes).
    public mutating func add(_ bytes: [UInt8]) { weir_sha256_add(&state, bytes, bytes.count) }

    /// Copies bytes from one file to another, from `place` on, and adds them. It waits for the disk.
    /// - Returns: 0, or a libuv error: end of file when there is less.
    mutating func copy(
        from file: Int32, offset: UInt64, length: UInt64, to descriptor: Int32, at place: UInt64
    ) -> Int32 {
        weir_file_copy(file, offset, length, descriptor, place, &state)
    }

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
