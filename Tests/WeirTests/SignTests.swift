import Testing

@testable import Weir

/// `weir sign`: the command line around the signer.
@Suite struct SignTests {
    /// The worked example of the S3 API reference.
    private static let example = [
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ]
    private static let url = "https://examplebucket.s3.amazonaws.com/test.txt"
    private static let dated = ["--date", "20130524T000000Z", "--region", "us-east-1"]

    private func run(_ words: [String], environment: [String: String] = example) -> (Int32, String, String) {
        let recording = Recording()
        let code = Program.run(["sign"] + words, environment: environment, console: recording.console)
        return (code, recording.output, recording.errors)
    }

    @Test func aPresignedURLIsThatOfTheReference() {
        let (code, output, errors) = run(["GET", Self.url, "--expires", "86400"] + Self.dated)
        #expect(code == 0 && errors.isEmpty)
        #expect(
            output == Self.url + "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404\n")
    }

    @Test func headersAreThoseOfTheReferenceOneALine() throws {
        let directory = try TemporaryDirectory()
        let empty = try directory.write("empty", "")
        let (code, output, errors) = run(
            ["GET", Self.url, "--header", "Range: bytes=0-9", "--body", empty] + Self.dated)
        #expect(code == 0 && errors.isEmpty)
        #expect(
            output == """
                Range: bytes=0-9
                X-Amz-Date: 20130524T000000Z
                X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
                Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41

                """)
    }

    @Test func whatIsSignedCanBeShown() {
        let canonical = run(["GET", Self.url, "--show", "canonical"] + Self.dated).1
        #expect(canonical.hasPrefix("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\n"))
        #expect(canonical.hasSuffix("\nUNSIGNED-PAYLOAD\n"))
        let text = run(["GET", Self.url, "--show", "string-to-sign"] + Self.dated).1
        #expect(text.hasPrefix("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"))
    }

    @Test func weirsOwnVariablesGoBeforeThoseOfOthers() {
        let own = [
            "WEIR_R2_ACCESS_KEY_ID": "own", "WEIR_R2_SECRET_ACCESS_KEY": "s", "WEIR_R2_SESSION_TOKEN": "t",
            "WEIR_R2_REGION": "eu",
        ]
        let output = run(["PUT", Self.url], environment: Self.example.merging(own) { $1 }).1
        #expect(output.contains("Credential=own/"))
        #expect(output.contains("/eu/s3/aws4_request"))
        #expect(output.contains("X-Amz-Security-Token: t\n"))
        #expect(output.contains("X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n"))
    }

    @Test func withoutCredentialsNothingIsSigned() {
        let (code, output, errors) = run(["GET", Self.url], environment: ["AWS_ACCESS_KEY_ID": "half"])
        #expect(code == 1 && output.isEmpty)
        #expect(errors.contains("there are no credentials; expected WEIR_R2_ACCESS_KEY_ID"))
    }

    @Test(arguments: [
        (["get", url], "is no method"), (["GET", "ftp://h/"], "cannot be signed"),
        (["GET", "https://user:secret@h/"], "cannot be signed"),
        (["GET", url, "--expires", "604801"], "expected 1 to 604800"),
        (["GET", url, "--expires", "0"], "expected 1 to 604800"), (["GET", url, "--date", "today"], "is no date"),
        (["GET", url, "--header", "no colon"], "expected NAME:VALUE"),
        (["GET", url, "--header", "Host: other"], "the host is the URL's"),
        (["GET", url, "--show", "key"], "neither canonical nor string-to-sign"),
        (["GET", url, "--expires", "60", "--body", "f"], "says nothing of the body"),
    ])
    func wrongUsageSaysWhatWasExpected(words: [String], message: String) {
        let (code, output, errors) = run(words)
        #expect(code == 2 && output.isEmpty)
        #expect(errors.contains(message), "\(errors)")
    }

    @Test func aBodyThatCannotBeReadIsAnError() {
        let (code, output, errors) = run(["PUT", Self.url, "--body", "/nowhere/at/all"])
        #expect(code == 1 && output.isEmpty)
        #expect(errors.contains("/nowhere/at/all: no such file"))
    }
}
