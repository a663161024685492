import FoundationEssentials
import Glibc
import Testing
import WeirHTTP

@testable import WeirStorage

@Suite("Signature V4: beside botocore")
struct SigningPeerTests {
    struct Case: Decodable {
        var date: String
        var method: String
        var host: String
        var key: String
        var query: [[String]]
        var fields: [[String]]
        var access: String
        var secret: String
        var token: String?
        var region: String
        var expires: Int
        var payload: String
        var header: String
        var header_canonical: String
        var url: String
        var query_canonical: String

        /// What botocore leaves of a repeated parameter in a URL that it presigns: the first.
        var firstOfEach: [[String]] {
            var seen: Set<[UInt8]> = []
            return query.filter { seen.insert(Array($0[0].utf8)).inserted }
        }

        func request(_ query: [[String]], payload: SigningRequest.Payload) -> SigningRequest {
            var fields = Fields()
            for field in self.fields { fields.append(field[0], field[1]) }
            let text = query.map { "\(SigningEncoding.component($0[0]))=\(SigningEncoding.component($0[1]))" }
            return SigningRequest(
                Method(rawValue: method), scheme: "http", host: host, path: SigningEncoding.path(key),
                query: text.joined(separator: "&"), fields: fields, payload: payload)
        }
    }

    /// A Python that has botocore; nil without.
    static let python: String? = ["python3", "/usr/bin/python3"].first {
        system("\($0) -c 'import botocore.auth' 2>/dev/null") == 0
    }

    @Test(
        "10 000 random requests have botocore's signatures, in the header and in the URL",
        .enabled(if: python != nil || getenv("WEIR_ALLOW_SKIP").map { String(cString: $0) } == "0"))
    func random() throws {
        let python = try #require(SigningPeerTests.python, "no Python here has botocore")
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let seed = getenv("WEIR_SEED").flatMap { Int(String(cString: $0)) } ?? 1
        let pipe = try #require(popen("\(python) '\(folder)/botocore_signatures.py' 10000 \(seed)", "re"))
        defer { pclose(pipe) }
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        defer { free(line) }
        var cases = 0
        var wrong = 0
        while true {
            let count = getline(&line, &room, pipe)
            guard count > 0, let line else { break }
            let bytes = Data(UnsafeRawBufferPointer(start: line, count: count))
            let sample = try JSONDecoder().decode(Case.self, from: bytes)
            cases += 1
            if !check(sample) { wrong += 1 }
            if wrong > 5 { break }
        }
        #expect(cases == 10_000)
        #expect(wrong == 0)
    }

    private func check(_ sample: Case) -> Bool {
        let credentials = SigningCredentials(
            accessKeyID: sample.access, secretAccessKey: sample.secret, sessionToken: sample.token)
        let signer = Signer(credentials: credentials, region: sample.region)
        let date = SigningDate(sample.date)!
        let payload: SigningRequest.Payload =
            sample.payload == "UNSIGNED-PAYLOAD" ? .unsigned : .sha256(sample.payload)
        let signature = signer.sign(sample.request(sample.query, payload: payload), at: date)
        if signature.authorization != sample.header {
            Issue.record("header: \(signer.canonicalRequest)\nbotocore: \(sample.header_canonical)")
            return false
        }
        let url = signer.presign(
            sample.request(sample.firstOfEach, payload: .unsigned), expires: sample.expires, at: date)
        if signer.canonicalRequest != sample.query_canonical || url.suffix(64) != sample.url.suffix(64) {
            Issue.record("URL: \(signer.canonicalRequest)\nbotocore: \(sample.query_canonical)\n\(sample.url)")
            return false
        }
        return true
    }
}
