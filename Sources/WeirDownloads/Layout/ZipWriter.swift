/// Writes the records of a ZIP archive (PKWARE's APPNOTE 6.3.10) around entries that are stored as they are. Every local header
/// has the true CRC and size: some readers refuse stored entries that are described behind their data.
struct ZipWriter: Sendable {
    /// 1 January 1980, 0:00: archives of the same pages are equal whenever they were made.
    private static let date: UInt16 = 1 << 5 | 1
    /// Names are UTF-8.
    private static let flags: UInt16 = 1 << 11
    /// What 32 bits are full at, and 16: from there on a field of Zip64 speaks.
    static let fullLength: UInt64 = 0xFFFF_FFFF
    static let fullCount = 0xFFFF
    /// Of a record of an entry, without name and extra fields.
    private static let localHeader: UInt64 = 30
    /// A Zip64 field with two lengths.
    private static let lengthsField: UInt64 = 20

    /// Where the archive begins in the artefact.
    private let begin: UInt64
    private var directory: [UInt8] = []
    private var entries = 0

    init(at begin: UInt64) { self.begin = begin }

    /// Bytes in front of the data of an entry.
    static func headerLength(name: String, length: UInt64) -> UInt64 {
        localHeader + UInt64(name.utf8.count) + (length >= fullLength ? lengthsField : 0)
    }

    /// An entry whose data comes next.
    mutating func add(_ name: String, length: UInt64, crc32: UInt32, to parts: inout LayoutParts) {
        let header = parts.length
        var extra: [UInt8] = []
        if length >= Self.fullLength { extra = Self.lengths(length) }
        parts.append(Self.header(name, length: length, crc32: crc32, extra: extra))
        list(name, length: length, crc32: crc32, header: header - begin)
    }

    mutating func add(_ name: String, text: [UInt8], to parts: inout LayoutParts) {
        var content = LayoutParts()
        content.startCRC()
        content.append(text)
        add(name, length: UInt64(text.count), crc32: content.crc ?? 0, to: &parts)
        parts.append(text)
    }

    /// Leaves room for the header of an entry whose length and CRC come later, by `close`. The room is of one size whatever
    /// they will be: a field that says it is there to be filled (0xA220 of the APPNOTE) has Zip64's place.
    func open(_ name: String, in parts: inout LayoutParts) {
        parts.append(Self.header(name, length: 0, crc32: 0, extra: Self.room))
    }

    /// The entry's data is complete. Returns where its header is.
    mutating func close(
        _ name: String, at header: UInt64, length: UInt64, crc32: UInt32, in parts: inout LayoutParts
    ) -> Range<UInt64> {
        let extra = length >= Self.fullLength ? Self.lengths(length) : Self.room
        let bytes = Self.header(name, length: length, crc32: crc32, extra: extra)
        parts.replace(at: header, with: bytes)
        list(name, length: length, crc32: crc32, header: header - begin)
        return header..<header + UInt64(bytes.count)
    }

    /// The list of all entries, with which an archive ends.
    func finish(_ parts: inout LayoutParts) {
        let start = parts.length - begin
        parts.append(directory)
        let size = UInt64(directory.count)
        var end: [UInt8] = []
        if entries >= Self.fullCount || start >= Self.fullLength || size >= Self.fullLength {
            end.put(0x0606_4B50 as UInt32)
            end.put(44 as UInt64)
            end.put(Self.madeBy(version: 45))
            end.put(45 as UInt16)
            end.put(0 as UInt32)
            end.put(0 as UInt32)
            end.put(UInt64(entries))
            end.put(UInt64(entries))
            end.put(size)
            end.put(start)
            // Where that record is.
            end.put(0x0706_4B50 as UInt32)
            end.put(0 as UInt32)
            end.put(start + size)
            end.put(1 as UInt32)
        }
        end.put(0x0605_4B50 as UInt32)
        end.put(0 as UInt16)
        end.put(0 as UInt16)
        end.put(UInt16(min(entries, Self.fullCount)))
        end.put(UInt16(min(entries, Self.fullCount)))
        end.put(UInt32(min(size, Self.fullLength)))
        end.put(UInt32(min(start, Self.fullLength)))
        end.put(0 as UInt16)
        parts.append(end)
    }

    /// The entry's line in the list at the end.
    private mutating func list(_ name: String, length: UInt64, crc32: UInt32, header: UInt64) {
        var fields: [UInt8] = []
        if length >= Self.fullLength {
            fields.put(length)
            fields.put(length)
        }
        if header >= Self.fullLength { fields.put(header) }
        let version: UInt16 = fields.isEmpty ? 20 : 45
        directory.put(0x0201_4B50 as UInt32)
        directory.put(Self.madeBy(version: version))
        Self.common(
            name, version: version, length: length, crc32: crc32,
            extra: fields.isEmpty ? 0 : 4 + fields.count, into: &directory)
        directory.put(0 as UInt16)
        directory.put(0 as UInt16)
        directory.put(0 as UInt16)
        // A plain file that its owner may write and all may read.
        directory.put(0o100644 << 16 as UInt32)
        directory.put(UInt32(min(header, Self.fullLength)))
        directory += name.utf8
        if !fields.isEmpty {
            directory.put(1 as UInt16)
            directory.put(UInt16(fields.count))
            directory += fields
        }
        entries += 1
    }

    private static func header(_ name: String, length: UInt64, crc32: UInt32, extra: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(localHeader) + name.utf8.count + extra.count)
        bytes.put(0x0403_4B50 as UInt32)
        let version: UInt16 = length >= fullLength ? 45 : 20
        common(name, version: version, length: length, crc32: crc32, extra: extra.count, into: &bytes)
        bytes += name.utf8
        bytes += extra
        return bytes
    }

    /// What a local header and a line of the list have in common, from the version on.
    private static func common(
        _ name: String, version: UInt16, length: UInt64, crc32: UInt32, extra: Int, into bytes: inout [UInt8]
    ) {
        bytes.put(version)
        bytes.put(flags)
        bytes.put(0 as UInt16)
        bytes.put(0 as UInt16)
        bytes.put(date)
        bytes.put(crc32)
        bytes.put(UInt32(min(length, fullLength)))
        bytes.put(UInt32(min(length, fullLength)))
        bytes.put(UInt16(name.utf8.count))
        bytes.put(UInt16(extra))
    }

    /// Both lengths of an entry, which are the same.
    private static func lengths(_ length: UInt64) -> [UInt8] {
        var field: [UInt8] = []
        field.put(1 as UInt16)
        field.put(16 as UInt16)
        field.put(length)
        field.put(length)
        return field
    }

    /// As long as `lengths`, and without meaning.
    private static let room: [UInt8] = {
        var field: [UInt8] = []
        field.put(0xA220 as UInt16)
        field.put(16 as UInt16)
        field.put(0xA028 as UInt16)
        field.put(12 as UInt16)
        return field + [UInt8](repeating: 0, count: 12)
    }()

    /// On Unix, so that permissions are understood.
    private static func madeBy(version: UInt16) -> UInt16 { 3 << 8 | version }
}

extension [UInt8] {
    /// The lowest byte first.
    fileprivate mutating func put(_ number: some FixedWidthInteger) {
        for byte in 0..<number.bitWidth / 8 { append(UInt8(truncatingIfNeeded: number >> (8 * byte))) }
    }
}
