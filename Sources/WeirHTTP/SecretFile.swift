internal import CLibuv
import Glibc
public import WeirLoop

/// A secret in a file of its own that Weir makes itself: the admin token, the key of signed links.
public enum SecretFile {
    /// Random bytes in a generated secret; twice as many hexadecimal digits.
    public static let bytes = 32
    /// The longest file that is read.
    public static let fileLimit = 4096
    /// Characters that a secret in a file must have: shorter ones can be guessed by trying.
    public static let least = 16

    /// Why a file that is there is not used.
    public enum Unusable: Error, Equatable, CustomStringConvertible {
        /// Others than its owner may read or write it.
        case exposed(mode: UInt32)
        case short(characters: Int)

        public var description: String {
            switch self {
            case .exposed(let mode):
                "the file has mode 0\(String(mode, radix: 8)), so that others may read or write it;"
                    + " expected 0600 (chmod 600, and a new secret if it may have been read)"
            case .short(let characters):
                "the secret in the file has \(characters) characters; expected \(SecretFile.least) or more"
                    + " (without the file a new one is made)"
            }
        }
    }

    /// A new secret: 64 hexadecimal digits from the kernel's random numbers.
    public static func generate() throws(CoreError) -> String {
        var random = [UInt8](repeating: 0, count: bytes)
        guard getentropy(&random, bytes) == 0 else { throw CoreError(errno: errno) }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: random.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The secret in a file: its first line, without white space around it; nil when there is none in it.
    public static func read(_ path: String) throws(CoreError) -> String? {
        let text = String(decoding: try LoopFile.readNow(path, limit: fileLimit), as: UTF8.self)
        let line = text.prefix { $0 != "\n" && $0 != "\r\n" && $0 != "\r" }.trimmed
        return line.isEmpty ? nil : String(line)
    }

    /// The secret in a file, which is made with a new one, readable by its owner only, when it is not there. Blocks: for
    /// the start of a program. Of two that come at once, both get the same secret. Throws `CoreError` or `Unusable`.
    public static func readOrCreate(_ path: String) throws -> String {
        for _ in 0..<2 {
            if let token = try readExisting(path) { return token }
            let token = try generate()
            do throws(CoreError) {
                try LoopFile.createNow(path, Array((token + "\n").utf8), mode: 0o600)
                return token
            } catch {
                if error != .exists { throw error }
            }
        }
        throw CoreError.exists
    }

    /// The secret in a file that nobody but its owner has access to; nil when there is no file.
    /// Throws `CoreError` or `Unusable`.
    public static func readExisting(_ path: String) throws -> String? {
        let token: String
        do throws(CoreError) {
            token = try read(path) ?? ""
        } catch {
            if error == .noEntry { return nil }
            throw error
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw CoreError(errno: errno) }
        guard status.st_mode & (S_IRWXG | S_IRWXO) == 0 else {
            throw Unusable.exposed(mode: status.st_mode & 0o7777)
        }
        guard token.count >= least else { throw Unusable.short(characters: token.count) }
        return token
    }
}
