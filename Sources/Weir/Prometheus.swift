internal import WeirLoop

/// A number as Prometheus reads it.
protocol PrometheusValue {
    var prometheus: String { get }
}

extension Int: PrometheusValue {
    var prometheus: String { "\(self)" }
}

extension UInt64: PrometheusValue {
    var prometheus: String { "\(self)" }
}

extension Double: PrometheusValue {
    var prometheus: String { PrometheusText.number(self) }
}

/// Metrics as Prometheus reads them: the text format 0.0.4.
struct PrometheusText {
    enum Kind: String {
        case counter, gauge, histogram
    }

    typealias Label = (name: String, value: String)

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    /// Bounds of the buckets of latencies, in seconds: 0.1 ms to 10 s.
    static let latencyBounds = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    private(set) var bytes: [UInt8] = []
    private var family = ""

    /// Begins a family; its samples follow. Once for each name.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        let help = PrometheusText.escape(help, quotes: false)
        add("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
    }

    /// A family with a sample of each subject, under its labels.
    mutating func family<Subject, Value: PrometheusValue>(
        _ name: String, _ kind: Kind, _ help: String, of subjects: [(labels: [Label], subject: Subject)],
        _ value: (Subject) -> Value
    ) {
        family(name, kind, help)
        for (labels, subject) in subjects { sample(value(subject), labels) }
    }

    mutating func sample(_ value: some PrometheusValue, _ labels: [Label] = []) {
        add(family)
        addLabels(labels)
        add(" \(value.prometheus)\n")
    }

    /// A histogram of nanoseconds, as seconds.
    mutating func sample(_ histogram: Histogram, _ labels: [Label] = []) {
        for bound in PrometheusText.latencyBounds {
            add("\(family)_bucket")
            addLabels(labels + [("le", PrometheusText.number(bound))])
            add(" \(histogram.count(upTo: UInt64(bound * 1e9)))\n")
        }
        add("\(family)_bucket")
        addLabels(labels + [("le", "+Inf")])
        add(" \(histogram.count)\n\(family)_sum")
        addLabels(labels)
        add(" \(PrometheusText.number(Double(histogram.sum) / 1e9))\n\(family)_count")
        addLabels(labels)
        add(" \(histogram.count)\n")
    }

    /// A histogram of plain numbers.
    mutating func sample(counts histogram: Histogram, bounds: [UInt64]) {
        for bound in bounds {
            add("\(family)_bucket")
            addLabels([("le", "\(bound)")])
            add(" \(histogram.count(upTo: bound))\n")
        }
        add("\(family)_bucket")
        addLabels([("le", "+Inf")])
        add(" \(histogram.count)\n\(family)_sum \(histogram.sum)\n\(family)_count \(histogram.count)\n")
    }

    /// A histogram of numbers that were recorded in parts of one.
    mutating func sample(_ histogram: Histogram, in unit: Double, bounds: [Double]) {
        for bound in bounds {
            add("\(family)_bucket")
            addLabels([("le", PrometheusText.number(bound))])
            add(" \(histogram.count(upTo: UInt64(bound * unit)))\n")
        }
        let sum = PrometheusText.number(Double(histogram.sum) / unit)
        add("\(family)_bucket")
        addLabels([("le", "+Inf")])
        add(" \(histogram.count)\n\(family)_sum \(sum)\n\(family)_count \(histogram.count)\n")
    }

    private mutating func addLabels(_ labels: [Label]) {
        if labels.isEmpty { return }
        var separator = "{"
        for label in labels {
            add("\(separator)\(label.name)=\"\(PrometheusText.escape(label.value, quotes: true))\"")
            separator = ","
        }
        add("}")
    }

    private mutating func add(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// As the format asks: backslash, line feed, and in label values the quote.
    static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}
