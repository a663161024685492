internal import CWeir

/// What an elementary stream carries, by its `stream_type`: ISO/IEC 13818-1 table 2-34, and the types that ATSC,
/// Blu-ray and others have taken from 0x80 on.
struct StreamCodec: Equatable {
    /// `video`, `audio` or `data`.
    let kind: String
    /// nil: a type without a name here.
    let name: String?

    init(type: UInt8) {
        (kind, name) = StreamCodec.known[type].map { ($0.0, $0.1) } ?? ("data", nil)
    }

    private static let known: [UInt8: (String, String)] = [
        0x01: ("video", "MPEG-1"), 0x02: ("video", "MPEG-2"), 0x10: ("video", "MPEG-4"), 0x1B: ("video", "H.264"),
        0x20: ("video", "H.264 MVC"), 0x21: ("video", "JPEG 2000"), 0x24: ("video", "HEVC"), 0x33: ("video", "VVC"),
        0x42: ("video", "AVS"), 0xD1: ("video", "Dirac"), 0xD2: ("video", "AVS2"), 0xEA: ("video", "VC-1"),
        0x03: ("audio", "MPEG-1"), 0x04: ("audio", "MPEG-2"), 0x0F: ("audio", "AAC"), 0x11: ("audio", "AAC LATM"),
        0x1C: ("audio", "AAC, raw"), 0x2D: ("audio", "MPEG-H"), 0x80: ("audio", "LPCM"), 0x81: ("audio", "AC-3"),
        0x82: ("audio", "DTS"), 0x83: ("audio", "TrueHD"), 0x84: ("audio", "E-AC-3"), 0x85: ("audio", "DTS-HD"),
        0x86: ("audio", "DTS-HD MA"), 0x87: ("audio", "E-AC-3"),
        0x05: ("data", "private sections"), 0x06: ("data", "private PES"), 0x0D: ("data", "DSM-CC"),
        0x15: ("data", "metadata"), 0x90: ("data", "PGS subtitles"),
    ]
}

/// What the packets of a PID are.
struct PIDRole: Equatable {
    /// `psi`, `video`, `audio`, `data`, `clock`, `null` or `unknown`.
    let kind: String
    let name: String

    /// PIDs with a meaning of their own, of ISO/IEC 13818-1 table 2-3 and ETSI EN 300 468 table 1.
    private static let reserved: [UInt16: String] = [
        0x00: "PAT", 0x01: "CAT", 0x02: "TSDT", 0x10: "NIT", 0x11: "SDT", 0x12: "EIT", 0x13: "RST", 0x14: "TDT",
    ]

    init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    /// Of one that no programme names.
    init(unlisted pid: UInt16) {
        if pid == UInt16(WEIR_TS_NO_PID) {
            self.init(kind: "null", name: "null packets")
        } else if let name = PIDRole.reserved[pid] {
            self.init(kind: "psi", name: name)
        } else {
            self.init(kind: "unknown", name: "in no PMT")
        }
    }

    /// Of those that programmes name. A PID that several name is what the first says.
    static func roles(of programs: [ScanReport.Program]) -> [UInt16: PIDRole] {
        var roles: [UInt16: PIDRole] = [:]
        for program in programs {
            let kind = "PMT of programme \(program.number)"
            // Programme 0 is no programme: its PID is the network information's.
            let table = PIDRole(kind: "psi", name: program.number == 0 ? "NIT" : kind)
            roles.merge([program.pmt: table]) { first, _ in first }
            for stream in program.streams {
                let codec = stream.codec
                let name = codec.name ?? "type \(ScanText.hex(stream.type))"
                roles.merge([stream.pid: PIDRole(kind: codec.kind, name: name)]) { first, _ in first }
            }
            if let pcr = program.pcr {
                roles.merge([pcr: PIDRole(kind: "clock", name: "clock")]) { first, _ in first }
            }
        }
        return roles
    }
}
