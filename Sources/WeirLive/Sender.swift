public import WeirLoop

/// Who may send a stream to a station: clients of Icecast give a user and a password.
public struct PushAccess: Sendable, Equatable, CustomStringConvertible {
    /// The user of clients that cannot name another.
    public static let standardUser = "source"

    public var user: String
    /// nil: only whoever has the admin token.
    public var password: String?

    public init(user: String = standardUser, password: String? = nil) {
        self.user = user
        self.password = password
    }

    /// Without the password.
    public var description: String { user }
}

/// A client that sends a station its stream, as it presented itself.
public struct Sender: Sendable, Equatable {
    /// The longest text that is kept of what it says, in characters.
    public static let textLimit = 200

    public let address: String
    public let agent: String?
    /// `ice-name`, `ice-audio-info`.
    public let name: String?
    public let audio: String?
    /// Nanoseconds since 1970 when it came.
    public let since: Int64

    public init(address: String, agent: String?, name: String?, audio: String?) {
        func cut(_ text: String?) -> String? { text.map { String($0.prefix(Sender.textLimit)) } }
        self.address = address
        self.agent = cut(agent)
        self.name = cut(name)
        self.audio = cut(audio)
        since = WallClock.now
    }
}

/// A client that sends, and how much it has.
public struct SenderReport: Sendable {
    public var sender: Sender
    public var bytes: UInt64
}

/// Why a client sends no more.
public enum SenderEnding: Error, Sendable, Equatable {
    /// The body was over, or the connection of one without an end.
    case finished
    /// The connection of a body without an end was reset: it was cut, or its client left its answer unread.
    case reset
    /// The connection failed, or ended within a body.
    case lost(String)
    /// The stream is not what the station plays.
    case refused(String)
    /// The body's coding is broken.
    case malformed(String)
    /// No byte came for `stall_timeout`.
    case silent(String)
    /// The station went off the air.
    case stopped

    /// The word in logs.
    public var name: String {
        switch self {
        case .finished: "finished"
        case .reset: "reset"
        case .lost: "lost"
        case .refused: "refused"
        case .malformed: "malformed"
        case .silent: "silent"
        case .stopped: "stopped"
        }
    }

    /// What went wrong; nil when nothing did.
    public var error: String? {
        switch self {
        case .finished, .reset, .stopped: nil
        case .lost(let why), .refused(let why), .malformed(let why), .silent(let why): why
        }
    }
}

/// Why nobody can send to a station now.
public enum SenderRefusal: Error, Sendable, Equatable {
    /// Its source is of another kind.
    case unsuitable(kind: String)
    /// Somebody does already.
    case taken(Sender)
    /// It is off the air.
    case stopped
    /// There is no descriptor or memory left.
    case failed(CoreError)
}
