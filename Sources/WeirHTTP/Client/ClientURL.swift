internal import CCurl

/// A URL, as far as a pool must know it before libcurl reads it.
public struct ClientURL {
    /// `https://host:8443`, as it is written: what connections are counted by.
    public let origin: String
    /// An at sign is somewhere in it: a user and a password, perhaps.
    let hasAt: Bool
    /// Among those that a pool was asked; 0 is none of them.
    var number: UInt64 = 0
    private let text: String
    private let given: String?

    /// `ClientError.Kind.url` when it is of another scheme, or cannot be a URL at all. libcurl refuses the rest.
    public init(_ text: String, label: String? = nil) throws(ClientError) {
        func refuse(_ reason: String) -> ClientError { ClientError(.url, url: label ?? "", reason: reason) }
        self.text = text
        given = label
        let bytes = text.utf8
        hasAt = bytes.contains(UInt8(ascii: "@"))
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { throw refuse("the URL has a space or worse in it") }
        let scheme = bytes.prefix { $0 != UInt8(ascii: ":") }
        let isHTTP = ClientURL.equal(scheme, "http")
        guard isHTTP || ClientURL.equal(scheme, "https") else { throw refuse("only http and https URLs can be asked") }
        let rest = bytes[scheme.endIndex...].dropFirst(3)
        guard bytes[scheme.endIndex...].starts(with: "://".utf8), !rest.isEmpty else {
            throw refuse("the URL has no host")
        }
        var authority = rest.prefix { byte in
            byte != UInt8(ascii: "/") && byte != UInt8(ascii: "?") && byte != UInt8(ascii: "#")
        }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
            authority = authority[authority.index(after: at)...]
        }
        guard !authority.isEmpty else { throw refuse("the URL has no host") }
        // Half a password, where it has a slash in it: not to be shown.
        let port = authority.reversed().prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "]") }
        guard port.count == authority.count || port.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
        else { throw refuse("the URL's port is no number") }
        origin = (isHTTP ? "http://" : "https://") + String(Substring(authority))
    }

    private static func equal(_ bytes: Substring.UTF8View, _ word: StaticString) -> Bool {
        bytes.count == word.utf8CodeUnitCount
            && zip(bytes, UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
                .allSatisfy { Fields.lower($0) == $1 }
    }

    /// The URL without user, password, query and fragment; or what the request is labelled.
    public var label: String {
        if let given { return given }
        let path = text.utf8.dropFirst(8).prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        guard let slash = path.firstIndex(of: UInt8(ascii: "/")) else { return origin + "/" }
        return origin + String(Substring(path[slash...]))
    }

    /// Whether there is a user or a password in it.
    public var hasUserinfo: Bool {
        text.utf8.dropFirst(origin.utf8.prefix { $0 != UInt8(ascii: ":") }.count + 3)
            .prefix { !"/?#".utf8.contains($0) }.contains(UInt8(ascii: "@"))
    }

    /// Without user and password; empty when it cannot be read.
    static func withoutUserinfo(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "@")) else { return text }
        guard let url = curl_url() else { return "" }
        defer { curl_url_cleanup(url) }
        guard curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK else { return "" }
        curl_url_set(url, CURLUPART_USER, nil, 0)
        curl_url_set(url, CURLUPART_PASSWORD, nil, 0)
        var result: UnsafeMutablePointer<CChar>?
        guard curl_url_get(url, CURLUPART_URL, &result, 0) == CURLUE_OK, let result else { return "" }
        defer { curl_free(result) }
        return String(cString: result)
    }
}
