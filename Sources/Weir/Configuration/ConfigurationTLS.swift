internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

extension ConfigurationReader {
    /// Whether HTTPS can be spoken where it is asked for: certificate and key are read.
    mutating func checkTLS(_ server: ServerOptions) {
        guard isSound("listen", "tls.certificate", "tls.key") else { return }
        switch (server.tls.certificate, server.tls.key) {
        case (nil, nil):
            for address in server.addresses where server.isSecure(address) {
                report(
                    "\(address.written) needs a certificate; expected tls.certificate and tls.key", at: "listen",
                    origin(of: "listen"))
            }
        case (_?, nil):
            report(
                "given without tls.key; expected both, or neither", at: "tls.certificate", origin(of: "tls.certificate")
            )
        case (nil, _?):
            report("given without tls.certificate; expected both, or neither", at: "tls.key", origin(of: "tls.key"))
        case (let certificate?, let key?):
            if !server.addresses.contains(where: server.isSecure) {
                warn("has no effect: no address in `listen` speaks HTTPS", at: "tls.certificate")
            }
            checkPrivacy(of: key, at: "tls.key")
            do throws(TLSProblem) {
                let validity = try TLSIdentity.check(certificate: certificate, key: key)
                let now = WallClock.now / 1_000_000_000
                if let wrong = Self.wrong(validity, now: now) {
                    warn("\(quoted(certificate)) \(wrong)", at: "tls.certificate")
                }
            } catch {
                let path = error.file == .key ? "tls.key" : "tls.certificate"
                report("the file \(quoted(error.path)) \(error.wrong)", at: path, origin(of: path))
            }
        }
    }

    /// What is wrong with a certificate at a time, both in seconds since 1970; nil when it is valid.
    static func wrong(_ validity: ClosedRange<Int64>, now: Int64) -> String? {
        let text: (Int64) -> String = { WallClock.text($0 &* 1_000_000_000) }
        if now > validity.upperBound { return "expired at \(text(validity.upperBound)): clients will refuse it" }
        if now < validity.lowerBound { return "is valid only from \(text(validity.lowerBound)) on" }
        return nil
    }
}
