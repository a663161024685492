import Testing
import WeirHTTP

@testable import Weir

@Suite struct ConfigurationTLSTests {
    @Test func anAddressSaysWhatIsSpokenOrFollowsTheCertificate() throws {
        let cases: [(String, ServerOptions.Address, plain: Bool, certified: Bool)] = [
            ("127.0.0.1:80", .internet(host: "127.0.0.1", port: 80), false, true),
            ("http://127.0.0.1:80", .internet(host: "127.0.0.1", port: 80, scheme: .http), false, false),
            ("https://[::1]:443", .internet(host: "::1", port: 443, scheme: .https), true, true),
            ("https://localhost:0", .internet(host: "localhost", port: 0, scheme: .https), true, true),
            ("unix:/run/weir.sock", .unix(path: "/run/weir.sock"), false, false),
        ]
        var options = ServerOptions()
        for (text, address, plain, certified) in cases {
            let read = try ServerOptions.Address(written: text)
            #expect(read == address)
            #expect(read.written == text)
            options.tls = .init()
            #expect(options.isSecure(read) == plain)
            options.tls = .init(certificate: "cert.pem", key: "key.pem")
            #expect(options.isSecure(read) == certified)
        }
        #expect(try ServerOptions.Address(written: "https://127.0.0.1:80/").written == "https://127.0.0.1:80")
        for text in ["https://", "https://127.0.0.1", "https://127.0.0.1:80/path", "https:127.0.0.1:80"] {
            #expect(throws: ConfigurationFault.self) { try ServerOptions.Address(written: text) }
        }
    }

    @Test func anAddressIsListenedOnOnce() throws {
        let outcome = try load("listen: [127.0.0.1:80, \"http://127.0.0.1:80\"]\n")
        #expect(outcome.lines == ["weir.yml:1:9: listen: http://127.0.0.1:80 stands twice; expected once"])
    }

    @Test func aCertificateIsJudgedByItsTimes() {
        let validity: ClosedRange<Int64> = 1_000_000_000...1_100_000_000
        #expect(ConfigurationReader.wrong(validity, now: 1_000_000_000) == nil)
        #expect(ConfigurationReader.wrong(validity, now: 1_100_000_000) == nil)
        #expect(
            ConfigurationReader.wrong(validity, now: 999_999_999) == "is valid only from 2001-09-09T01:46:40.000Z on")
        #expect(
            ConfigurationReader.wrong(validity, now: 1_100_000_001)
                == "expired at 2004-11-09T11:33:20.000Z: clients will refuse it")
    }

    @Test func aListenerCostsMoreWithTLS() {
        var configuration = Configuration()
        #expect(ConfigurationCaps(of: configuration).eachHeap == 2048)
        configuration.server.tls = .init(certificate: "cert.pem", key: "key.pem")
        #expect(ConfigurationCaps(of: configuration).eachHeap == 40960)
    }
}
