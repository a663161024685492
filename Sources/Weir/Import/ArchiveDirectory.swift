/// What an archive says is in it: the records at its end.
enum ArchiveDirectory {
    private static let endSize: UInt64 = 22
    /// A comment's most.
    private static let commentMax: UInt64 = 65_535

    static func read(_ descriptor: Int32, _ length: UInt64) throws -> [Archive.Entry] {
        guard length >= endSize else { throw Archive.Failure("not a ZIP archive") }
        let place = try place(descriptor, length)
        guard place.size <= UInt64(Archive.directoryMax), place.count <= UInt64(Archive.entriesMax) else {
            throw Archive.Failure(
                "its directory has \(place.count) files in \(place.size) bytes; expected at most "
                    + "\(Archive.entriesMax) in \(Archive.directoryMax)")
        }
        let records = try ArchiveBytes(descriptor, from: place.offset, count: place.size, of: length)
        var entries: [Archive.Entry] = []
        var offset = 0
        var packed: UInt64 = 0
        for _ in 0..<place.count {
            guard records.long(offset) == 0x0201_4b50, offset + 46 <= records.bytes.count else {
                throw Archive.Failure("its directory is damaged")
            }
            let (name, extra, comment) = (
                Int(records.short(offset + 28)), Int(records.short(offset + 30)), Int(records.short(offset + 32))
            )
            let end = offset + 46 + name + extra + comment
            guard end <= records.bytes.count else { throw Archive.Failure("its directory is damaged") }
            if let entry = try entry(records, offset, name: name, extra: extra) {
                packed = packed.addingReportingOverflow(entry.compressed).partialValue
                // Files that share their bytes are how a small archive becomes a large one.
                guard entry.compressed <= length, packed <= length else {
                    throw Archive.Failure("its files overlap: they say to be longer than the archive")
                }
                entries.append(entry)
            }
            offset = end
        }
        return entries
    }

    private struct Place {
        var count: UInt64
        var size: UInt64
        var offset: UInt64
    }

    private static func place(_ descriptor: Int32, _ length: UInt64) throws -> Place {
        let count = min(length, endSize + commentMax)
        let tail = try ArchiveBytes(descriptor, from: length - count, count: count, of: length)
        var end = tail.bytes.count - Int(endSize)
        // The comment may hold anything: the record is the last whose comment ends with the file.
        while end >= 0, tail.long(end) != 0x0605_4b50 || Int(tail.short(end + 20)) != tail.bytes.count - end - 22 {
            end -= 1
        }
        guard end >= 0 else { throw Archive.Failure("not a ZIP archive, or cut short") }
        var place = Place(
            count: UInt64(tail.short(end + 10)), size: UInt64(tail.long(end + 12)), offset: UInt64(tail.long(end + 16)))
        let isLarge = place.count == 0xFFFF || place.size == 0xFFFF_FFFF || place.offset == 0xFFFF_FFFF
        let locator = length - count + UInt64(end)
        guard isLarge, locator >= 20 else { return place }
        let found = try ArchiveBytes(descriptor, from: locator - 20, count: 20, of: length)
        guard found.long(0) == 0x0706_4b50 else { return place }
        let large = try ArchiveBytes(descriptor, from: found.wide(8), count: 56, of: length)
        guard large.long(0) == 0x0606_4b50 else { throw Archive.Failure("its Zip64 record is damaged") }
        place = Place(count: large.wide(32), size: large.wide(40), offset: large.wide(48))
        return place
    }

    /// Nil for a directory.
    private static func entry(
        _ records: ArchiveBytes, _ offset: Int, name count: Int, extra: Int
    ) throws -> Archive.Entry? {
        let start = offset + 46
        let name = String(decoding: records.bytes[start..<start + count], as: UTF8.self)
        if name.hasSuffix("/") { return nil }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let isInside =
            !name.isEmpty && !name.hasPrefix("/") && !name.utf8.contains(0) && !name.contains("\\")
            && !parts.contains("..")
        guard isInside else {
            throw Archive.Failure("\(quoted(name)) names a place outside of the archive")
        }
        guard records.short(offset + 8) & 1 == 0 else { throw Archive.Failure("\(quoted(name)) is encrypted") }
        var entry = Archive.Entry(
            name: name, method: records.short(offset + 10), crc32: records.long(offset + 16),
            compressed: UInt64(records.long(offset + 20)), size: UInt64(records.long(offset + 24)),
            offset: UInt64(records.long(offset + 42)))
        enlarge(&entry, records, start + count, extra)
        return entry
    }

    /// The Zip64 field has, in this order, those of the three that did not fit.
    private static func enlarge(_ entry: inout Archive.Entry, _ records: ArchiveBytes, _ start: Int, _ count: Int) {
        var field = start
        let end = start + count
        while field + 4 <= end {
            let size = Int(records.short(field + 2))
            guard field + 4 + size <= end else { return }
            if records.short(field) == 1 {
                var place = field + 4
                func take(_ value: inout UInt64) {
                    guard value == 0xFFFF_FFFF, place + 8 <= field + 4 + size else { return }
                    value = records.wide(place)
                    place += 8
                }
                take(&entry.size)
                take(&entry.compressed)
                take(&entry.offset)
                return
            }
            field += 4 + size
        }
    }
}
