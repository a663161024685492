import Testing
import WeirHTTP

@testable import WeirStorage

@Suite("Signature V4: published cases")
struct SigningVectorTests {
    @Test("every case of aws-c-auth, botocore and the S3 reference is there")
    func count() {
        #expect(SigningVector.all.count == 89)
        #expect(Set(SigningVector.all.map(\.suite)).count == 3)
        #expect(SigningVector.all.count { $0.mode == "query" } == 13)
    }

    @Test(
        "a signature in the header: canonical request, string to sign, signature and field",
        arguments: SigningVector.all.filter { $0.mode == "header" })
    func header(vector: SigningVector) throws {
        let signer = vector.signer
        let signature = signer.sign(vector.signingRequest, at: SigningDate(vector: vector.amz_date))
        #expect(signer.canonicalRequest == vector.canonical_request)
        #expect(signer.stringToSign == vector.string_to_sign)
        #expect(signature.authorization.hasSuffix(", Signature=\(vector.signature)"))
        #expect(signature.authorization.contains("SignedHeaders=\(vector.signed_headers),"))
        let authorization = try #require(vector.authorization)
        #expect(signature.authorization == authorization)
        #expect(signature.date == vector.amz_date)
    }

    @Test("a signature in the URL: the same", arguments: SigningVector.all.filter { $0.mode == "query" })
    func query(vector: SigningVector) throws {
        let signer = vector.signer
        let expires = try #require(vector.options.expiration)
        let url = signer.presign(vector.signingRequest, expires: expires, at: SigningDate(vector: vector.amz_date))
        #expect(signer.canonicalRequest == vector.canonical_request)
        #expect(signer.stringToSign == vector.string_to_sign)
        // The order of parameters in a URL is anybody's choice.
        let wanted = try #require(vector.signed_query).split(separator: "&").sorted()
        let mark = try #require(url.firstIndex(of: "?"))
        #expect(url[url.index(after: mark)...].split(separator: "&").sorted() == wanted)
        #expect(url[..<mark] == "https://\(vector.signingRequest.host)\(vector.request.path)")
    }
}
