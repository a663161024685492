/// How an object is cut into the parts of a multipart upload: equal ones, but for the last, as R2 insists.
public struct MultipartPlan: Sendable, Equatable {
    /// The least that a part may have, but for the last: 5 MiB.
    public static let leastPart: UInt64 = 5 << 20
    /// The most that a part, and an object that is put in one request, may have: 5 GiB. R2 says 4.995; the parts here stay
    /// far below.
    public static let mostPart: UInt64 = 5 << 30
    public static let mostParts = 10_000
    /// The most that an object may have: 5 TiB.
    public static let mostObject: UInt64 = 5 << 40

    public let length: UInt64
    public let partSize: UInt64
    public let count: Int

    /// Parts of `partSize`, or of as many whole MiB more as it takes for 10 000 to be enough. Nil when the object is larger
    /// than one may be, or empty.
    public init?(length: UInt64, partSize: UInt64) {
        guard length > 0, length <= MultipartPlan.mostObject else { return nil }
        let mebibyte: UInt64 = 1 << 20
        let parts = UInt64(MultipartPlan.mostParts)
        let needed = (length + parts - 1) / parts
        let rounded = (needed + mebibyte - 1) / mebibyte * mebibyte
        self.length = length
        self.partSize = min(max(partSize, rounded, MultipartPlan.leastPart), MultipartPlan.mostPart)
        count = Int((length + self.partSize - 1) / self.partSize)
    }

    /// Of part 1, 2, ...
    func range(_ number: Int) -> Range<UInt64> {
        let start = UInt64(number - 1) * partSize
        return start..<min(length, start + partSize)
    }
}
