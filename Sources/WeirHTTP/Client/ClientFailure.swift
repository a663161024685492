internal import CCurl
internal import CWeirHTTP

// What libcurl says, as errors.
extension ClientError {
    /// How a transfer ended; nil when it is complete.
    init?(_ state: weir_transfer_state_t, connectStatus: Int64, url: String) {
        guard state.result != CURLE_OK else { return nil }
        if state.has_sunk != 0 {
            self.init(.abandoned, url: url, reason: "nobody reads the response any more")
        } else if state.refusal == WEIR_REFUSAL_CODING {
            self.init(.malformed, url: url, reason: "the response has a transfer coding that was not asked for")
        } else if state.refusal == WEIR_REFUSAL_LENGTHS {
            self.init(.malformed, url: url, reason: "the response says several lengths that differ")
        } else if state.refusal == WEIR_REFUSAL_HEAD
            || (state.result == CURLE_OUT_OF_MEMORY && state.phase == WEIR_PHASE_WAITING)
        {
            // libcurl has no memory for a line of more than 100 KiB.
            self.init(
                .headTooLarge, url: url, reason: "the response's head is larger than \(WEIR_TRANSFER_HEAD) bytes")
        } else if connectStatus >= 300 {
            self.init(.proxy, url: url, reason: "the proxy refused with \(connectStatus)")
        } else if state.result == CURLE_UNSUPPORTED_PROTOCOL {
            // A redirect to another scheme; or an answer without a head, which passes for HTTP/0.9.
            self.init(
                state.phase == WEIR_PHASE_CONNECTING ? .url : .malformed, url: url, reason: ClientError.words(state))
        } else {
            let words = ClientError.words(state)
            // The code is that of a connection that broke.
            let isChunk = state.result == CURLE_RECV_ERROR && words.hasSuffix("in chunked-encoding")
            self.init(isChunk ? .malformed : Kind(state.result), url: url, reason: words)
        }
    }

    /// libcurl's, in a line.
    private static func words(_ state: weir_transfer_state_t) -> String {
        let own = state.reason.map { String(cString: $0) } ?? ""
        let text = own.isEmpty ? String(cString: curl_easy_strerror(state.result)) : own
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
    }
}

extension ClientError.Kind {
    init(_ code: CURLcode) {
        switch code {
        case CURLE_URL_MALFORMAT: self = .url
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .resolve
        case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED: self = .connect
        case CURLE_PROXY: self = .proxy
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
            self = .tls
        case CURLE_OPERATION_TIMEDOUT: self = .timeout(.connect)
        case CURLE_TOO_MANY_REDIRECTS: self = .tooManyRedirects
        case CURLE_SEND_FAIL_REWIND: self = .unrepeatable
        case CURLE_OUT_OF_MEMORY: self = .memory
        case CURLE_ABORTED_BY_CALLBACK, CURLE_READ_ERROR: self = .upload
        case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR: self = .closed
        default: self = .malformed
        }
    }
}
