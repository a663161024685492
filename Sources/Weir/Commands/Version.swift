internal import CLibuv
internal import CWeir
internal import WeirDatabase
internal import WeirHTTP
internal import WeirLoop

/// `weir version`: which Weir this is, and what it is made of.
enum Version {
    static let command = Command(name: "version", about: "Prints version, compiled features and library versions")

    static func run(_ console: Console) -> Int32 {
        console.output(text)
        return Program.done
    }

    static var text: String {
        """
        weir \(String(cString: weir_version_string()))
        features   \(features.isEmpty ? "none" : features.joined(separator: " "))
        libraries  \(libraries.map { "\($0.name) \($0.version)" }.joined(separator: ", "))

        """
    }

    /// Package traits that are compiled in.
    static var features: [String] {
        var features: [String] = []
        #if YAML
            features.append("YAML")
        #endif
        #if SQLite
            features.append("SQLite")
        #endif
        #if PostgreSQL
            features.append("PostgreSQL")
        #endif
        #if Redis
            features.append("Redis")
        #endif
        return features
    }

    /// As they are linked now, not as they were when this was compiled.
    static var libraries: [(name: String, version: String)] {
        var libraries = [
            (name: "libuv", version: String(cString: uv_version_string())),
            (name: "libcurl", version: ClientPool.libraryVersion),
            (name: "OpenSSL", version: TLSIdentity.library),
        ]
        #if YAML
            libraries.append((name: "libyaml", version: YAMLReader.version))
        #endif
        return libraries + DatabaseLibraries.versions
    }
}
