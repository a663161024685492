internal import CWeirStorage

/// What a request is signed with: derived from the secret for one day, region and service, which are its scope.
///
/// One object, so that whoever uses it counts one reference.
final class SigningKey: Sendable {
    let accessKeyID: String
    let secret: String
    let region: String
    let service: String
    let day: Int64
    /// When it was derived, in seconds since 1970.
    let made: Int64
    /// What a signature's field begins with: `AWS4-HMAC-SHA256 Credential=ID/SCOPE, SignedHeaders=`. Here they lie as bytes,
    /// and the scope, `20150830/us-east-1/service/aws4_request`, within them.
    nonisolated(unsafe) private let text: UnsafeMutablePointer<UInt8>
    private let textCount: Int
    private let scopeRange: Range<Int>
    /// The same with a slash before it, in a query.
    let encodedScope: String
    private let mac: weir_hmac_key_t

    /// Four HMACs, and the pads of a fifth.
    init(_ credentials: SigningCredentials, date: SigningDate, region: String, service: String) {
        accessKeyID = credentials.accessKeyID
        secret = credentials.secretAccessKey
        self.region = region
        self.service = service
        day = date.day
        made = date.seconds
        let day = String(date.text.prefix(SigningDate.dayLength))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let start = "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/"
        let bytes = Array("\(start)\(scope), SignedHeaders=".utf8)
        text = .allocate(capacity: bytes.count)
        text.initialize(from: bytes, count: bytes.count)
        textCount = bytes.count
        scopeRange = start.utf8.count..<(start.utf8.count + scope.utf8.count)
        encodedScope = SigningEncoding.component("/" + scope)
        var digest = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for part in [day, region, service, "aws4_request"] {
            digest = SigningKey.mac(Array(part.utf8), key: digest)
        }
        var mac = weir_hmac_key_t()
        weir_hmac_key(&mac, digest, digest.count)
        self.mac = mac
    }

    deinit { text.deallocate() }

    /// As long as the key is.
    var fieldStart: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: text, count: textCount) }
    var scope: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: text + scopeRange.lowerBound, count: scopeRange.count)
    }

    private static func mac(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var prepared = weir_hmac_key_t()
        weir_hmac_key(&prepared, key, key.count)
        return [UInt8](unsafeUninitializedCapacity: Int(WEIR_SHA256_SIZE)) { digest, count in
            weir_hmac(&prepared, bytes, bytes.count, digest.baseAddress)
            count = Int(WEIR_SHA256_SIZE)
        }
    }

    @inline(__always)
    func sign(_ bytes: UnsafeBufferPointer<UInt8>, _ digest: UnsafeMutablePointer<UInt8>) {
        withUnsafePointer(to: mac) { weir_hmac($0, bytes.baseAddress, bytes.count, digest) }
    }

    /// Whether it is derived from these.
    @inline(__always)
    func isOf(_ credentials: SigningCredentials, _ day: Int64, _ region: String, _ service: String) -> Bool {
        self.day == day && secret == credentials.secretAccessKey && accessKeyID == credentials.accessKeyID
            && self.region == region && self.service == service
    }

    /// A clock that was set back makes it derived in the future; it still is of the day.
    @inline(__always)
    func isYoung(at date: SigningDate) -> Bool { date.seconds &- made < SigningKeyCache.age }
}

/// The keys that were derived last.
///
/// A key serves one UTC day, which is that of the request: one that was derived at 20:00 is wrong from midnight on, and
/// so the day is part of what it is found by, with the credentials, the region and the service. Whatever the day, it is
/// derived anew after 23 hours.
struct SigningKeyCache {
    /// Keys that are kept, at most; beyond them the one that was used longest ago goes.
    static let limit = 16
    /// Seconds after which a key is derived again.
    static let age: Int64 = 23 * 3600

    /// The one that was used last comes first.
    private var keys: [SigningKey] = []
    /// Keys derived so far.
    private(set) var derived: UInt64 = 0

    var count: Int { keys.count }

    init() { keys.reserveCapacity(SigningKeyCache.limit + 1) }

    /// - Complexity: O(`limit`), and four HMACs for a key that is not here.
    @inline(__always)
    mutating func key(
        _ credentials: SigningCredentials, date: SigningDate, region: String, service: String
    ) -> SigningKey {
        if let first = keys.first, first.isOf(credentials, date.day, region, service), first.isYoung(at: date) {
            return first
        }
        return look(credentials, date, region, service)
    }

    @inline(never)
    private mutating func look(
        _ credentials: SigningCredentials, _ date: SigningDate, _ region: String, _ service: String
    ) -> SigningKey {
        let known = keys.firstIndex { $0.isOf(credentials, date.day, region, service) }.map { keys.remove(at: $0) }
        let key: SigningKey
        if let known, known.isYoung(at: date) {
            key = known
        } else {
            key = SigningKey(credentials, date: date, region: region, service: service)
            derived += 1
            if keys.count == SigningKeyCache.limit { keys.removeLast() }
        }
        keys.insert(key, at: 0)
        return key
    }
}
