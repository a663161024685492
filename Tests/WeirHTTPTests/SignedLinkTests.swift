import Testing

@testable import WeirHTTP

@Suite("Signed links")
struct SignedLinkTests {
    static let key = "0123456789abcdef"

    private func judge(_ link: String, key: String = key, now: UInt64 = 1_899_999_999) throws -> SignedLink.Verdict {
        let target = try #require(Array(link.utf8).withUnsafeBytes { Target($0) }, "\(link)")
        return SignedLink.judge(target, keys: [key], now: now)
    }

    private func make(_ target: String, key: String = key) throws -> String {
        try #require(SignedLink.make(for: target, key: key, expires: 1_900_000_000))
    }

    @Test(
        "are what another implementation makes of path and expiry",
        arguments: [
            // Python: hmac.new(key, b"%s\n%d" % (path, expiry), "sha256"), base64.urlsafe_b64encode, without "=".
            (key, "/live/vinyl.wav", UInt64(1_900_000_000), "iGSha_9LpRawaFJ3uRWYZc0fw68iX7tVlJw85D-0ag4"),
            (key, "/live/a%20b/%C3%BC", 1_900_000_000, "bvVIG2SVRwJu87GeMrCsE7knqSP2Ml4L8f04wBJ2hK8"),
            (String(repeating: "k", count: 100), "/", 1, "Mw1oxPcytdlX5IJgfr08okOfTQnHnpkIDqlnKcLB6HY"),
        ])
    func vectors(key: String, path: String, expires: UInt64, signature: String) {
        #expect(SignedLink.make(for: path, key: key, expires: expires) == "\(path)?exp=\(expires)&sig=\(signature)")
    }

    @Test("are valid until their second has come")
    func expiry() throws {
        let link = try make("/live/vinyl.wav")
        #expect(try judge(link, now: 0) == .valid)
        #expect(try judge(link, now: 1_899_999_999) == .valid)
        #expect(try judge(link, now: 1_900_000_000) == .expired)
        #expect(try judge(link, now: .max) == .expired)
    }

    @Test("hold for one path, however it is encoded, with whatever other parameters")
    func others() throws {
        let link = try make("/live/vinyl.wav")
        let query = link.drop { $0 != "?" }
        for same in [
            link, "/live/%76inyl.wav\(query)", "\(link)&warm=6s", "/live/vinyl.wav?warm=max&\(query.dropFirst())",
            "http://radio.example\(link)",
        ] { #expect(try judge(same) == .valid, "\(same)") }
        for other in ["/live/vinyl", "/live/vinyl.pcm", "/live/Vinyl.wav", "/live/vinyl.wav/", "/live/tv.ts", "/"] {
            #expect(try judge(other + query) == .invalid, "\(other)")
        }
        #expect(try judge("/live/vinyl.wav?warm=6s") == .missing)
    }

    @Test("are appended to what is there")
    func targets() throws {
        #expect(try make("/live/tv.ts?warm=6s").hasPrefix("/live/tv.ts?warm=6s&exp=1900000000&sig="))
        #expect(try make("/live/tv.ts?").hasPrefix("/live/tv.ts?exp=1900000000&sig="))
        let url = try make("https://radio.example/live/tv.ts")
        #expect(url == "https://radio.example" + (try make("/live/tv.ts")))
        for wrong in ["", "live/tv.ts", "*", "/a/../b", "/a?exp=1", "/a?sig=x", "/a%0a1", "/a#b"] {
            #expect(SignedLink.make(for: wrong, key: Self.key, expires: 1) == nil, "\(wrong)")
        }
        #expect(SignedLink.make(for: "/a", key: "", expires: 1) == nil)
        #expect(SignedLink.make(for: "/a", key: Self.key, expires: 1_000_000_000_000) == nil)
    }

    @Test("are not valid with any character altered, left out or added")
    func altered() throws {
        let link = Array(try make("/live/vinyl.wav").utf8)
        let start = try #require(link.firstIndex(of: UInt8(ascii: "=")))
        for index in start..<link.count where link[index] != UInt8(ascii: "&") {
            var changed = link
            changed[index] = link[index] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
            #expect(try judge(String(decoding: changed, as: UTF8.self)) != .valid, "\(index)")
            changed = link
            changed.remove(at: index)
            #expect(try judge(String(decoding: changed, as: UTF8.self)) != .valid, "without \(index)")
            changed = link
            changed.insert(UInt8(ascii: "0"), at: index + 1)
            #expect(try judge(String(decoding: changed, as: UTF8.self)) != .valid, "more after \(index)")
        }
    }

    @Test("say one thing only")
    func ambiguous() throws {
        let link = try make("/a")
        let signature = link.split(separator: "&")[1]
        for wrong in [
            "\(link)&exp=1900000000", "\(link)&\(signature)", "/a?\(signature)", "/a?exp=1900000000", "/a?exp&sig",
            "/a?exp=01900000000&\(signature)", "/a?exp=+1900000000&\(signature)", "/a?exp=1900000000.0&\(signature)",
            "/a?exp=99999999999999999999&\(signature)", "\(link)=", "\(link)%3D",
        ] { #expect(try judge(wrong) == .invalid, "\(wrong)") }
        #expect(try judge(link, key: "fedcba9876543210") == .invalid)
        #expect(try judge(link, key: "") == .invalid)
    }

    @Test("cannot be used by whoever reads the log")
    func redacted() throws {
        let link = try make("/live/tv.ts?warm=6s") + "&x=1"
        #expect(SignedLink.redacted(link) == "/live/tv.ts?warm=6s&exp=1900000000&sig=-&x=1")
        #expect(SignedLink.redacted("/sig=x?a=1&b") == "/sig=-?a=1&b")
        #expect(SignedLink.redacted("/a?sig=1&sig=2") == "/a?sig=-&sig=-")
        #expect(SignedLink.redacted("/a?sig&sign=2&Sig=3&=sig") == "/a?sig&sign=2&sig=-&=sig")
        #expect(SignedLink.redacted("/a?design=2&sig") == "/a?design=2&sig")
        // To who judges these are the same name.
        for name in ["%73ig", "s%69g", "si%67", "%73%69%67"] {
            let written = try make("/live/tv.ts").replacing("sig=", with: "\(name)=")
            #expect(try judge(written) == .valid)
            #expect(SignedLink.redacted(written) == "/live/tv.ts?exp=1900000000&sig=-", "\(name)")
        }
    }

    /// They are refused, but who reads of them in the log mends them at a glance.
    @Test(
        "cannot be used by whoever reads the log when they were damaged, either",
        arguments: [
            ("&sig=", "&amp;sig="), ("&sig=", ";sig="), ("&sig=", "&SIG="), ("&sig=", "%26sig%3D"),
            ("?exp=1900000000&sig=", "%3Fexp%3D1900000000%26sig%3d"), ("&sig=", "%2526sig%253D"),
            ("&sig=", "&%53%49%47%25253d"), ("&sig=", "sig="), ("?exp=1900000000&sig=", "/sig="),
        ])
    func redactedDamaged(part: String, damaged: String) throws {
        let link = try make("/live/tv.ts")
        let signature = try #require(link.split(separator: "=").last)
        let written = link.replacing(part, with: damaged) + "&warm=6s"
        #expect(written != link + "&warm=6s")
        let shown = SignedLink.redacted(written)
        #expect(!shown.contains(signature), "\(shown)")
        #expect(shown.hasSuffix("sig=-&warm=6s"), "\(shown)")
    }

    @Test("are valid with the key that signed them, and with the one that followed it")
    func rotation() throws {
        let former = "fedcba9876543210"
        let link = try make("/a", key: former)
        let target = try #require(Array(link.utf8).withUnsafeBytes { Target($0) })
        func judge(_ keys: String...) -> SignedLink.Verdict { SignedLink.judge(target, keys: keys, now: 1_899_999_999) }
        #expect(judge(former) == .valid)
        #expect(judge(Self.key, former) == .valid)
        #expect(judge(former, Self.key) == .valid)
        #expect(judge(Self.key) == .invalid)
        #expect(judge() == .invalid)
        #expect(judge("") == .invalid)
        #expect(SignedLink.judge(target, keys: [Self.key, former], now: 1_900_000_000) == .expired)
    }

    @Test("are the same whatever stands around them, and no path is written so that it passes for another")
    func encodings() throws {
        let link = try make("/live/vinyl.wav")
        let query = String(link.drop { $0 != "?" }.dropFirst())
        let parts = query.split(separator: "&").map(String.init)
        // Parameters in any order, and names and values in any encoding.
        for same in [
            "\(parts[1])&\(parts[0])", "&&\(parts[1])&x=1&\(parts[0])&", query.replacing("exp=", with: "%65xp="),
            query.replacing("exp=1", with: "exp=%31"),
        ] { #expect(try judge("/live/vinyl.wav?\(same)") == .valid, "\(same)") }
        // Anything that a lax reader would take for the path that was signed is no target, or another path.
        for other in [
            "/live/./vinyl.wav", "/live/x/../vinyl.wav", "/live/%2e/vinyl.wav", "/live%2fvinyl.wav",
            "/live/vinyl.wav%00",
            "/live/vinyl.wav%0a1900000000", "/live/vinyl.wav#", "/live/vinyl.wav%", "/live/vinyl.wav%2",
            "live/vinyl.wav",
            "/live/vinyl%ff.wav",
        ] { #expect(Array("\(other)?\(query)".utf8).withUnsafeBytes { Target($0) } == nil, "\(other)") }
        for other in [
            "/live/vinyl.wav%20", "/live/vinyl.wav%3f", "/live//vinyl.wav", "//live/vinyl.wav", "/live/vinyl%252ewav",
            "/live/vinyl.wav;x", "/live/v%C4%B1nyl.wav", "/live/vinyl.wav+",
        ] { #expect(try judge("\(other)?\(query)") == .invalid, "\(other)") }
        // The same letters in another composition are other bytes.
        let composed = try make("/live/%C3%BC").drop { $0 != "?" }
        #expect(try judge("/live/u%CC%88\(composed)") == .invalid)
    }
}
