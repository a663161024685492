import Glibc
import Testing

/// The programs of `Tests/Warm`, built when a test first asks for one.
enum Tool {
    /// The package's directory.
    static let root =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")

    private static let built = Result {
        try Peer.demand("make", "-s", "-C", root, "warm-programs", within: 2 * Pace.patience)
    }

    static func path(_ name: String) throws -> String {
        _ = try built.get()
        return "\(root)/build/warm/\(name)"
    }

    /// The stream of `source`, as a station's command in YAML.
    static func source(_ options: String...) throws -> String {
        let words = [try path("source")] + options
        return "[" + words.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
    }
}

/// The kinds of file system that a cache may lie on.
enum Place: String, CaseIterable, CustomTestStringConvertible, Sendable {
    /// Wherever temporary files are.
    case disk
    case tmpfs
    /// What containers give: reading without waiting is refused here.
    case overlay

    /// Those that can be had: the others need mounting.
    static let available: [Place] = allCases.filter { place in
        guard place != .disk else { return true }
        guard let scratch = try? Scratch(), let command = try? place.command(scratch.path, size: "1m") else {
            return false
        }
        return (try? Peer.run(command + ["true"]))?.exit == .code(0)
    }

    var testDescription: String { rawValue }

    /// What mounts it at `path`/cache, which is made, and becomes the command behind it. The mount is the command's
    /// alone and goes with it.
    func command(_ path: String, size: String = "64m") throws -> [String] {
        for name in ["cache", "lower", "upper", "work"] {
            guard mkdir("\(path)/\(name)", 0o700) == 0 else { throw Failure.system("mkdir") }
        }
        let mount =
            switch self {
            case .disk: "true"
            case .tmpfs: "mount -t tmpfs -o size=\(size) weir \(path)/cache"
            case .overlay:
                "mount -t overlay -o lowerdir=\(path)/lower,upperdir=\(path)/upper,workdir=\(path)/work weir \(path)/cache"
            }
        if self == .disk { return [] }
        let unshare = ["unshare", getuid() == 0 ? "-m" : "-rm"]
        return unshare + ["sh", "-c", "\(mount) && exec \"$@\"", "sh"]
    }
}
