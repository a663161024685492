internal import WeirHTTP
internal import WeirLoop
internal import WeirStorage

/// `weir sign`: signs a request for S3, or another service that takes Signature V4, in its header or in its URL.
enum Sign {
    static let command = Command(
        name: "sign", about: "Signs a request with AWS Signature V4",
        arguments: [
            .init(name: "METHOD", about: "Such as GET or PUT"),
            .init(name: "URL", about: "As it will be asked: https://HOST/BUCKET/KEY"),
        ],
        options: [
            .init(
                name: "expires", value: "N", about: "Prints a URL valid for N seconds (1 to 604800) instead"
            ),
            .init(name: "header", value: "K:V", about: "A field that is sent and signed too", repeats: true),
            .init(name: "body", value: "FILE", about: "Signs the body as well; else UNSIGNED-PAYLOAD"),
            .init(name: "region", value: "REGION", about: "The region (WEIR_R2_REGION, AWS_REGION; auto)"),
            .init(name: "service", value: "SERVICE", about: "The service (s3)"),
            .init(name: "date", value: "DATE", about: "The time to sign for: 20150830T123600Z (now)"),
            .init(name: "show", value: "WHAT", about: "Prints what is signed: canonical, string-to-sign"),
        ],
        notes: [
            """
            Header fields are printed one a line, in the form of `curl -H @-`:
              weir sign PUT URL | curl -X PUT -H @- --data-binary @FILE URL
            The credentials come from the environment: WEIR_R2_ACCESS_KEY_ID,
            WEIR_R2_SECRET_ACCESS_KEY and WEIR_R2_SESSION_TOKEN, or else
            AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
            For service s3 the path is signed as it stands; for others it is
            normalised and encoded once more.
            """
        ])

    /// Largest body that is read to be signed, in bytes.
    static let bodyLimit = 1 << 30

    static func run(
        _ invocation: Invocation, environment: [String: String], _ console: Console, now: SigningDate = .now
    ) throws(UsageError) -> Int32 {
        let request = try request(invocation)
        let date = try date(invocation) ?? now
        let expires = try expires(invocation)
        let show = invocation.value("show")
        guard show == nil || show == "canonical" || show == "string-to-sign" else {
            throw UsageError(message: "--show \(quoted(show ?? "")) is neither canonical nor string-to-sign")
        }
        if expires != nil && invocation.value("body") != nil {
            throw UsageError(message: "--body and --expires: a presigned URL says nothing of the body")
        }
        var signed = request
        do throws(CoreError) {
            signed.payload = try payload(invocation)
        } catch {
            console.error("weir sign: \(invocation.value("body") ?? ""): \(error)")
            return Program.failed
        }
        guard let credentials = SigningCredentials(environment: environment) else {
            console.error(
                "weir sign: there are no credentials; expected WEIR_R2_ACCESS_KEY_ID and WEIR_R2_SECRET_ACCESS_KEY, or"
                    + " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the environment")
            return Program.failed
        }
        let region =
            invocation.value("region") ?? environment["WEIR_R2_REGION"] ?? environment["AWS_REGION"] ?? "auto"
        let signer = Signer(credentials: credentials, region: region, service: invocation.value("service") ?? "s3")
        var lines: [String] = []
        if let expires {
            lines = [signer.presign(signed, expires: expires, at: date)]
        } else {
            let signature = signer.sign(signed, at: date)
            var fields = Fields()
            signature.add(to: &fields)
            lines = (signed.fields.all + fields.all).map { "\($0.name): \($0.value)" }
        }
        switch show {
        case "canonical": console.line(signer.canonicalRequest)
        case "string-to-sign": console.line(signer.stringToSign)
        default: for line in lines { console.line(line) }
        }
        return Program.done
    }

    private static func request(_ invocation: Invocation) throws(UsageError) -> SigningRequest {
        let method = invocation.arguments[0]
        guard !method.isEmpty, method.utf8.allSatisfy({ $0 >= 0x41 && $0 <= 0x5A }) else {
            throw UsageError(message: "\(quoted(method)) is no method; expected one such as GET")
        }
        let url = invocation.arguments[1]
        var fields = Fields()
        for text in invocation.values["header"] ?? [] {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, isToken(parts[0]), parts[1].utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 })
            else { throw UsageError(message: "--header \(quoted(text)) is no header field; expected NAME:VALUE") }
            guard parts[0].lowercased() != "host" else {
                throw UsageError(message: "--header Host: the host is the URL's")
            }
            fields.append(String(parts[0]), String(parts[1].drop { $0 == " " }))
        }
        guard let request = SigningRequest(Method(rawValue: method), url: url, fields: fields) else {
            throw UsageError(
                message:
                    "\(quoted(url)) cannot be signed; expected http://HOST/PATH or https://HOST/PATH, without a user")
        }
        return request
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ text: Substring) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func date(_ invocation: Invocation) throws(UsageError) -> SigningDate? {
        guard let text = invocation.value("date") else { return nil }
        guard let date = SigningDate(text) else {
            throw UsageError(message: "--date \(quoted(text)) is no date; expected one such as 20150830T123600Z")
        }
        return date
    }

    private static func expires(_ invocation: Invocation) throws(UsageError) -> Int? {
        guard let text = invocation.value("expires") else { return nil }
        let range = Signer.expiryRange
        guard let seconds = Int(text), range.contains(seconds) else {
            throw UsageError(
                message:
                    "--expires \(quoted(text)) is out of range; expected \(range.lowerBound) to \(range.upperBound)"
                    + " seconds")
        }
        return seconds
    }

    private static func payload(_ invocation: Invocation) throws(CoreError) -> SigningRequest.Payload {
        guard let file = invocation.value("body") else {
            // Only S3 takes a body that is not signed.
            return invocation.value("service") ?? "s3" == "s3" ? .unsigned : .empty
        }
        return .of(try LoopFile.readNow(file, limit: bodyLimit))
    }
}

extension SigningCredentials {
    /// Weir's own variables, or else those of AWS's tools; nil when neither are there.
    init?(environment: [String: String]) {
        for prefix in ["WEIR_R2_", "AWS_"] {
            guard let id = environment[prefix + "ACCESS_KEY_ID"], !id.isEmpty,
                let secret = environment[prefix + "SECRET_ACCESS_KEY"], !secret.isEmpty
            else { continue }
            let token = environment[prefix + "SESSION_TOKEN"]
            self.init(accessKeyID: id, secretAccessKey: secret, sessionToken: token?.isEmpty == false ? token : nil)
            return
        }
        return nil
    }
}
