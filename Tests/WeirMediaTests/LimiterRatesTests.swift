import Testing
import WeirMedia

@Suite struct LimiterRatesTests {
    /// Warm-up chats as the readme counts them.
    static let cases: [(chats: Int, areGroups: Bool, perMinute: Double)] = [
        (1, false, 60), (3, false, 180), (8, true, 160), (25, false, 1500), (75, true, 1500), (40, false, 1800),
        (100, true, 1800), (0, false, 0),
    ]

    @Test(arguments: cases)
    func moreChatsRaiseTheCapUntilTheBotsLimit(chats: Int, areGroups: Bool, perMinute: Double) {
        let chats = (0..<chats).map { TelegramChat.number(areGroups ? -1000 - Int64($0) : 1000 + Int64($0)) }
        #expect(LimiterRates().cap(chats) == perMinute)
    }

    @Test func aChatCountsOnce() {
        #expect(LimiterRates().cap([.number(7), .number(7)]) == 60)
    }
}
