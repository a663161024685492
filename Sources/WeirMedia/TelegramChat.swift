/// Where a message goes: a chat's number, or a public channel's name.
public enum TelegramChat: Sendable, Hashable, CustomStringConvertible {
    /// Of a private chat it is positive, of groups and channels negative; at most 52 bits.
    case number(Int64)
    /// `@channel`, with the at sign.
    case name(String)

    /// Characters of a name, the at sign not counted.
    public static let nameLengths = 4...32

    /// `42`, `-1001234567890` or `@channel`; nil for anything else.
    public init?(_ text: String) {
        if let number = Int64(text), number != 0 {
            self = .number(number)
            return
        }
        let name = text.utf8.dropFirst()
        guard text.utf8.first == UInt8(ascii: "@"), TelegramChat.nameLengths.contains(name.count),
            name.allSatisfy({ TelegramChat.isNamed($0) })
        else { return nil }
        self = .name(text)
    }

    /// Groups and channels have a limit of their own; only channels and groups have names here.
    public var isGroup: Bool {
        switch self {
        case .number(let number): number < 0
        case .name: true
        }
    }

    public var description: String {
        switch self {
        case .number(let number): String(number)
        case .name(let name): name
        }
    }

    private static func isNamed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
