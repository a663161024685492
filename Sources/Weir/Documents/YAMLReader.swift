#if YAML
    internal import CYAML

    /// Reads the part of YAML that a configuration needs: one document of groups, lists and scalars. Anchors, aliases, merge
    /// keys, tags and keys that are not text are refused, each with its place; so a document is never larger in memory than
    /// on disk.
    struct YAMLReader {
        private var parser: UnsafeMutablePointer<yaml_parser_t>
        private let text: DocumentText
        /// Refusals that do not hide what follows them.
        private var faults: [DocumentFault] = []

        /// libyaml's.
        static var version: String { String(cString: yaml_get_version_string()) }

        /// The document, nil when it is empty, and everything in it that was refused.
        static func read(_ text: DocumentText) throws(DocumentFault) -> (node: Node?, faults: [DocumentFault]) {
            let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
            defer { parser.deallocate() }
            guard yaml_parser_initialize(parser) == 1 else {
                throw DocumentFault(mark: Mark(line: 1, column: 1), message: "out of memory")
            }
            defer { yaml_parser_delete(parser) }
            // libyaml keeps the pointer: the bytes stay where they are until it is deleted.
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, text.bytes.count))
            defer { bytes.deallocate() }
            bytes.initialize(from: text.bytes, count: text.bytes.count)
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, bytes, text.bytes.count)

            var reader = YAMLReader(parser: parser, text: text)
            return (try reader.stream(), reader.faults)
        }

        private init(parser: UnsafeMutablePointer<yaml_parser_t>, text: DocumentText) {
            self.parser = parser
            self.text = text
        }

        /// What the reader needs of libyaml's event, owned by Swift.
        private enum Event {
            case streamStart, streamEnd, documentStart, documentEnd
            case alias(String)
            case scalar(String, plain: Bool)
            case listStart, listEnd, mapStart, mapEnd
        }

        private mutating func next() throws(DocumentFault) -> (Event, Mark) {
            var raw = yaml_event_t()
            guard yaml_parser_parse(parser, &raw) == 1 else { throw syntax() }
            defer { yaml_event_delete(&raw) }
            let mark = Mark(line: raw.start_mark.line + 1, column: raw.start_mark.column + 1)
            switch raw.type {
            case YAML_STREAM_START_EVENT: return (.streamStart, mark)
            case YAML_STREAM_END_EVENT: return (.streamEnd, mark)
            case YAML_DOCUMENT_START_EVENT: return (.documentStart, mark)
            case YAML_DOCUMENT_END_EVENT: return (.documentEnd, mark)
            case YAML_ALIAS_EVENT: return (.alias(Self.string(raw.data.alias.anchor)), mark)
            case YAML_SCALAR_EVENT:
                let scalar = raw.data.scalar
                refuse(anchor: scalar.anchor, tag: scalar.tag, at: mark)
                let value = String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
                return (.scalar(value, plain: scalar.style == YAML_PLAIN_SCALAR_STYLE), mark)
            case YAML_SEQUENCE_START_EVENT:
                refuse(anchor: raw.data.sequence_start.anchor, tag: raw.data.sequence_start.tag, at: mark)
                return (.listStart, mark)
            case YAML_SEQUENCE_END_EVENT: return (.listEnd, mark)
            case YAML_MAPPING_START_EVENT:
                refuse(anchor: raw.data.mapping_start.anchor, tag: raw.data.mapping_start.tag, at: mark)
                return (.mapStart, mark)
            case YAML_MAPPING_END_EVENT: return (.mapEnd, mark)
            default: throw DocumentFault(mark: mark, message: "not understood")
            }
        }

        private static func string(_ pointer: UnsafePointer<yaml_char_t>?) -> String {
            pointer.map { String(cString: $0) } ?? ""
        }

        private mutating func refuse(
            anchor: UnsafePointer<yaml_char_t>?, tag: UnsafePointer<yaml_char_t>?, at mark: Mark
        ) {
            if let anchor {
                faults.append(
                    DocumentFault(
                        mark: mark, message: "anchor &\(Self.string(anchor)) is not supported; write the value out"))
            }
            if let tag {
                faults.append(DocumentFault(mark: mark, message: "tag \(Self.string(tag)) is not supported; remove it"))
            }
        }

        /// libyaml's own complaint, with what usually caused it.
        private func syntax() -> DocumentFault {
            let raw = parser.pointee
            if raw.error == YAML_READER_ERROR {
                return DocumentFault(
                    mark: text.mark(at: raw.problem_offset),
                    message: "a control character, which YAML does not allow")
            }
            let mark = Mark(line: raw.problem_mark.line + 1, column: raw.problem_mark.column + 1)
            let offset = text.offset(of: mark)
            if let offset, text.bytes[offset] == UInt8(ascii: "\t") {
                return DocumentFault(mark: mark, message: "a tab; expected spaces: YAML does not indent with tabs")
            }
            if let offset,
                text.bytes[offset] == UInt8(ascii: "%") || text.bytes[offset] == UInt8(ascii: "@")
                    || text.bytes[offset] == UInt8(ascii: "`")
            {
                return DocumentFault(
                    mark: mark,
                    message: "text cannot begin with \(Character(Unicode.Scalar(text.bytes[offset]))); put it in quotes"
                )
            }
            var message = raw.problem.map { String(cString: $0) } ?? "not YAML"
            if let context = raw.context.map({ String(cString: $0) }), raw.context_mark.line != raw.problem_mark.line {
                message += " (\(context) that began on line \(raw.context_mark.line + 1))"
            }
            return DocumentFault(mark: mark, message: "not valid YAML: \(message)")
        }

        private mutating func stream() throws(DocumentFault) -> Node? {
            var node: Node?
            var documents = 0
            while true {
                let (event, mark) = try next()
                switch event {
                case .streamEnd: return node
                case .streamStart, .documentEnd: break
                case .documentStart:
                    documents += 1
                    if documents > 1 {
                        // What follows is another configuration: not read.
                        faults.append(DocumentFault(mark: mark, message: "a second document; expected one in a file"))
                        return node
                    }
                default: node = try value(event, mark, depth: 0)
                }
            }
        }

        private mutating func value(_ event: Event, _ mark: Mark, depth: Int) throws(DocumentFault) -> Node {
            switch event {
            case .scalar(let text, let plain):
                return plain ? Node(plain: text, at: mark) : Node(text: text, at: mark)
            case .alias(let name):
                faults.append(
                    DocumentFault(mark: mark, message: "alias *\(name) is not supported; write the value out"))
                return Node(content: .refused, mark: mark)
            case .listStart: return Node(content: .list(try list(depth: try deeper(depth, mark))), mark: mark)
            case .mapStart: return Node(content: .map(try map(depth: try deeper(depth, mark))), mark: mark)
            default: throw DocumentFault(mark: mark, message: "not understood")
            }
        }

        private func deeper(_ depth: Int, _ mark: Mark) throws(DocumentFault) -> Int {
            guard depth < DocumentText.depthLimit else {
                throw DocumentFault(
                    mark: mark, message: "nested too deeply; expected at most \(DocumentText.depthLimit) levels")
            }
            return depth + 1
        }

        private mutating func list(depth: Int) throws(DocumentFault) -> [Node] {
            var nodes: [Node] = []
            while true {
                let (event, mark) = try next()
                if case .listEnd = event { return nodes }
                nodes.append(try value(event, mark, depth: depth))
            }
        }

        private mutating func map(depth: Int) throws(DocumentFault) -> [Node.Entry] {
            var entries: [Node.Entry] = []
            while true {
                let (event, mark) = try next()
                if case .mapEnd = event { return entries }
                let key = try value(event, mark, depth: depth)
                let (following, place) = try next()
                let value = try value(following, place, depth: depth)
                switch key.content {
                case .scalar("<<", .text):
                    faults.append(
                        DocumentFault(mark: mark, message: "merge key << is not supported; write the keys out"))
                case .scalar(let text, _):
                    entries.append(Node.Entry(key: text, keyMark: mark, value: value))
                case .refused: break
                case .list, .map:
                    faults.append(DocumentFault(mark: mark, message: "a key that is \(key.noun); expected a word"))
                }
            }
        }
    }

    extension DocumentText {
        /// The byte at a place; nil past the end. O(offset).
        fileprivate func offset(of mark: Mark) -> Int? {
            var at = Mark(line: 1, column: 1)
            for (offset, byte) in bytes.enumerated() where byte & 0xC0 != 0x80 {
                if at == mark { return offset }
                if byte == UInt8(ascii: "\n") {
                    at = Mark(line: at.line + 1, column: 1)
                } else {
                    at.column += 1
                }
            }
            return nil
        }
    }
#endif
