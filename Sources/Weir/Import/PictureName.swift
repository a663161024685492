/// Which files of a chapter are its pages, by their names.
enum PictureName {
    private static let types = [
        "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
        "avif": "image/avif",
    ]

    /// `image/jpeg`; nil when it is no picture, or a hidden file, such as those that macOS puts into archives.
    static func type(of path: String) -> String? {
        let parts = path.split(separator: "/")
        guard let name = parts.last, !parts.contains(where: { $0.hasPrefix(".") || $0 == "__MACOSX" }),
            let dot = name.lastIndex(of: ".")
        else { return nil }
        return types[name[name.index(after: dot)...].lowercased()]
    }

    /// The last part of a path.
    static func last(_ path: String) -> String { path.split(separator: "/").last.map { String($0) } ?? path }
}
