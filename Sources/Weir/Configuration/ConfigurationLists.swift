extension ConfigurationType {
    /// A list; with `alone`, a single element may stand without brackets. Elsewhere than in a file, commas separate; an option that
    /// may be repeated has an element each time, commas and all.
    static func list<Element: Sendable>(
        of element: ConfigurationType<Element>, noun: String, expected: String, alone: Bool
    ) -> Self where Value == [Element] {
        Self(
            noun: noun, expected: expected,
            read: { node, faults in
                let nodes: [Node]
                switch node.content {
                case .list(let list): nodes = list
                case .scalar(_, let kind) where alone && kind != .null: nodes = [node]
                case .refused: return nil
                default:
                    var fault = ConfigurationFault.of(node)
                    fault.expected = expected
                    fault.hint = ""
                    fault.mark = node.mark
                    faults.append(fault)
                    return nil
                }
                var values: [Element] = []
                for (index, item) in nodes.enumerated() {
                    if case .refused = item.content { continue }
                    let before = faults.count
                    if let value = element.read(item, &faults) { values.append(value) }
                    for fault in before..<faults.count where item.mark != node.mark || nodes.count > 1 {
                        faults[fault].index = "[\(index)]"
                    }
                }
                return values.count == nodes.count ? values : nil
            },
            write: { values in
                let words = values.map(element.write)
                return alone && words.count == 1 ? words[0] : "[\(words.joined(separator: ", "))]"
            },
            parse: { text in
                Node(
                    content: .list(text.split(separator: ",").map { element.parse(String($0).trimmed) }), mark: nowhere)
            },
            parseEach: { texts in Node(content: .list(texts.map(element.parse)), mark: nowhere) })
    }
}

extension ConfigurationType where Value == [String: String] {
    /// Names with values, as the environment of a process has them.
    static var variables: Self {
        let expected = "names with values, such as { TZ: UTC }"
        return Self(
            noun: "names with values", expected: expected,
            read: { node, faults in
                guard case .map(let entries) = node.content else {
                    if case .refused = node.content { return nil }
                    var fault = ConfigurationFault.of(node)
                    fault.expected = expected
                    fault.hint = ""
                    fault.mark = node.mark
                    faults.append(fault)
                    return nil
                }
                var variables: [String: String] = [:]
                let before = faults.count
                for entry in entries {
                    if entry.key.isEmpty || entry.key.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 }) {
                        faults.append(
                            ConfigurationFault(
                                wrong: "\(quoted(entry.key)) cannot be a variable's name", expected: "a name without =",
                                mark: entry.keyMark))
                    }
                    let mistakes = faults.count
                    if let value = ConfigurationType<String>.argument.read(entry.value, &faults) {
                        variables[entry.key] = value
                    }
                    for fault in mistakes..<faults.count { faults[fault].index = ".\(entry.key)" }
                }
                return faults.count == before ? variables : nil
            },
            write: { variables in
                "{\(variables.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}"
            },
            parse: { Node(text: $0, at: nowhere) })
    }
}
