internal import CWeir

/// An error number of the C core or of libuv: negative, with the text that belongs to it.
public struct CoreError: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The error behind a positive `errno`.
    public init(errno number: Int32) {
        self.init(rawValue: -number)
    }

    /// Throws when a core function returned a negative value.
    @inline(__always)
    static func check(_ result: Int32) throws(CoreError) {
        if result < 0 { throw CoreError(rawValue: result) }
    }

    /// The symbolic name, such as `EADDRINUSE` or `EFORMAT`.
    public var name: String { String(cString: weir_err_name(rawValue)) }

    /// A sentence in English without a full stop.
    public var description: String { String(cString: weir_strerror(rawValue)) }

    /// There is an engine in this process already.
    public static let busy = CoreError(rawValue: UV_EBUSY.rawValue)
    /// What was used is closed.
    public static let closed = CoreError(rawValue: UV_ECANCELED.rawValue)
    public static let noEntry = CoreError(rawValue: UV_ENOENT.rawValue)
    public static let exists = CoreError(rawValue: UV_EEXIST.rawValue)
    public static let tooLarge = CoreError(rawValue: UV_EFBIG.rawValue)
    public static let addressInUse = CoreError(rawValue: UV_EADDRINUSE.rawValue)
    public static let connectionReset = CoreError(rawValue: UV_ECONNRESET.rawValue)
    public static let invalid = CoreError(rawValue: UV_EINVAL.rawValue)
    /// A position is older than what a log keeps.
    public static let behind = CoreError(rawValue: WEIR_EBEHIND.rawValue)
    /// A source's format differs from the running stream's.
    public static let format = CoreError(rawValue: WEIR_EFORMAT.rawValue)
    /// What a source delivers is no transport stream.
    public static let notTransport = CoreError(rawValue: WEIR_ENOTTS.rawValue)
    /// A source begins with a WAV header that is damaged, or of a format that is not supported.
    public static let wavHeader = CoreError(rawValue: WEIR_EWAVHEADER.rawValue)
    public static let wavFormat = CoreError(rawValue: WEIR_EWAVFORMAT.rawValue)
    /// A message is malformed.
    public static let http = CoreError(rawValue: WEIR_EHTTP.rawValue)
    /// An option is out of its range.
    public static let option = CoreError(rawValue: WEIR_EOPTION.rawValue)
}

/// Handles that were still open when a loop was to end: a mistake in the code that made them.
public struct HandlesLeft: Error, Equatable, Sendable, CustomStringConvertible {
    /// libuv's names of their types, such as `timer`.
    public let types: [String]

    public var description: String { "the loop still has handles: \(types.joined(separator: ", "))" }
}
