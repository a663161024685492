/// What is known of a page's bytes: learnt when they are first read, and kept as long as the object has the same ETag.
public struct PageFacts: Sendable, Hashable {
    /// Bytes of the object.
    public var length: UInt64
    /// CRC-32 (ISO 3309) of the object's bytes.
    public var crc32: UInt32
    /// The object's when this was learnt.
    public var etag: String
    /// What its head says of the picture; nil when it is no picture that is known.
    public var image: ImageFacts?

    public init(length: UInt64, crc32: UInt32, etag: String, image: ImageFacts? = nil) {
        self.length = length
        self.crc32 = crc32
        self.etag = etag
        self.image = image
    }
}

/// What a picture's head says of it.
public struct ImageFacts: Sendable, Hashable {
    public enum Format: String, Sendable, Hashable, CaseIterable {
        case jpeg, png, webp, gif, avif
    }

    public var format: Format
    /// Pixels, as stored: before `orientation` is applied.
    public var width: UInt32
    public var height: UInt32

    public init(format: Format, width: UInt32, height: UInt32) {
        self.format = format
        self.width = width
        self.height = height
    }
}
