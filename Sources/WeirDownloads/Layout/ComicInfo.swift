/// The `ComicInfo.xml` of a CBZ, by which readers know what they have: title, series and how many pages.
enum ComicInfo {
    static let name = "ComicInfo.xml"

    static func document(title: String, series: String?, pages: Int) -> [UInt8] {
        var text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ComicInfo>\n"
        text += "  <Title>\(escaped(title))</Title>\n"
        if let series { text += "  <Series>\(escaped(series))</Series>\n" }
        text += "  <PageCount>\(pages)</PageCount>\n</ComicInfo>\n"
        return Array(text.utf8)
    }

    /// XML 1.0 cannot have control characters at all, nor two that are none.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\u{FFFE}", "\u{FFFF}": break
            case "\t", "\n", "\r", " ": escaped += " "
            case _ where scalar.value < 0x20: break
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
