import WeirHTTP
import WeirLoop

/// What the head of an origin's answer says of the stream, held against what the station carries. Pure.
public struct OriginAnswer: Sendable, Equatable {
    /// Where redirects have led, without user, password and query.
    public var location: String
    /// The media type without parameters, in small letters; nil when none was given.
    public var type: String?
    /// `icy-name`, `Server`.
    public var name: String?
    public var server: String?
    /// Nanoseconds since 1970.
    public var since: Int64
    /// Whom the stream has come through: the hops of `Via` (RFC 9110 §7.6.3), the origin's own first.
    var via: [String]

    /// What has to be undone in the body.
    var coding = Source.Coding()
    /// Whether a WAV header may stand before it.
    var mayBeWAV = true

    /// Throws a sentence about what the station cannot play.
    init(status: Int, fields: Fields, location: String, for format: StationOptions.Format) throws(Problem) {
        func cut(_ text: String?) -> String? {
            let text = text.map { String($0.filter { !$0.isControl }.prefix(HTTPOrigin.textLimit)) }
            return text?.contains { $0 != " " } == true ? text : nil
        }
        self.location = HTTPOrigin.redacted(location)
        name = cut(fields["icy-name"])
        server = cut(fields["Server"])
        since = WallClock.now
        let hops = fields.values("Via").flatMap { $0.split(separator: ",") }
        via = hops.compactMap { hop in cut(String(hop.drop { $0 == " " })) }
        guard status == 200 else {
            throw Problem(
                "it answered \(status); expected 200", retryAfter: OriginAnswer.seconds(fields["Retry-After"]))
        }
        if let coding = fields["Content-Encoding"], coding.lowercased() != "identity" {
            throw Problem("it answered with Content-Encoding \(quote(coding)), which was not asked for")
        }
        guard via.count <= HTTPOrigin.hopLimit else {
            throw Problem("it has come through \(via.count) servers; expected at most \(HTTPOrigin.hopLimit)")
        }
        let media = MediaType(fields["Content-Type"] ?? "")
        type = cut(media.name)
        coding.titleInterval = try OriginAnswer.titleInterval(fields["icy-metaint"])
        if OriginAnswer.playlists.contains(media.name) {
            throw Problem("it answered with a playlist (\(media.name)); expected the URL of the stream that is in it")
        }
        switch format {
        case .raw: mayBeWAV = false
        case .ts:
            mayBeWAV = false
            try OriginAnswer.check(media, among: OriginAnswer.transport, of: format)
        case .pcm(let pcm):
            try check(media, pcm)
        }
    }

    /// What may be handed on to listeners as the type of a raw stream: sound and pictures, nothing that a browser runs.
    var playableType: String? {
        guard let type, type.utf8.count <= HTTPOrigin.textLimit else { return nil }
        let isPlayable = type.hasPrefix("audio/") || type.hasPrefix("video/") || type == "application/ogg"
        return isPlayable && type.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789/.+-_".utf8.contains($0) }
            ? type : nil
    }

    // MARK: Types

    private static let playlists: Set<String> = [
        "audio/mpegurl", "audio/x-mpegurl", "application/x-mpegurl", "application/vnd.apple.mpegurl", "audio/x-scpls",
        "application/pls+xml", "application/xspf+xml",
    ]
    /// Not one of these says something against the stream.
    private static let unspecific: Set<String> = ["", "application/octet-stream", "binary/octet-stream"]
    private static let wav: Set<String> = ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"]
    /// Servers call transport streams by many names.
    private static let transport: Set<String> = [
        "video/mp2t", "video/mpegts", "video/x-mpegts", "video/mpeg", "video/m2ts", "video/vnd.dlna.mpeg-tts",
        "audio/mp2t", "application/mp2t", "application/x-mpegts",
    ]

    private static func check(
        _ media: MediaType, among types: Set<String>, of format: StationOptions.Format
    ) throws(Problem) {
        if types.contains(media.name) || unspecific.contains(media.name) { return }
        let expected = types.sorted().prefix(3).joined(separator: ", ")
        throw Problem(
            "it answered with \(quote(media.name)), and the station is \(format.name); expected \(expected), or none")
    }

    private mutating func check(_ media: MediaType, _ pcm: PCMFormat) throws(Problem) {
        switch media.name {
        case "audio/l16", "audio/l24":
            // RFC 2586, RFC 3190: samples in network byte order; one channel unless it says otherwise.
            let width = media.name == "audio/l16" ? 2 : 3
            guard pcm.sample.networkType?.lowercased() == media.name else {
                throw Problem("it answered with \(media.name), and the station is \(pcm)")
            }
            try OriginAnswer.compare("rate", media["rate"], with: pcm.rate, pcm)
            try OriginAnswer.compare("channels", media["channels"] ?? "1", with: pcm.channels, pcm)
            coding.swapWidth = width
            mayBeWAV = false
        case "audio/x-raw":
            try checkRaw(media, pcm)
        case "audio/pcm":
            mayBeWAV = false
        default:
            try OriginAnswer.check(media, among: OriginAnswer.wav, of: .pcm(pcm))
        }
    }

    /// GStreamer's names, which are Weir's for what has no registered type.
    private mutating func checkRaw(_ media: MediaType, _ pcm: PCMFormat) throws(Problem) {
        mayBeWAV = false
        if let layout = media["layout"], layout != "interleaved" {
            throw Problem("it answered with layout \(quote(layout)); expected interleaved")
        }
        if let rate = media["rate"] { try OriginAnswer.compare("rate", rate, with: pcm.rate, pcm) }
        if let channels = media["channels"] { try OriginAnswer.compare("channels", channels, with: pcm.channels, pcm) }
        guard let name = media["format"]?.lowercased() else { return }
        let own = pcm.sample.rawValue
        if name == own { return }
        guard name == own.dropLast(2) + "be" else {
            throw Problem("it answered with samples \(quote(name)), and the station is \(pcm)")
        }
        coding.swapWidth = pcm.sample.bytes
    }

    private static func compare(
        _ what: String, _ text: String?, with expected: Int, _ pcm: PCMFormat
    ) throws(Problem) {
        guard let text else { throw Problem("it does not say its \(what), and the station is \(pcm)") }
        if Int(text) == expected { return }
        throw Problem("it answered with \(what) \(quote(text)), and the station is \(pcm)")
    }

    /// The decimal seconds of `Retry-After` (RFC 9110 §10.2.3); its other form, a date, is not looked at.
    private static func seconds(_ text: String?) -> Double? {
        guard let text, (1...9).contains(text.utf8.count) else { return nil }
        return text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Double(text) : nil
    }

    /// Bytes between two titles; 0: there are none.
    private static func titleInterval(_ text: String?) throws(Problem) -> Int {
        guard let text, text != "0" else { return 0 }
        guard let interval = Int(text), (1...Source.Coding.titleIntervalMax).contains(interval) else {
            throw Problem(
                "its icy-metaint is \(quote(text)); expected a number from 1 to \(Source.Coding.titleIntervalMax)")
        }
        return interval
    }
}

/// `Content-Type` (RFC 9110 §8.3).
struct MediaType {
    /// In small letters, without parameters.
    let name: String
    private var parameters: [String: String] = [:]

    init(_ text: String) {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false)
        name = MediaType.trim(parts.first ?? "").lowercased()
        for part in parts.dropFirst() {
            guard let equals = part.firstIndex(of: "=") else { continue }
            var value = MediaType.trim(part[part.index(after: equals)...])
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") { value = value.dropFirst().dropLast() }
            parameters[MediaType.trim(part[..<equals]).lowercased()] = String(value)
        }
    }

    subscript(name: String) -> String? { parameters[name] }

    private static func trim(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}

/// Of what a peer said, as much as an error repeats.
private func quote(_ text: String) -> String { "\"\(text.filter { !$0.isControl }.prefix(60))\"" }

extension Character {
    /// ASCII's and Latin-1's control characters.
    var isControl: Bool { unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) } }
}
