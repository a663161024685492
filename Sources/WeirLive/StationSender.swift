public import WeirLoop

// A client sends the stream. While none does, the station is idle, and those who listen stay: as with any other source
// that comes and goes, they hear the next one, from its first byte on.
extension Station {
    /// Whether somebody who came now could send, without letting them.
    public func lookForSender() throws(SenderRefusal) {
        guard case .push = options.source else { throw .unsuitable(kind: options.source.kind) }
        if let sender { throw .taken(sender) }
        if run == nil || isClosing || state == .stopped { throw .stopped }
    }

    /// Takes a client's stream; its socket is the station's when this returns, and the caller's when it throws.
    /// `whenLeft` is called when it has sent all, or is not listened to any more, with the bytes that it had sent.
    public func send(
        _ body: Source.Body, from sender: Sender, whenLeft: @escaping @LoopActor (SenderEnding, UInt64) -> Void
    ) throws(SenderRefusal) {
        try lookForSender()
        guard let run else { throw .stopped }
        let before = receivedBytes
        do {
            try run.accept(body)
        } catch {
            throw .failed(error)
        }
        self.sender = sender
        presence = Presence(came: clock.now, position: before, whenLeft: whenLeft)
        setTitle(nil)
        note(error: nil)
        emit(.senderCame(sender))
        handle(.writerCame)
        watchSilence()
    }

    /// Nothing is done when nobody was there.
    func senderLeft(_ ending: SenderEnding) {
        guard let sender, let presence else { return }
        self.sender = nil
        self.presence = nil
        if let error = ending.error { note(error: error) }
        let bytes = receivedBytes - presence.position
        let seconds = Double(clock.now - min(clock.now, presence.came)) / 1e9
        emit(.senderLeft(sender, bytes: bytes, seconds: seconds, reason: ending))
        presence.whenLeft(ending, bytes)
        setTitle(nil)
    }

    var senderReport: SenderReport? {
        guard let sender, let presence else { return nil }
        return SenderReport(sender: sender, bytes: receivedBytes - presence.position)
    }

    /// What the station's own stream is called from now on, for listeners that asked for titles; nil: nobody says.
    public func setTitle(_ title: String?) {
        let title = title?.isEmpty == true ? nil : title.map { String($0.prefix(Station.titleLimit)) }
        guard title != self.title, !isClosing else { return }
        self.title = title
        if !fallback.isPlaying { tellTitle() }
        emit(.title(title))
    }

    /// What is heard is called: by the station that is played in place of the source, while one is.
    public var heardTitle: String? { fallback.isPlaying ? fallback.other?.heardTitle : title }

    /// Tells those who listen what they hear now, here and where this station is played instead.
    func tellTitle() {
        // Without memory listeners go on with the title they had.
        if !isClosing { try? fanout.setTitle(heardTitle) }
        for follower in followers where follower.fallback.isPlaying { follower.tellTitle() }
    }

    /// Characters of a title that are kept.
    static let titleLimit = 1000

    /// What the name of a station is in a player: what its sender or its origin calls it, or its own.
    public var displayName: String { sender?.name ?? origin?.name ?? name }
}

/// A client's time at a station.
struct Presence {
    /// The clock's nanoseconds.
    let came: UInt64
    /// Bytes that the station had received before.
    let position: UInt64
    let whenLeft: @LoopActor (SenderEnding, UInt64) -> Void
}

/// What a listener's body is wrapped in.
public struct Wrapping: Sendable, Equatable {
    /// ICY titles, which the listener asked for.
    public var hasTitles: Bool
    public var isChunked: Bool

    public init(hasTitles: Bool = false, isChunked: Bool = false) {
        self.hasTitles = hasTitles
        self.isChunked = isChunked
    }

    /// Bytes of body between two titles: Icecast's, which players know.
    public static let titleInterval = 16000

    func framing(head: Int) -> Fanout.Framing? {
        guard hasTitles || isChunked else { return nil }
        return Fanout.Framing(head: head, titleInterval: hasTitles ? Wrapping.titleInterval : 0, isChunked: isChunked)
    }
}
