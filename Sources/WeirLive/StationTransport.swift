import WeirLoop

// What is particular to a transport stream: where joiners start, what they are given, and when the stream is watched.

extension Station {
    /// Where a joiner starts. As far back as is wished and kept, but not so close to the old end that the next rotation
    /// would take the bytes away before they are sent.
    func startPoint(_ warm: Warm, in track: Track) -> Track.Join {
        let wished: Double =
            switch warm {
            case .max: .infinity
            case .seconds(let seconds): seconds
            }
        let join = track.join(seconds: wished)
        let limit = safeTail
        if join.position >= limit { return join }
        let nearer = track.join(seconds: track.seconds(from: limit, to: log.head))
        return nearer.isAccess ? nearer : join
    }

    /// The oldest position to start at. Of the files it is what the next rotation leaves: a joiner that takes bytes at least
    /// as fast as they come is never overtaken by it. Of the ring, a part is left between it and the end.
    private var safeTail: UInt64 {
        let kept = cache.map { UInt64(Double($0.report.max) * Rotation.kept) } ?? 0
        let ring = UInt64(log.capacity)
        let reach = max(log.hasFiles ? kept : 0, ring - ring / JoinPoint.margin)
        return log.head - min(log.head, reach)
    }

    /// How fast a joiner may be sent so many bytes of the past; nil: as fast as it takes them.
    func pace(_ past: UInt64) -> Fanout.Pace? {
        guard track != nil, options.warm.pace == .realtime, past > 0, let rate = byteRate, rate >= 1 else { return nil }
        return Fanout.Pace(
            free: UInt64(rate * WarmOptions.firstPicture), byteRate: UInt64(rate * WarmOptions.realtimeFactor))
    }

    /// The scanner found or lost its packets, the programmes are others, or a run has its first place to start.
    func transportChanged() {
        guard let track else { return }
        if track.join(seconds: 0).isAccess {
            if !accessWaiters.isEmpty { wake(\.accessWaiters, true) }
            tellFollowersOfAccess()
        }
        let found = track.facts.programs
        guard found != programs, found.contains(where: { !$0.streams.isEmpty }) else { return }
        programs = found
        emit(.programs(found))
    }

    /// A joiner was handed over with bytes of the past before it.
    func sentWarm(_ listener: ListenerReport, past: UInt64, seat: Seat) {
        guard track != nil, past > 0 else { return }
        emit(
            .sentWarm(
                listener, bytes: past, seconds: seat.join.seconds,
                milliseconds: Double(clock.now - seat.asked) / 1e6))
    }

    // MARK: Commitment

    /// Whether the stream counts as watched: it has a listener, or an operator says so.
    public var isCommitted: Bool { cache?.isCommitted ?? false }

    /// Has the stream count as watched without listeners, or not any more. False when nothing of it is kept in files.
    @discardableResult
    public func setCommitted(_ committed: Bool) -> Bool {
        guard cache != nil else { return false }
        isCommitRequested = committed
        audienceChanged()
        updateFallback()
        return true
    }

    /// The number of listeners is another.
    func audienceChanged() { cache?.setCommitted(isCommitRequested || fanout.count > 0 || !followers.isEmpty) }
}
