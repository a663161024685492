internal import WeirHTTP

/// What a store has answered: its status, fields, and XML.
struct R2Answer: Sendable {
    let status: Int
    let fields: Fields
    let body: [UInt8]

    /// Bytes of an answer's XML, at most: a list of 1000 keys of 1024 bytes, each written as `%XX`, fits.
    static let limit = 8 << 20
    /// Bytes of an error, at most.
    static let errorLimit = 64 << 10

    var requestID: String? { fields["x-amz-request-id"] ?? fields["cf-ray"] }

    /// The texts of the elements directly below the root, by name; and the root's name. Nil when it is no XML.
    var elements: (root: String, texts: [String: String])? {
        var reader = XMLReader(body)
        var depth = 0
        var root = ""
        var texts: [String: String] = [:]
        do throws(XMLReader.Failure) {
            while let event = try reader.next() {
                switch event {
                case .open(let name):
                    if depth == 0 { root = name }
                    depth += 1
                case .close(let name, let text):
                    depth -= 1
                    if depth == 1 { texts[name] = text }
                }
            }
        } catch {
            return nil
        }
        return (root, texts)
    }

    // MARK: Errors

    /// What an answer of 300 or above says, or one of 200 whose XML is an error.
    func error(region: String) -> ObjectError {
        let elements = elements.flatMap { $0.root == "Error" ? $0.texts : nil }
        let code = elements?["Code"].map { R2Answer.printable($0, 64) }
        var message = elements?["Message"].map { R2Answer.printable($0, 1024) } ?? ""
        if message.isEmpty { message = R2Answer.words(status) }
        var kind = R2Answer.kind(status, code, message)
        let wanted = elements?["Region"] ?? fields["x-amz-bucket-region"]
        if (300..<400).contains(status) && wanted != nil && wanted != region { kind = .region }
        if kind == .region || elements?["Region"] != nil {
            message += "; it was signed for region \(region)"
            if let wanted { message += ", expected \(R2Answer.printable(wanted, 64))" }
        }
        if (300..<400).contains(status), let place = elements?["Endpoint"] ?? fields["Location"] {
            message += "; it says \(R2Answer.printable(place, 256))"
        }
        return ObjectError(
            kind, status: status, code: code,
            requestID: (elements?["RequestId"] ?? requestID).map { R2Answer.printable($0, 128) }, message)
    }

    private static func kind(_ status: Int, _ code: String?, _ message: String) -> ObjectError.Kind {
        switch code {
        case "NoSuchKey": return .notFound
        case "NoSuchBucket": return .noBucket
        case "NoSuchUpload": return .noUpload
        case "SignatureDoesNotMatch": return .signature
        case "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect",
            "AuthorizationQueryParametersError":
            return message.lowercased().contains("region") || code == "PermanentRedirect" ? .region : .refused
        case "ExpiredRequest", "RequestTimeTooSkewed", "RequestExpired": return .expired
        case "AccessDenied" where message.lowercased().contains("expired"): return .expired
        case "PreconditionFailed": return .changed
        case "InternalError", "ServiceUnavailable", "SlowDown": return .unavailable
        case "InvalidRange": return .range
        case "EntityTooLarge": return .tooLarge
        case "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch": return .length
        default: break
        }
        switch status {
        case 401, 403: return .denied
        case 404: return .notFound
        case 412: return .changed
        case 416: return .range
        case _ where RetryPolicy.isTransient(status: status): return .unavailable
        default: return .refused
        }
    }

    /// For an answer without words, such as that to HEAD.
    private static func words(_ status: Int) -> String {
        switch status {
        case 300..<400: "the store is somewhere else"
        case 401: "the store does not know the credentials"
        case 403: "access is denied: the credentials, or the signature, are wrong"
        case 404: "there is no such object, or bucket"
        case 412: "the object has changed"
        case 416: "the object ends before the range"
        case 429: "too many requests"
        default: "the store refused"
        }
    }

    /// What a terminal does not obey of it.
    static func printable(_ text: String, _ limit: Int) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.prefix(limit).filter { $0.value >= 0x20 && $0.value != 0x7F }))
    }

    /// Seconds of `Retry-After`; a date is not waited for.
    var retryAfter: Double? { fields["Retry-After"].flatMap { UInt32($0) }.map { Double($0) } }

    // MARK: Objects

    /// Without quotes.
    static func etag(_ text: String?) -> String {
        var text = text.map { Substring($0) } ?? ""
        if text.hasPrefix("W/") { text = text.dropFirst(2) }
        if text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        return String(text)
    }

    /// A length that a file can have; a store may say what it likes.
    private static func length(_ text: some StringProtocol) -> UInt64? {
        UInt64(text).flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
    }

    /// What the fields of an answer to HEAD or GET say of an object, and which bytes of it come; nil without a length, and
    /// when they are not those that were asked for.
    static func info(
        _ key: ObjectKey, _ fields: Fields, status: Int = 200, asked: ObjectRange? = nil
    ) -> (info: ObjectInfo, range: Range<UInt64>)? {
        let length = fields["Content-Length"].flatMap { R2Answer.length($0) }
        var info = ObjectInfo(
            key: key, length: length ?? 0, etag: etag(fields["ETag"]), type: fields["Content-Type"],
            modified: fields["Last-Modified"].flatMap { R2Date.http($0) })
        guard status == 206 else {
            // Whoever does not know ranges sends all.
            guard let length, asked == nil || asked?.resolve(length) == 0..<length else { return nil }
            return (info, 0..<length)
        }
        guard let text = fields["Content-Range"] else { return nil }
        // RFC 9110 §14.4: `bytes 0-9/100`.
        let words = text.split { $0 == " " || $0 == "-" || $0 == "/" }
        guard words.count == 4, words[0] == "bytes", let first = UInt64(words[1]), let last = UInt64(words[2]),
            let whole = R2Answer.length(words[3]), first <= last, last < whole, length == last - first + 1,
            asked?.resolve(whole) == first..<(last + 1)
        else { return nil }
        info.length = whole
        return (info, first..<(last + 1))
    }
}

/// Dates as stores write them, in seconds since 1970.
enum R2Date {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Fri, 24 May 2013 00:00:00 GMT`
    static func http(_ text: String) -> Int64? {
        let words = text.split(separator: " ")
        guard words.count == 6, let month = months.firstIndex(of: String(words[2])) else { return nil }
        let time = words[4].split(separator: ":")
        guard time.count == 3, words[1].utf8.count == 2, words[3].utf8.count == 4 else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return SigningDate("\(words[3])\(number)\(words[1])T\(time.joined())Z")?.seconds
    }

    /// `2013-05-24T00:00:00.000Z`
    static func iso(_ text: String) -> Int64? {
        let whole = text.prefix(19).filter { $0 != "-" && $0 != ":" }
        return SigningDate("\(whole)Z")?.seconds
    }
}
