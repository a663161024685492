internal import CWeir

/// What a scanner knows of a transport stream (ISO/IEC 13818-1).
public struct TransportFacts: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// No packet is believed yet, or any more.
        case search
        case locked
        /// The last sync byte was wrong.
        case flywheel
    }

    /// A programme of the current PAT.
    public struct Program: Sendable, Equatable {
        public var number: Int
        public var pmtPID: Int
        /// Nil: the programme has no clock, or its PMT has not come yet.
        public var pcrPID: Int?
        public var streams: [Stream]

        public init(number: Int, pmtPID: Int, pcrPID: Int?, streams: [Stream]) {
            self.number = number
            self.pmtPID = pmtPID
            self.pcrPID = pcrPID
            self.streams = streams
        }
    }

    /// An elementary stream of a programme.
    public struct Stream: Sendable, Equatable {
        public var pid: Int
        /// `stream_type`, table 2-34.
        public var type: Int
        public var isVideo: Bool
        public var isAudio: Bool

        public init(pid: Int, type: Int, isVideo: Bool, isAudio: Bool) {
            self.pid = pid
            self.type = type
            self.isVideo = isVideo
            self.isAudio = isAudio
        }

        /// For people: `H.264`, `AAC`, or the number.
        public var codec: String {
            switch type {
            case 0x01: "MPEG-1 video"
            case 0x02: "MPEG-2 video"
            case 0x03, 0x04: "MPEG audio"
            case 0x06: "private data"
            case 0x0F: "AAC"
            case 0x10: "MPEG-4 video"
            case 0x11: "AAC (LATM)"
            case 0x15: "metadata"
            case 0x1B: "H.264"
            case 0x24: "HEVC"
            case 0x33: "VVC"
            case 0x81: "AC-3"
            case 0x86: "SCTE 35"
            case 0x87: "E-AC-3"
            default: "0x" + (type < 16 ? "0" : "") + String(type, radix: 16)
            }
        }
    }

    public var state: State = .search
    /// Bytes from one packet to the next in the source: 188, 192 or 204; 0 while it is not locked.
    public var stride = 0
    /// Bits a second by PCR; nil while it is not known.
    public var bitrate: Double?
    public var programs: [Program] = []
    public var packets: UInt64 = 0
    /// Packets with a bad sync byte.
    public var dropped: UInt64 = 0
    /// Bytes in no packet.
    public var skipped: UInt64 = 0
    public var syncLosses: UInt64 = 0
    public var continuityErrors: UInt64 = 0
    public var duplicates: UInt64 = 0
    /// Packets with `transport_error_indicator`.
    public var transportErrors: UInt64 = 0
    /// PAT and PMT sections with a wrong CRC.
    public var badSections: UInt64 = 0
    public var accessPoints: UInt64 = 0
    /// Times that what came did not continue what was before: discontinuity packets in the log say so.
    public var gaps: UInt64 = 0

    public init() {}
}

extension TransportFacts.Program {
    init(_ core: weir_ts_program_t) {
        number = Int(core.number)
        pmtPID = Int(core.pmt_pid)
        pcrPID = core.is_known == 0 || core.pcr_pid == UInt16(WEIR_TS_NO_PID) ? nil : Int(core.pcr_pid)
        streams = withUnsafeBytes(of: core.stream) { bytes in
            bytes.bindMemory(to: weir_ts_stream_t.self).prefix(Int(core.streams)).map(TransportFacts.Stream.init)
        }
    }
}

extension TransportFacts.Stream {
    init(_ core: weir_ts_stream_t) {
        pid = Int(core.pid)
        type = Int(core.type)
        isVideo = core.is_video != 0
        isAudio = core.is_audio != 0
    }
}

extension TransportFacts.State {
    init(_ core: weir_ts_state_t) {
        switch core {
        case WEIR_TS_LOCKED: self = .locked
        case WEIR_TS_FLYWHEEL: self = .flywheel
        default: self = .search
        }
    }
}
