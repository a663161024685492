// The stream is pulled from elsewhere: what the origin says of it, for those who ask and those who listen.
extension Station {
    func originAnswered(_ answer: OriginAnswer) {
        origin = answer
        emit(.connected(answer))
    }

    /// The origin says what is played.
    func originPlays(_ text: [UInt8]) {
        guard let title = StreamTitle.parse(text) else { return }
        isTitleOrigins = true
        setTitle(title)
    }

    /// The run is over: what its origin said is not true any more.
    func originLeft() {
        origin = nil
        if isTitleOrigins { setTitle(nil) }
        isTitleOrigins = false
    }

    /// `Via` of what listeners are sent: nil where the stream begins here.
    public var via: String? {
        guard case .http = options.source else { return nil }
        return ((origin?.via ?? []) + [Relay.hop(name)]).joined(separator: ", ")
    }

    var originReport: OriginReport? {
        guard case .http(let origin) = options.source else { return nil }
        return OriginReport(url: origin.description, answer: self.origin)
    }
}
