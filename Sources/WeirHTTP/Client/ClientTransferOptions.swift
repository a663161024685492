internal import CCurl
internal import CLibuv
internal import CWeirHTTP
import Glibc

// What libcurl is told of a request.
extension ClientTransfer {
    /// A GET of nothing but a URL: most requests. The next one like it takes its options over.
    static func isPlain(_ request: ClientRequest, _ url: ClientURL, _ sink: Int32?) -> Bool {
        guard case .none = request.body, request.method == .get, sink == nil, !request.keepsPath else { return false }
        // A user and a password would stay with the handle.
        return request.fields.all.isEmpty && !url.hasAt
    }

    func configure(_ core: OpaquePointer, isSet: Bool) throws(ClientError) {
        func set(_ option: CURLoption, _ text: String?) throws(ClientError) {
            let code = weir_transfer_set_text(core, option, text)
            if code != CURLE_OK {
                throw error(
                    .request, "libcurl's option \(option.rawValue): \(String(cString: curl_easy_strerror(code)))")
            }
        }
        func set(_ option: CURLoption, _ number: Int64) throws(ClientError) {
            let code = weir_transfer_set_number(core, option, number)
            if code != CURLE_OK {
                throw error(
                    .request, "libcurl's option \(option.rawValue): \(String(cString: curl_easy_strerror(code)))")
            }
        }
        if isSet && isPlain {
            _ = weir_transfer_body(core, nil, 0)
            try setURL(core)
            weir_transfer_follow(core, Int32(clamping: max(0, request.redirectLimit)))
            return weir_transfer_is_plain(core)
        }
        // First, since a descriptor that came with the request is C's from then on.
        try setMethod(core, set, set)
        try setURL(core)
        weir_transfer_follow(core, Int32(clamping: max(0, request.redirectLimit)))
        try setCommon(core, set, set)
        if isPlain { weir_transfer_is_plain(core) } else { try setFields(core) }
    }

    private func setURL(_ core: OpaquePointer) throws(ClientError) {
        let code = weir_transfer_set_url(core, request.url, url.number)
        if code != CURLE_OK { throw error(.request, "the URL: \(String(cString: curl_easy_strerror(code)))") }
    }

    /// What is the same for all requests of the pool.
    private func setCommon(_ core: OpaquePointer, _ set: SetText, _ number: SetNumber) throws(ClientError) {
        let options = pool.options
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        if request.keepsPath { try number(CURLOPT_PATH_AS_IS, 1) }
        // No signal; and a request that is taken back does not wait for a name server.
        try number(CURLOPT_NOSIGNAL, 1)
        try number(CURLOPT_QUICK_EXIT, 1)
        // Refused where the buffer of the last request, of the same size, is still there: after HTTP/2.
        _ = weir_transfer_set_number(core, CURLOPT_BUFFERSIZE, Int64(WEIR_TRANSFER_READ))
        try number(CURLOPT_TCP_KEEPALIVE, 1)
        try number(CURLOPT_MAXAGE_CONN, Int64(options.idleAge.rounded(.up)))
        if let lifetime = options.lifetime { try number(CURLOPT_MAXLIFETIME_CONN, Int64(lifetime.rounded(.up))) }
        try number(CURLOPT_HTTP_VERSION, Int64(options.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1))
        if !options.userAgent.isEmpty { try set(CURLOPT_USERAGENT, options.userAgent) }
        // An empty one is none, whatever the environment says.
        try set(CURLOPT_PROXY, options.proxy ?? "")
        if options.proxy != nil {
            try set(CURLOPT_NOPROXY, options.proxyExceptions.joined(separator: ","))
            try number(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        }
        try set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        // A redirect may lead there.
        try secure(set, number)
    }

    private typealias SetText = (CURLoption, String?) throws(ClientError) -> Void
    private typealias SetNumber = (CURLoption, Int64) throws(ClientError) -> Void

    private func secure(_ text: SetText, _ number: SetNumber) throws(ClientError) {
        let options = pool.options
        try number(CURLOPT_SSLVERSION, Int64(CURL_SSLVERSION_TLSv1_2))
        guard options.caFile != nil || options.caDirectory != nil else { return }
        // OpenSSL opens it on the loop's thread: a pipe would hold up everything, and a device be read for ever.
        var status = stat()
        if let file = options.caFile, stat(file, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw error(.tls, "\(file) is no file; expected certificates in PEM")
        }
        try text(CURLOPT_CAINFO, options.caFile)
        try text(CURLOPT_CAPATH, options.caDirectory)
        try text(CURLOPT_PROXY_CAINFO, options.caFile)
        try text(CURLOPT_PROXY_CAPATH, options.caDirectory)
    }

    private func setMethod(_ core: OpaquePointer, _ text: SetText, _ number: SetNumber) throws(ClientError) {
        var length: Int64 = -1
        var hasBody = true
        switch request.body {
        case .none:
            hasBody = false
            length = 0
        case .bytes(let bytes):
            length = Int64(bytes.count)
            guard bytes.withUnsafeBytes({ weir_transfer_body(core, $0.baseAddress, $0.count) }) == 0 else {
                throw error(.memory, "no memory for the request's body")
            }
        case .stream(let known, _):
            if let known { length = Int64(clamping: known) }
        case .descriptor(let descriptor, let known):
            if let known { length = Int64(clamping: known) }
            guard weir_transfer_from(core, descriptor) == 0 else {
                close(descriptor)
                throw error(.request, "the request's body is no pipe or socket")
            }
        case .source(let source, let known):
            length = Int64(clamping: known)
            source.transfer = self
            weir_transfer_give(core, source.give, source.data, known)
        }
        if hasBody {
            // libcurl's own buffer for what it sends: no larger than what there is, for there may be hundreds.
            let room = Self.uploadRoom
            let wanted = length < 0 ? room.upperBound : min(max(length, room.lowerBound), room.upperBound)
            try number(CURLOPT_UPLOAD_BUFFERSIZE, wanted)
        } else {
            _ = weir_transfer_body(core, nil, 0)
        }
        switch request.method {
        case .get where !hasBody: break
        case .head where !hasBody: try number(CURLOPT_NOBODY, 1)
        case .head: throw error(.request, "a HEAD request has no body")
        case .post:
            try number(CURLOPT_POST, 1)
            try number(CURLOPT_POSTFIELDSIZE_LARGE, length)
        default:
            // Named by libcurl itself where it can be: a redirect may turn it into a GET then.
            if hasBody || request.method == .put {
                try number(CURLOPT_UPLOAD, 1)
                try number(CURLOPT_INFILESIZE_LARGE, length)
            }
            if request.method != .put { try text(CURLOPT_CUSTOMREQUEST, request.method.rawValue) }
        }
    }

    /// Bytes: the least that libcurl takes, and what it has by default.
    private static let uploadRoom: ClosedRange<Int64> = 16_384...65_536

    private func setFields(_ core: OpaquePointer) throws(ClientError) {
        // R2 and others do not know `100 Continue`: nothing is waited for.
        var status = weir_transfer_field(core, "Expect:")
        if request.method == .post && request.fields["Content-Type"] == nil {
            status |= weir_transfer_field(core, "Content-Type:")
        }
        for field in request.fields.all {
            // `Name:` would take the field out.
            let line = field.value.trimmed.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)"
            status |= weir_transfer_field(core, line)
        }
        if status != 0 { throw error(.memory, "no memory for the request's head") }
    }
}
