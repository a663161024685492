internal import CWeirStorage
internal import WeirHTTP

/// How signatures are made: the memory and the keys that one leaves to the next.
struct SigningWork: ~Copyable {
    /// Replacing them makes the next signature look for its key.
    var credentials: SigningCredentials { didSet { current = nil } }
    private let region: String
    private let service: String
    private let rules: Signer.Rules
    private(set) var keys = SigningKeyCache()
    /// The key of the last signature, with these credentials.
    private var current: SigningKey?
    private(set) var canonical = CanonicalRequest()
    private(set) var message = SigningBuffer()
    /// The last date that was written.
    private var date = (seconds: Int64.min, text: "")
    /// Of which key and date the message's beginning is, and how long that is.
    private var begun: (key: SigningKey?, seconds: Int64, count: Int) = (nil, 0, 0)

    init(_ credentials: SigningCredentials, _ region: String, _ service: String, _ rules: Signer.Rules) {
        self.credentials = credentials
        self.region = region
        self.service = service
        self.rules = rules
    }

    // MARK: In the header

    mutating func sign(_ request: SigningRequest, _ date: SigningDate) -> Signer.Signature {
        let text = self.text(of: date)
        let payload = request.payload.text
        let token = credentials.sessionToken
        canonical.begin(request.method)
        canonical.add(path: request.path, encodesAgain: rules.encodesPathAgain, normalizes: rules.normalizesPath)
        if !request.query.isEmpty { canonical.add(query: request.query) }
        canonical.endQuery()
        canonical.add(field: "host", request.host)
        if rules.addsContentHash { canonical.add("x-amz-content-sha256") { $0.append(payload) } }
        canonical.add("x-amz-date") { $0.append(text) }
        if let token, rules.signsToken { canonical.add(field: "x-amz-security-token", token) }
        for field in request.fields.all where SigningWork.isSigned(field.name, token) {
            canonical.add(field: field.name, field.value)
        }
        canonical.end(payload: payload)
        let key = key(date)
        digest(key, text)
        let start = key.fieldStart
        let names = canonical.bytes[canonical.signedNames]
        let signature = self.signature
        let room = start.count + names.count + 12 + signature.count
        let authorization = String(unsafeUninitializedCapacity: room) { to in
            var at = to.baseAddress!
            SigningWork.write(start, &at)
            SigningWork.write(names, &at)
            SigningWork.write(", Signature=", &at)
            SigningWork.write(signature, &at)
            return at - to.baseAddress!
        }
        return Signer.Signature(
            authorization: authorization, date: text, contentHash: rules.addsContentHash ? payload : nil, token: token)
    }

    // MARK: In the URL

    mutating func presign(_ request: SigningRequest, _ expires: Int, _ date: SigningDate) -> String {
        let text = self.text(of: date)
        let key = key(date)
        let id = credentials.accessKeyID
        let token = credentials.sessionToken
        canonical.begin(request.method)
        canonical.add(path: request.path, encodesAgain: rules.encodesPathAgain, normalizes: rules.normalizesPath)
        canonical.add("X-Amz-Algorithm") { $0.append("AWS4-HMAC-SHA256") }
        canonical.add("X-Amz-Credential") { to in
            SigningBuffer.with(id) { to.append($0, .component) }
            to.append(key.encodedScope)
        }
        canonical.add("X-Amz-Date") { $0.append(text) }
        canonical.add("X-Amz-Expires") { $0.append(decimal: expires) }
        if let token, rules.signsToken {
            canonical.add("X-Amz-Security-Token") { to in SigningBuffer.with(token) { to.append($0, .component) } }
        }
        if request.fields.all.isEmpty {
            canonical.add("X-Amz-SignedHeaders") { $0.append("host") }
        } else {
            let signed = request.fields.all.map(\.name).filter { SigningWork.isSigned($0, token) }
            let names = CanonicalRequest.names(signed + ["host"])
            canonical.add("X-Amz-SignedHeaders") { $0.append(names) }
        }
        if !request.query.isEmpty { canonical.add(query: request.query) }
        canonical.endQuery()
        canonical.add(field: "host", request.host)
        for field in request.fields.all where SigningWork.isSigned(field.name, token) {
            canonical.add(field: field.name, field.value)
        }
        canonical.end(payload: request.payload.text)
        digest(key, text)
        var appended = ""
        if let token, !rules.signsToken { appended = "&X-Amz-Security-Token=" + SigningEncoding.component(token) }
        // Elsewhere than at S3 the path was encoded for the signature alone.
        return url(request.scheme, request.host, rules.encodesPathAgain ? request.path : nil, appended)
    }

    private func url(_ scheme: String, _ host: String, _ wire: String?, _ token: String) -> String {
        let path = canonical.bytes[canonical.path]
        let query = canonical.bytes[canonical.query]
        let signature = self.signature
        let room =
            scheme.utf8.count + 3 + host.utf8.count + max(path.count, wire?.utf8.count ?? 0) + 1 + query.count + 17
            + signature.count + token.utf8.count
        return String(unsafeUninitializedCapacity: room) { to in
            var at = to.baseAddress!
            SigningWork.write(scheme, &at)
            SigningWork.write("://", &at)
            SigningWork.write(host, &at)
            if let wire { SigningWork.write(wire, &at) } else { SigningWork.write(path, &at) }
            SigningWork.write("?", &at)
            SigningWork.write(query, &at)
            SigningWork.write("&X-Amz-Signature=", &at)
            SigningWork.write(signature, &at)
            SigningWork.write(token, &at)
            return at - to.baseAddress!
        }
    }

    // MARK: Parts

    /// In hexadecimal, behind the message that it is of.
    private var signature: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: message.base + message.count, count: 2 * Int(WEIR_SHA256_SIZE))
    }

    @inline(__always)
    private mutating func key(_ date: SigningDate) -> SigningKey {
        if let current, current.day == date.day, current.isYoung(at: date) { return current }
        let key = keys.key(credentials, date: date, region: region, service: service)
        current = key
        return key
    }

    /// Signs the canonical request.
    private mutating func digest(_ key: SigningKey, _ date: String) {
        let bytes = canonical.bytes.bytes
        if begun.key === key && begun.seconds == self.date.seconds {
            message.clear(from: begun.count)
        } else {
            message.clear()
            message.append("AWS4-HMAC-SHA256\n")
            message.append(date)
            message.append(UInt8(ascii: "\n"))
            message.append(key.scope)
            message.append(UInt8(ascii: "\n"))
            begun = (key, self.date.seconds, message.count)
        }
        // Room for the digest in hexadecimal, then for the signature, and for what these are made of.
        message.reserve(5 * Int(WEIR_SHA256_SIZE))
        let raw = message.base + message.count + 4 * Int(WEIR_SHA256_SIZE)
        weir_sha256(bytes.baseAddress, bytes.count, raw)
        SigningWork.hex(raw, message.base + message.count)
        message.take(2 * Int(WEIR_SHA256_SIZE))
        key.sign(message.bytes, raw)
        SigningWork.hex(raw, message.base + message.count)
    }

    @inline(__always)
    private static func hex(_ digest: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>) {
        weir_sha256_hex(digest, UnsafeMutableRawPointer(to).assumingMemoryBound(to: CChar.self))
    }

    /// Made once a second.
    private mutating func text(of date: SigningDate) -> String {
        if self.date.seconds != date.seconds { self.date = (date.seconds, date.text) }
        return self.date.text
    }

    @inline(__always)
    private static func write(_ text: StaticString, _ at: inout UnsafeMutablePointer<UInt8>) {
        at.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        at += text.utf8CodeUnitCount
    }

    @inline(__always)
    private static func write(_ text: String, _ at: inout UnsafeMutablePointer<UInt8>) {
        SigningBuffer.with(text) { write($0, &at) }
    }

    @inline(__always)
    private static func write(_ bytes: UnsafeBufferPointer<UInt8>, _ at: inout UnsafeMutablePointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        at.update(from: start, count: bytes.count)
        at += bytes.count
    }

    /// Not what is added, what the connection decides, and what proxies are known to change. A session token among the
    /// fields is the credentials' unless these have none.
    private static func isSigned(_ name: String, _ token: String?) -> Bool {
        SigningBuffer.with(name) { name in
            func isOne(_ other: StaticString) -> Bool {
                other.utf8CodeUnitCount == name.count
                    && (0..<name.count).allSatisfy { CanonicalRequest.lower(name[$0]) == other.utf8Start[$0] }
            }
            guard name.count >= 4, name.count <= 20 else { return true }
            if isOne("x-amz-security-token") { return token == nil }
            return !unsigned.contains { isOne($0) }
        }
    }

    private static let unsigned: [StaticString] = [
        "host", "x-amz-date", "x-amz-content-sha256", "authorization", "connection", "expect", "transfer-encoding",
        "user-agent", "x-amzn-trace-id",
    ]
}

extension SigningBuffer {
    mutating func append(decimal number: Int) {
        if number >= 10 { append(decimal: number / 10) }
        append(0x30 &+ UInt8(truncatingIfNeeded: number % 10))
    }
}
