import Glibc

extension Array where Element == UInt8 {
    /// Where a pattern begins, not empty; as memmem(3), which Swift does not see.
    func firstOffset(of pattern: [UInt8]) -> Int? {
        withUnsafeBytes { bytes in
            pattern.withUnsafeBytes { pattern in
                guard let start = bytes.baseAddress, let wanted = pattern.baseAddress else { return nil }
                let last = bytes.count - pattern.count
                var offset = 0
                while offset <= last {
                    guard let hit = memchr(start + offset, Int32(pattern[0]), last - offset + 1) else { return nil }
                    offset = start.distance(to: UnsafeRawPointer(hit))
                    if memcmp(start + offset, wanted, pattern.count) == 0 { return offset }
                    offset += 1
                }
                return nil
            }
        }
    }
}
