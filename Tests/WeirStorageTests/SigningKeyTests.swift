import Testing
import WeirHTTP

@testable import WeirStorage

@Suite("Signature V4: keys and dates")
struct SigningKeyTests {
    private let request = SigningRequest(.get, host: "h", path: "/k", payload: .empty)

    private func signer(_ secret: String = "secret") -> Signer {
        Signer(credentials: SigningCredentials(accessKeyID: "id", secretAccessKey: secret), region: "auto")
    }

    /// The hexadecimal signature.
    private func signature(_ signer: Signer, _ date: String) -> String {
        String(signer.sign(request, at: SigningDate(date)!).authorization.suffix(64))
    }

    @Test("requests before and after midnight have keys of their own day")
    func midnight() {
        let signer = signer()
        let before = signer.sign(request, at: SigningDate("20260228T235959Z")!)
        #expect(signer.derivedKeys == 1)
        let after = signer.sign(request, at: SigningDate("20260301T000000Z")!)
        #expect(signer.derivedKeys == 2)
        #expect(before.authorization.contains("Credential=id/20260228/auto/s3/aws4_request,"))
        #expect(after.authorization.contains("Credential=id/20260301/auto/s3/aws4_request,"))
        // What a signer that never saw the day before says.
        #expect(after == self.signer().sign(request, at: SigningDate("20260301T000000Z")!))
        // A request of the day before may still come, from a clock that is behind.
        #expect(before == signer.sign(request, at: SigningDate("20260228T235959Z")!))
        #expect(signer.derivedKeys == 2)
    }

    @Test("a key is derived again after 23 hours, of the same day too")
    func age() {
        let signer = signer()
        let first = signature(signer, "20260101T000000Z")
        _ = signature(signer, "20260101T225959Z")
        #expect(signer.derivedKeys == 1)
        let last = signature(signer, "20260101T230000Z")
        #expect(signer.derivedKeys == 2)
        #expect(signer.keptKeys == 1)
        #expect(last == signature(self.signer(), "20260101T230000Z"))
        #expect(first == signature(self.signer(), "20260101T000000Z"))
    }

    @Test("another secret takes effect with the next request, the same key id or not")
    func rotation() {
        let signer = signer("old")
        let old = signature(signer, "20260101T000000Z")
        signer.credentials.secretAccessKey = "new"
        let new = signature(signer, "20260101T000000Z")
        #expect(new != old)
        #expect(new == signature(self.signer("new"), "20260101T000000Z"))
        #expect(signer.derivedKeys == 2)
        signer.credentials = SigningCredentials(accessKeyID: "other", secretAccessKey: "new", sessionToken: "token")
        let third = signer.sign(request, at: SigningDate("20260101T000000Z")!)
        #expect(signer.derivedKeys == 3)
        #expect(third.token == "token")
        #expect(third.authorization.contains("Credential=other/"))
        #expect(third.authorization.contains("x-amz-security-token"))
    }

    @Test("the cache is bounded, and what was used last stays in it")
    func bound() {
        var cache = SigningKeyCache()
        let date = SigningDate("20260101T000000Z")!
        for number in 0..<1000 {
            let credentials = SigningCredentials(accessKeyID: "id\(number)", secretAccessKey: "s")
            _ = cache.key(credentials, date: date, region: "r", service: "s3")
            _ = cache.key(
                SigningCredentials(accessKeyID: "always", secretAccessKey: "s"), date: date, region: "r", service: "s3")
            #expect(cache.count <= SigningKeyCache.limit)
        }
        #expect(cache.derived == 1001)
        for region in ["r", "q"] {
            for service in ["s3", "sts"] {
                _ = cache.key(
                    SigningCredentials(accessKeyID: "always", secretAccessKey: "s"), date: date, region: region,
                    service: service)
            }
        }
        #expect(cache.derived == 1004)
    }

    @Test(
        "dates are those of the calendar, both ways",
        arguments: [
            (0, "19700101T000000Z"), (951_782_400, "20000229T000000Z"), (1_440_938_160, "20150830T123600Z"),
            (-1, "19691231T235959Z"), (253_402_300_799, "99991231T235959Z"), (4_107_542_400, "21000301T000000Z"),
            (-62_167_219_200, "00000101T000000Z"),
        ])
    func dates(seconds: Int64, text: String) throws {
        #expect(SigningDate(seconds: seconds).text == text)
        #expect(try #require(SigningDate(text)).seconds == seconds)
    }

    @Test(
        "what is no date is refused",
        arguments: [
            "", "20150830T123600", "20150830t123600Z", "20150230T000000Z", "20150830T240000Z", "20150830T126000Z",
            "2015083AT123600Z", "20151330T000000Z", "20150830T123600Zx", "20210229T000000Z",
        ])
    func noDates(text: String) {
        #expect(SigningDate(text)?.seconds == nil)
    }

    @Test("a time out of range does not trap")
    func extremes() {
        #expect(SigningDate(seconds: .max).text == "99991231T235959Z")
        #expect(SigningDate(seconds: .min).text == "00000101T000000Z")
    }

    @Test("credentials do not show their secret")
    func secrecy() {
        let credentials = SigningCredentials(accessKeyID: "id", secretAccessKey: "hidden", sessionToken: "token")
        #expect("\(credentials)" == "credentials id")
        #expect(String(reflecting: credentials) == "credentials id")
    }

    @Test(
        "a URL is taken apart as it is",
        arguments: [
            ("https://h/a/b?c=d&e#f", "h", "/a/b", "c=d&e"), ("http://h:9000", "h:9000", "/", ""),
            ("https://h:443/x", "h", "/x", ""), ("http://h:80/x", "h", "/x", ""), ("https://h:80?q", "h:80", "/", "q"),
            ("HTTPS://h//a/../b%20c", "h", "//a/../b%20c", ""), ("http://[::1]:80/", "[::1]", "/", ""),
        ])
    func urls(url: String, host: String, path: String, query: String) throws {
        let request = try #require(SigningRequest(.get, url: url))
        #expect(request.host == host)
        #expect(request.path == path)
        #expect(request.query == query)
    }

    @Test(
        "what is no URL, or has a user, is refused",
        arguments: [
            "", "h/a", "ftp://h/", "https://", "https:///a", "https://u:p@h/", "https://h h/",
        ])
    func noURLs(url: String) {
        #expect(SigningRequest(.get, url: url)?.host == nil)
    }

    @Test("an expiry out of range is brought into it", arguments: [(0, 1), (-5, 1), (604_801, 604_800), (60, 60)])
    func expiry(asked: Int, got: Int) {
        let url = signer().presign(request, expires: asked, at: SigningDate(seconds: 0))
        #expect(url.contains("&X-Amz-Expires=\(got)&"))
    }
}
