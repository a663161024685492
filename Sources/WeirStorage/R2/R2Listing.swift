internal import WeirHTTP

// What a bucket holds, from the store's XML.
extension R2Store {
    public func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList {
        let limit = min(max(1, limit), ObjectList.limit)
        var query = [("list-type", "2"), ("max-keys", "\(limit)"), ("encoding-type", "url")]
        if !prefix.isEmpty { query.append(("prefix", prefix)) }
        if let after { query.append(("start-after", after)) }
        let answer = try await ask(Call(.get, nil, query), operation: "list")
        let list = try R2Listing.objects(answer.body)
        // Whoever asks for one page after the other comes to an end.
        if let after, let next = list.next, !after.utf8.lexicographicallyPrecedes(next.utf8) {
            throw ObjectError(
                .malformed, operation: "list", "the store's list goes back to \(R2Answer.printable(next, 64))")
        }
        return list
    }
}

enum R2Listing {
    static func objects(_ body: [UInt8]) throws(ObjectError) -> ObjectList {
        var list = ObjectList(objects: [], next: nil)
        var isCut = false
        var isEncoded = false
        try rows(body, root: "ListBucketResult", of: "Contents") { row, texts throws(ObjectError) in
            guard row else {
                isCut = texts["IsTruncated"] == "true"
                isEncoded = texts["EncodingType"] == "url"
                return
            }
            guard let key = texts["Key"], let length = texts["Size"].flatMap({ UInt64($0) }) else {
                throw malformed("an object without a key or a size")
            }
            list.objects.append(
                ObjectInfo(
                    key: ObjectKey(known: key), length: length, etag: R2Answer.etag(texts["ETag"]), type: nil,
                    modified: texts["LastModified"].flatMap { R2Date.iso($0) }))
        }
        if isEncoded {
            for index in list.objects.indices {
                list.objects[index].key = ObjectKey(known: try decoded(list.objects[index].key.text))
            }
        }
        for object in list.objects {
            do throws(ObjectError) { _ = try ObjectKey(object.key.text) } catch { throw malformed(error.message) }
        }
        if isCut {
            guard let last = list.objects.last else { throw malformed("a page with nothing in it is not the last") }
            list.next = last.key.text
        }
        return list
    }

    static func uploads(_ body: [UInt8]) throws(ObjectError) -> [R2Store.Upload] {
        var uploads: [(String, String)] = []
        var isEncoded = false
        try rows(body, root: "ListMultipartUploadsResult", of: "Upload") { row, texts throws(ObjectError) in
            guard row else {
                isEncoded = texts["EncodingType"] == "url"
                return
            }
            guard let key = texts["Key"], let id = texts["UploadId"] else { throw malformed("an upload without a key") }
            uploads.append((key, id))
        }
        var result: [R2Store.Upload] = []
        for (key, id) in uploads {
            result.append(R2Store.Upload(key: ObjectKey(known: isEncoded ? try decoded(key) : key), id: id))
        }
        return result
    }

    /// Tells the texts of each element of that name below the root, and at last, with `false`, those of the root.
    private static func rows(
        _ body: [UInt8], root: String, of name: String,
        _ row: (Bool, [String: String]) throws(ObjectError) -> Void
    ) throws(ObjectError) {
        var reader = XMLReader(body)
        var path: [String] = []
        var texts: [String: String] = [:]
        var outer: [String: String] = [:]
        do throws(XMLReader.Failure) {
            while let event = try reader.next() {
                switch event {
                case .open(let name):
                    path.append(name)
                    guard path[0] == root else {
                        throw XMLReader.Failure(reason: "<\(path[0])> instead of <\(root)>", offset: 0)
                    }
                case .close(let closed, let text):
                    path.removeLast()
                    switch path.count {
                    case 1 where closed == name:
                        do throws(ObjectError) {
                            try row(true, texts)
                        } catch {
                            throw XMLReader.Failure(reason: error.message, offset: 0)
                        }
                        texts = [:]
                    case 1: outer[closed] = text
                    case 2 where path[1] == name: texts[closed] = text
                    default: break
                    }
                }
            }
        } catch {
            throw malformed(error.reason)
        }
        try row(false, outer)
    }

    private static func malformed(_ reason: String) -> ObjectError {
        ObjectError(.malformed, "the store's list cannot be read: \(reason)")
    }

    /// `%XX`, and a `+` for a space.
    private static func decoded(_ text: String) throws(ObjectError) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "+") {
                result.append(0x20)
            } else if byte != UInt8(ascii: "%") {
                result.append(byte)
            } else {
                guard at + 1 < bytes.count, let high = SigningEncoding.nibble(bytes[at]),
                    let low = SigningEncoding.nibble(bytes[at + 1])
                else { throw malformed("a key that is not encoded as it says") }
                result.append(high << 4 | low)
                at += 2
            }
        }
        guard let decoded = String(validating: result, as: UTF8.self) else { throw malformed("a key is not UTF-8") }
        return decoded
    }
}
