import Testing

@testable import WeirHTTP

@Suite("Credentials")
struct CredentialsTests {
    @Test("user and password are what Basic carries (RFC 7617)")
    func basic() throws {
        let given = try #require(Credentials(authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
        #expect(given == Credentials(user: "Aladdin", password: "open sesame"))
        #expect(given.match(Credentials(user: "Aladdin", password: "open sesame")))
        #expect(!given.match(Credentials(user: "aladdin", password: "open sesame")))
        #expect(!given.match(Credentials(user: "Aladdin", password: "open sesam")))
        // The charset of the example in §2.1, and a colon in a password.
        #expect(Credentials(authorization: "basic  dGVzdDoxMjPCow==")?.password == "123£")
        #expect(Credentials(authorization: "BASIC YTpiOmM=") == Credentials(user: "a", password: "b:c"))
        #expect(!"\(given)".contains("sesame"))
    }

    @Test("what is sent is what is read, whatever the length", arguments: ["", "b", "bc", "bcd", "b:c£"])
    func sent(password: String) {
        let credentials = Credentials(user: "a", password: password)
        #expect(Credentials(authorization: credentials.authorization) == credentials)
        #expect(
            Credentials(user: "Aladdin", password: "open sesame").authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    }

    @Test("an empty password matches nothing, not even itself")
    func empty() throws {
        let given = try #require(Credentials(authorization: "Basic YTo="))
        #expect(given == Credentials(user: "a", password: ""))
        #expect(!given.match(given))
    }

    @Test(
        "what is malformed is nobody",
        arguments: [
            nil, "", "Basic", "Basic ", "Bearer YTpi", "Basic YWI=", "Basic YTpi=", "Basic YT=pi", "Basic Y",
            "Basic YTpiY",
            "Basic /zo=", "Basic YTo*", "Basic YTpi YTpi",
        ])
    func malformed(text: String?) {
        #expect(Credentials(authorization: text) == nil)
    }

    @Test("base64 gives back every length (RFC 4648 §10)")
    func base64() {
        for (text, plain) in [
            ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"), ("Zg", "f"), ("Zm8", "fo"),
        ] { #expect(Credentials.base64(text.utf8) == Array(plain.utf8)) }
        #expect(Credentials.base64("+/+/".utf8) == [0xfb, 0xff, 0xbf])
    }
}
