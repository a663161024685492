/// What is known of a page's bytes: learnt when they are first read, and kept as long as the object has the same ETag.
public struct PageFacts: Sendable, Hashable {
    /// Bytes of the object.
    public var length: UInt64
    /// CRC-32 (ISO 3309) of the object's bytes.
    public var crc32: UInt32
    /// The object's when this was learnt.
    public var etag: String
    /// What its bytes say of the picture; nil when it is no picture that is known, or a damaged one.
    public var image: ImageFacts?

    public init(length: UInt64, crc32: UInt32, etag: String, image: ImageFacts? = nil) {
        self.length = length
        self.crc32 = crc32
        self.etag = etag
        self.image = image
    }
}
