/// Why a database did not do what it was asked.
public struct DatabaseError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// What `database` says cannot be.
        case url
        /// An argument cannot be.
        case argument
        /// This Weir was built without it.
        case unsupported
        /// Another engine has the file.
        case locked
        /// The schema is of a newer Weir.
        case newerSchema
        /// No connection, or it broke; tried again by itself at the next call.
        case unavailable
        /// User, password or rights.
        case denied
        /// It took too long.
        case timeout
        /// Others are writing; worth trying again.
        case busy
        case diskFull
        /// The disk failed, or the file may not be written.
        case file
        /// What is stored is not what was stored.
        case damaged
        /// That many jobs are warming already.
        case backlogFull
        /// More calls wait than may.
        case overloaded
        case closed
        /// The database refused for another reason: a mistake in Weir or its schema.
        case refused
    }

    public let kind: Kind
    /// SQLite's extended result code, or PostgreSQL's SQLSTATE; nil when it is neither's.
    public let code: String?
    /// A sentence without a full stop. Never a password.
    public let message: String
    /// Of `.url`: what would have been right.
    public let expected: String?
    /// A write was on its way when the connection broke: it may have been done, or not.
    public let outcomeIsUnknown: Bool

    init(
        _ kind: Kind, code: String? = nil, outcomeIsUnknown: Bool = false, _ message: String, expected: String? = nil
    ) {
        self.kind = kind
        self.code = code
        self.message = message
        self.expected = expected
        self.outcomeIsUnknown = outcomeIsUnknown
    }

    /// Whether the same call may succeed later with nobody changing anything but the world around.
    public var isTransient: Bool {
        switch kind {
        case .unavailable, .timeout, .busy, .diskFull, .overloaded, .backlogFull: true
        default: false
        }
    }

    /// Whether it says something about the database, and not about the call.
    var isOfTheDatabase: Bool {
        switch kind {
        case .argument, .backlogFull, .closed: false
        default: true
        }
    }

    public var description: String {
        message + (expected.map { "; expected \($0)" } ?? "") + (code.map { " (\($0))" } ?? "")
    }
}
