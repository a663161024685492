internal import Glibc

/// A time as Signature V4 writes it: UTC, whole seconds, `20150830T123600Z`. Years 0 to 9999.
public struct SigningDate: Sendable, Hashable {
    /// Since 1970.
    public let seconds: Int64

    /// Times out of range are brought into it.
    public init(seconds: Int64) {
        self.seconds = min(max(seconds, -62_167_219_200), 253_402_300_799)
    }

    /// The system's time.
    public static var now: SigningDate {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return SigningDate(seconds: Int64(time.tv_sec))
    }

    /// Reads `20150830T123600Z`; nil when it is anything else.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == SigningDate.length, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else {
            return nil
        }
        func number(_ range: Range<Int>, _ allowed: ClosedRange<Int64>) -> Int64? {
            var number: Int64 = 0
            for byte in bytes[range] {
                guard byte >= 0x30 && byte <= 0x39 else { return nil }
                number = number * 10 + Int64(byte & 15)
            }
            return allowed.contains(number) ? number : nil
        }
        guard let year = number(0..<4, 0...9999), let month = number(4..<6, 1...12), let day = number(6..<8, 1...31),
            let hour = number(9..<11, 0...23), let minute = number(11..<13, 0...59),
            let second = number(13..<15, 0...59)
        else { return nil }
        seconds =
            SigningDate.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second
        // The 31st of June.
        if self.text != text { return nil }
    }

    /// Since 1970; the date of a scope.
    var day: Int64 { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }

    public var text: String {
        String(unsafeUninitializedCapacity: SigningDate.length) { buffer in
            write(buffer.baseAddress!)
            return SigningDate.length
        }
    }

    /// Bytes of it, and of the day at its beginning.
    static let length = 16
    static let dayLength = 8

    /// Writes `length` bytes.
    func write(_ to: UnsafeMutablePointer<UInt8>) {
        let rest = seconds - day * 86_400
        let (year, month, date) = SigningDate.civil(day)
        func digits(_ number: Int64, _ at: Int, _ count: Int) {
            var number = number
            for index in stride(from: at + count - 1, through: at, by: -1) {
                to[index] = 0x30 + UInt8(truncatingIfNeeded: number % 10)
                number /= 10
            }
        }
        digits(year, 0, 4)
        digits(month, 4, 2)
        digits(date, 6, 2)
        to[8] = UInt8(ascii: "T")
        digits(rest / 3600, 9, 2)
        digits(rest / 60 % 60, 11, 2)
        digits(rest % 60, 13, 2)
        to[15] = UInt8(ascii: "Z")
    }

    // Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin with March (H. Hinnant,
    // chrono-Compatible Low-Level Date Algorithms).

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let ofEra = year - era * 400
        let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = days + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let ofEra = days - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * ofYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, ofYear - (153 * shifted + 2) / 5 + 1)
    }
}
