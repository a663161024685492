import FoundationEssentials
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirStorage

/// The cases of `sigv4_vectors.json`; `NOTICE.md` says whose they are.
struct SigningVector: Decodable, Sendable, CustomTestStringConvertible {
    struct Credentials: Decodable {
        var access_key_id: String
        var secret_access_key: String
        var token: String?
    }

    struct Request: Decodable {
        var method: String
        var path: String
        var query: String
        var headers: [[String]]
        var body: String?
    }

    struct Options: Decodable {
        var normalize: Bool
        var double_uri_encode: Bool
        var omit_session_token: Bool
        var add_content_sha256_header: Bool
        var payload_hash: String?
        var expiration: Int?
    }

    var name: String
    var suite: String
    var mode: String
    var credentials: Credentials
    var region: String
    var service: String
    var amz_date: String
    var request: Request
    var options: Options
    var canonical_request: String
    var string_to_sign: String
    var signature: String
    var signed_headers: String
    var authorization: String?
    var signed_query: String?

    var testDescription: String { name }

    private struct File: Decodable { var cases: [SigningVector] }

    static let all: [SigningVector] = {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let bytes = try! LoopFile.readNow("\(folder)/sigv4_vectors.json")
        return try! JSONDecoder().decode(File.self, from: Data(bytes)).cases
    }()

    var signer: Signer {
        var rules = Signer.Rules(
            encodesPathAgain: options.double_uri_encode, normalizesPath: options.normalize,
            addsContentHash: options.add_content_sha256_header)
        rules.signsToken = !options.omit_session_token
        let credentials = SigningCredentials(
            accessKeyID: credentials.access_key_id, secretAccessKey: credentials.secret_access_key,
            sessionToken: credentials.token)
        return Signer(credentials: credentials, region: region, service: service, rules: rules)
    }

    var signingRequest: SigningRequest {
        var fields = Fields()
        var host = ""
        for field in request.headers {
            if field[0].lowercased() == "host" { host = field[1] } else { fields.append(field[0], field[1]) }
        }
        let payload =
            options.payload_hash.map { $0 == "UNSIGNED-PAYLOAD" ? .unsigned : .sha256($0) }
            ?? SigningRequest.Payload.of(Array((request.body ?? "").utf8))
        return SigningRequest(
            Method(rawValue: request.method), host: host, path: request.path, query: request.query, fields: fields,
            payload: payload)
    }
}

extension SigningDate {
    init(vector text: String) { self = SigningDate(text)! }
}
