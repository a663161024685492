import Testing
@testable import WeirHTTP

@Suite("Request targets")
struct TargetTests {
    private func target(_ text: String) -> Target? {
        Array(text.utf8).withUnsafeBytes { Target($0) }
    }

    @Test(
        "what can be decoded is decoded, segment by segment",
        arguments: [
            ("/", []), ("/live/demo.wav", ["live", "demo.wav"]), ("/a/", ["a", ""]), ("//a", ["", "a"]),
            ("/a%20b/%C3%BC", ["a b", "ü"]), ("/a+b", ["a+b"]), ("/...", ["..."]), ("/a?b/../c", ["a"]),
            ("http://example.org/x", ["x"]), ("HTTP://example.org", []), ("https://example.org?x=1", []),
        ])
    func segments(text: String, expected: [String]) {
        #expect(target(text)?.segments == expected)
    }

    @Test(
        "what could mean two things is refused",
        arguments: [
            "/..", "/a/../b", "/./a", "/a/.", "/%2e%2e/x", "/a/%2E", "/a%2fb", "/a%2Fb", "/%", "/%4", "/%zz", "/%00",
            "/a%0d%0ab", "/%ff", "/%c3", "/a#b", "a", "", "ftp://example.org/", "http://", "http:///x",
            "http://user@example.org/", "/a?b=%", "/a?%zz", "/a?b=%00",
        ])
    func refused(text: String) {
        #expect(target(text) == nil)
    }

    @Test("queries are decoded as forms are")
    func query() throws {
        let query = try #require(target("/?a=1&b=c+d%2B&&e&a=2&=x")?.query)
        #expect(query["a"] == "1")
        #expect(query["b"] == "c d+")
        #expect(query["e"] == "")
        #expect(query["f"] == nil)
        #expect(query.items.map(\.name) == ["a", "b", "e", "a", ""])
    }

    @Test("the asterisk form stands alone")
    func asterisk() {
        #expect(target("*")?.isAsterisk == true)
        #expect(target("*x") == nil)
        #expect(target("http://a.b/")?.authority == "a.b")
    }
}

@Suite("Addresses of peers")
struct RemoteAddressTests {
    @Test(
        "literals are read and written",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("10.0.0.1:80", "10.0.0.1:80"), ("::1", "::1"), ("[::1]:443", "[::1]:443"),
            ("[2001:DB8::1]", "2001:db8::1"), ("::ffff:1.2.3.4", "1.2.3.4"),
        ])
    func literals(text: String, expected: String) {
        #expect(RemoteAddress(text)?.description == expected)
    }

    @Test("what is no literal is refused", arguments: ["", "example.org", "1.2.3", "1.2.3.4:x", "[::1", "::g", "1.2.3.4:99999"])
    func refused(text: String) {
        #expect(RemoteAddress(text) == nil)
    }

    @Test("a chain of proxies is followed back to the first that is not trusted")
    func proxies() throws {
        let proxies = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "2001:db8::/32"])
        func client(_ peer: String, _ forwarded: String...) -> String? {
            var fields = Fields()
            for value in forwarded { fields.append("X-Forwarded-For", value) }
            return RemoteAddress(peer).map { proxies.client(of: $0, fields: fields).host }
        }
        #expect(client("127.0.0.1", "192.0.2.7") == "192.0.2.7")
        #expect(client("127.0.0.1", "1.1.1.1, 192.0.2.7, 10.1.2.3") == "192.0.2.7")
        #expect(client("127.0.0.1", "1.1.1.1", "192.0.2.7:99") == "192.0.2.7")
        #expect(client("127.0.0.1") == "127.0.0.1")
        #expect(client("127.0.0.1", "192.0.2.7, unknown") == "127.0.0.1")
        #expect(client("127.0.0.1", "10.0.0.5") == "10.0.0.5")
        #expect(client("192.0.2.9", "1.1.1.1") == "192.0.2.9")
        #expect(client("2001:db8::5", "[2001:db9::1]:80") == "2001:db9::1")
        #expect(client("11.0.0.1", "1.1.1.1") == "11.0.0.1")
        #expect(TrustedProxies.firstInvalid(["10.0.0.0/8", "unix", "10.0.0.0/33"]) == "10.0.0.0/33")
        #expect(TrustedProxies.firstInvalid(["::/129"]) == "::/129")
        #expect(TrustedProxies.firstInvalid(["0.0.0.0/0", "::/0"]) == nil)
    }

    @Test("an IPv6 site is limited as one, an IPv4 address for itself")
    func limitKey() {
        #expect(RemoteAddress("2001:db8::1")?.limitKey == RemoteAddress("2001:db8::ffff:1")?.limitKey)
        #expect(RemoteAddress("2001:db8::1")?.limitKey != RemoteAddress("2001:db8:0:1::1")?.limitKey)
        #expect(RemoteAddress("1.2.3.4")?.limitKey != RemoteAddress("1.2.3.5")?.limitKey)
    }
}
