import Testing
import WeirHTTP
import WeirLoop

@testable import Weir

@Suite struct PageTests {
    @Test func `scripts and styles run by the nonce of their response`() throws {
        try LoopActor.runInTurn {
            let first = Page.response()
            let second = Page.response()
            guard case .bytes(let bytes) = first.body else {
                Issue.record("the page has no bytes")
                return
            }
            let html = String(decoding: bytes, as: UTF8.self)
            let policy = try #require(first.fields["Content-Security-Policy"])
            #expect(policy != second.fields["Content-Security-Policy"])
            let nonce = try #require(policy.split(separator: "'nonce-").dropFirst().first?.prefix { $0 != "'" })
            #expect(nonce.count == 32)
            for mark in ["NONCE", "STYLE\n", "SCRIPT\n"] { #expect(!html.contains(mark), "\(mark)") }
            #expect(html.components(of: "<script").count == html.components(of: "<script nonce=\"\(nonce)\"").count)
            #expect(html.components(of: "<style").count == html.components(of: "<style nonce=\"\(nonce)\"").count)
            #expect(policy.hasPrefix("default-src 'none'"))
            #expect(first.fields["X-Content-Type-Options"] == "nosniff")
            #expect(first.fields["Content-Type"] == "text/html; charset=utf-8")
        }
    }

    @Test func `nothing comes from elsewhere, and nothing is markup that a name could become`() throws {
        try LoopActor.runInTurn {
            let html = Page.html
            for word in [
                "http://", "https://", "//cdn", "@import", "innerHTML", "outerHTML", "document.write", "eval(",
                " onclick", " style=", "insertAdjacentHTML", "setAttribute(\"on", "javascript:", "localStorage",
                "document.cookie",
            ] {
                #expect(!html.contains(word), "\(word)")
            }
            #expect(html.utf8.count < 49152)
        }
    }

    @Test func `it can be used without eyes, and in the dark`() throws {
        try LoopActor.runInTurn {
            let html = Page.html
            for part in [
                "<html lang=\"en\">", "aria-label", "role=\"status\"", ":focus-visible",
                "prefers-color-scheme: dark", "<main>", "<label for=\"volume\">", "name=\"viewport\"", "role=\"alert\"",
                "<label for=\"token\">",
            ] {
                #expect(html.contains(part), "\(part)")
            }
        }
    }
}

extension String {
    /// What lies between the occurrences of `separator`.
    fileprivate func components(of separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
