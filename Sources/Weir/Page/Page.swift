internal import WeirHTTP
internal import WeirLoop

/// The page at `/`: one document that asks for nothing but the program's own JSON. Its parts lie beside this file, and are
/// in the program.
@LoopActor
enum Page {
    /// The page, with a policy that lets it run its own script and style, by this response's nonce, and connect only
    /// here (CSP level 3).
    static func response() -> Response {
        let nonce = newNonce()
        var response = Response.text(
            html.replacing("NONCE", with: nonce), type: "text/html; charset=utf-8")
        response.fields.append("Cache-Control", "no-store")
        response.fields.append("Content-Security-Policy", policy(nonce))
        response.fields.append("X-Content-Type-Options", "nosniff")
        response.fields.append("Referrer-Policy", "no-referrer")
        response.fields.append("Cross-Origin-Opener-Policy", "same-origin")
        return response
    }

    static func policy(_ nonce: String) -> String {
        "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "media-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    /// 32 hexadecimal digits from the system's random numbers.
    private static func newNonce() -> String {
        (0..<2).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// The document, with `NONCE` where a response's nonce belongs. What stands further down may use what stands above.
    static let html: String = {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let script = [
            PackageResources.elements_js, PackageResources.server_js, PackageResources.player_js,
            PackageResources.tables_js, PackageResources.station_js, PackageResources.downloads_js,
            PackageResources.page_js,
        ].map(text).joined(separator: "\n")
        return text(PackageResources.page_html)
            .replacing("STYLE\n", with: text(PackageResources.page_css))
            .replacing("SCRIPT\n", with: script)
    }()
}
