import Glibc
import Testing

@testable import Weir

/// The project's own files, as the tests read them.
enum Project {
    static let root: String = {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    static func bytes(_ path: String) throws -> [UInt8] {
        try FileBytes.read("\(root)/\(path)", limit: 1 << 22)
    }

    static func text(_ path: String) throws -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }
}

/// A directory that goes away with its test.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/weir-tests-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    /// Writes a file, and returns its path.
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        try write(name, Array(text.utf8), mode: mode)
    }

    func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = try #require(open(file, O_WRONLY | O_CREAT | O_TRUNC, mode) as Int32?)
        defer { close(descriptor) }
        #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        #expect(fchmod(descriptor, mode) == 0)
        return file
    }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink("\(path)/\(name)") }
            }
            closedir(directory)
        }
        rmdir(path)
    }
}

/// What came of a document given as text, without environment and options.
func load(_ text: String, named name: String = "weir.yml") throws -> ConfigurationOutcome {
    let directory = try TemporaryDirectory()
    let file = try directory.write(name, text)
    return withExtendedLifetime(directory) { ConfigurationSource(file: file).load() }
}

extension ConfigurationOutcome {
    /// The problems without the file's directory.
    var lines: [String] {
        problems.map { problem in
            var problem = problem
            switch problem.origin {
            case .file: problem.origin = .file("weir.yml")
            case .place(_, let mark): problem.origin = .place("weir.yml", mark)
            default: break
            }
            return problem.description
        }
    }
}
