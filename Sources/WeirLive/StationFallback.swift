import WeirLoop

// While a station has no source of its own, another one of the same format is played. Those who listen stay where they are:
// same log, same places, same limits. The station itself is the one that listens to the other: a feed of the core copies
// whole units from that one's log into its own, until the source has a byte again.

/// What a station knows of the one that it plays while its source is away.
struct Fallback {
    /// Which one that is; nil: none.
    var other: Station?
    /// This station counts among those who want to hear the other one.
    var isFollowing = false
    var feed: Feed?
    /// Units of the other one are in the log, and nothing has come after them.
    var isPlaying = false
    /// The source has written last, and may go on within a unit.
    var isSourceWriting = false
    /// The source came to its end, and those who listen were left to the other one.
    var isInheriting = false
    /// Nobody listens any more, and the other one is heard for a while yet.
    var isLingering = false
    /// The other one's beginning of a picture is waited for, or was for long enough.
    var isAwaitingAccess = false
    var isAccessOverdue = false
    /// Times that the other one was begun to be played.
    var switches: UInt64 = 0
    /// Of former feeds.
    var formerBytes: UInt64 = 0
}

extension Station {
    /// Whether bytes come, of the source or of the station that is played instead.
    public var isDelivering: Bool {
        state == .live || fallback.isPlaying && fallback.other?.isDelivering == true
    }

    /// The name of the station that is played in place of the source now; nil: none.
    public var fallbackName: String? { fallback.isPlaying ? fallback.other?.name : nil }

    /// Times that another station was begun to be played in place of the source.
    public var fallbackSwitches: UInt64 { fallback.switches }

    /// Bytes of other stations' streams that were played in place of the source.
    public var fallbackBytes: UInt64 { fallback.formerBytes + (fallback.feed?.bytes ?? 0) }

    /// Whether there is another station that can be heard while the source is away, or can be hoped for.
    var isBacked: Bool {
        guard let other = fallback.other, mayFallBack, other.format == format, !other.isClosing else { return false }
        return other.supervision.isPromising || other.isPromised || other.isBacked
    }

    private var mayFallBack: Bool { !isClosing && !isHeldBack && !supervision.isOff }

    /// Which station is played while the source is away; nil: none. Not one that plays this one, over however many steps.
    func setFallback(_ other: Station?) {
        if other === fallback.other { return }
        leaveFallback()
        fallback.other = other
        updateFallback()
        endInheritance()
    }

    /// Has the other station play, or not any more, as is fitting now.
    func updateFallback() {
        guard let other = fallback.other, mayFallBack, state != .live, other.format == format else {
            return leaveFallback()
        }
        // To count as watched starts no source: not the one of an on-demand station, and none in its place.
        let isKept = isCommitRequested && options.autostart != .onDemand
        if demand + followers.count > 0 || isKept {
            endLinger()
            follow(other)
        } else if fallback.isFollowing && !fallback.isLingering {
            fallback.isLingering = true
            fallbackTimer.schedule(at: clock.deadline(after: options.linger)) { [weak self] in self?.leaveFallback() }
        }
    }

    private func follow(_ other: Station) {
        if !fallback.isFollowing {
            fallback.isFollowing = true
            other.followers.append(self)
            other.followersChanged()
        }
        openFeed()
    }

    func leaveFallback() {
        endLinger()
        closeFeed()
        accessTimer.stop()
        fallback.isAwaitingAccess = false
        fallback.isAccessOverdue = false
        guard fallback.isFollowing, let other = fallback.other else { return }
        fallback.isFollowing = false
        other.followers.removeAll { $0 === self }
        other.followersChanged()
    }

    private func endLinger() {
        fallback.isLingering = false
        fallbackTimer.stop()
    }

    private func followersChanged() {
        if isClosing { return }
        audienceChanged()
        demandChanged()
    }

    // MARK: The feed

    /// Begins to play the other station when it delivers, and the source does not; with the first that came when it has
    /// only just `begun`.
    private func openFeed(begun: Bool = false) {
        guard let other = fallback.other, fallback.isFollowing, fallback.feed == nil, !fallback.isSourceWriting,
            other.isDelivering, other.format == format
        else { return }
        var start: (position: UInt64, tables: [UInt8]) = (.max, [])
        if begun { start.position = max(other.restingHead, other.log.tail) }
        if let track = other.track {
            let join = track.join(seconds: 0)
            guard join.isAccess || fallback.isAccessOverdue else { return waitForAccess() }
            start = (join.position, join.preamble)
        }
        accessTimer.stop()
        fallback.isAwaitingAccess = false
        run?.yield()
        if let cache { spawn { await cache.open() } }
        do {
            fallback.feed = try feed(from: other, start.position, start.tables)
        } catch .behind {
            // The picture lies in files only: the tables are there, and the next one comes.
            fallback.feed = try? feed(from: other, .max, start.tables)
        } catch {
            emit(.fallbackFailed(other.name, error: error.description))
        }
        if fallback.feed != nil && format.byteRate == nil { watchRate() }
    }

    private func feed(from other: Station, _ position: UInt64, _ tables: [UInt8]) throws(CoreError) -> Feed {
        try Feed(from: other.fanout, position: position, preamble: tables, to: fanout, track: track) { [weak self] in
            self?.fallbackBegan()
        }
    }

    /// As a joiner does: at its deadline it begins wherever the stream is.
    private func waitForAccess() {
        if fallback.isAwaitingAccess { return }
        fallback.isAwaitingAccess = true
        accessTimer.schedule(at: clock.deadline(after: options.startTimeout)) { [weak self] in
            self?.fallback.isAccessOverdue = true
            self?.openFeed()
        }
    }

    private func fallbackBegan() {
        guard let other = fallback.other else { return }
        fallback.isPlaying = true
        fallback.switches += 1
        fixFormat()
        emit(.fallback(other.name, state: state))
        tellTitle()
        wake(true)
        tellFollowers()
    }

    /// The source writes the log again, or nobody does.
    private func closeFeed() {
        guard let feed = fallback.feed else { return }
        fallback.formerBytes += feed.bytes
        feed.close()
        fallback.feed = nil
        logRests()
        if run == nil { stopWatchingRate() }
        guard fallback.isPlaying else { return }
        fallback.isPlaying = false
        emit(.fallback(nil, state: state))
        tellTitle()
    }

    /// The source's next byte goes into the log when this returns.
    func sourceReturns() {
        closeFeed()
        fallback.isSourceWriting = true
    }

    /// What comes does not continue what was; while another station is played, nothing of the source's is on its way.
    func gap() {
        if fallback.feed == nil { track?.gap() }
    }

    // MARK: From the other station

    /// Bytes come here, of the source or of the station played instead.
    func tellFollowers() {
        for follower in followers { follower.otherDelivers() }
    }

    private func otherDelivers() {
        openFeed(begun: true)
        if fallback.isPlaying { wake(true) }
    }

    /// A place to begin was found in the stream here.
    func tellFollowersOfAccess() {
        for follower in followers { follower.openFeed() }
    }

    /// The log is about to be another, or nobody's.
    func cutFollowers() {
        closeFeed()
        for follower in followers { follower.closeFeed() }
    }

    /// The format is another.
    func tellFollowersOfFormat() {
        for follower in followers where follower.format != format {
            let error = "it is \(format.text) now, and this station \(follower.format.text)"
            follower.emit(.fallbackFailed(name, error: error))
            follower.leaveFallback()
            follower.endInheritance()
        }
        updateFallback()
    }

    /// No bytes are to be hoped for from here.
    func tellFollowersOfStop() {
        for follower in followers { follower.endInheritance() }
    }

    /// Nothing is to be had from here any more.
    func releaseFollowers() {
        for follower in followers {
            follower.leaveFallback()
            follower.fallback.other = nil
            follower.endInheritance()
        }
    }

    // MARK: The source's end

    /// The programme is over; those who listen are left to the other station, if there is one. False when not.
    func inherit() -> Bool {
        fallback.isInheriting = isBacked
        return fallback.isInheriting
    }

    /// Ends those who were left to the other station when that is off the air, too.
    private func endInheritance() {
        guard fallback.isInheriting, !isBacked, !isClosing else { return }
        fallback.isInheriting = false
        wake(false)
        fanout.end(.shutdown)
        // Who has this one for a fallback hears as much of it.
        tellFollowersOfStop()
    }
}

extension StationOptions.Format {
    /// For people: `pcm s16le 48000 Hz 2 ch`.
    var text: String {
        switch self {
        case .pcm(let pcm): "pcm \(pcm)"
        case .ts, .raw: name
        }
    }
}
