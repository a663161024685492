import Testing
import WeirDatabase

@testable import WeirMedia

@Suite("The priority of a job")
struct PriorityTests {
    private static let older = PriorityTable(
        sizes: [
            .init(.below, 100_000, points: 50), .init(.below, 1_000_000, points: 30),
            .init(.above, 10_000_000, points: -30),
        ], kinds: [.photo: 10, .video: -10], age: .init(below: 300, points: 20))

    @Test(
        "is the base with the points of size, kind and age",
        arguments: [
            (99_999, MediaKind.photo, 0.0, 185), (100_000, .photo, 0, 165), (999_999, .photo, 59.9, 165),
            (1_000_000, .photo, 0, 135), (1_000_000, .document, 60, 100), (20_000_000, .audio, 0, 115),
            (20_000_001, .audio, 0, 95), (20_000_001, .video, 60, 70), (0, .animation, 61, 150),
        ])
    func standard(bytes: Int64, kind: MediaKind, age: Double, score: Int) {
        #expect(PriorityTable().score(bytes: bytes, kind: kind, age: age) == score)
    }

    @Test(
        "follows the older table when that is configured",
        arguments: [
            (99_999, MediaKind.photo, 299.0, 180), (10_000_000, .document, 300, 100), (10_000_001, .video, 300, 60),
            (10_000_001, .photo, 0, 100),
        ])
    func olderTable(bytes: Int64, kind: MediaKind, age: Double, score: Int) {
        #expect(Self.older.score(bytes: bytes, kind: kind, age: age) == score)
    }

    @Test("is explained by rules whose points are its sum")
    func explanation() {
        let reasons = PriorityTable().reasons(bytes: 50_000, kind: .photo, age: 3)
        #expect(
            reasons == [
                .init("base", 100), .init("bytes < 100000", 50), .init("kind = photo", 20), .init("age < 60 s", 15),
            ])
        #expect(
            PriorityTable().reasons(bytes: 30_000_000, kind: .document, age: 61) == [
                .init("base", 100), .init("bytes > 20000000", -20),
            ])
        for table in [PriorityTable(), Self.older] {
            for bytes in [0, 99_999, 100_000, 5_000_000, 40_000_000] as [Int64] {
                for kind in MediaKind.allCases {
                    for age in [0, 59, 61, 299, 301] as [Double] {
                        let sum = table.reasons(bytes: bytes, kind: kind, age: age).reduce(0) { $0 + $1.points }
                        #expect(table.score(bytes: bytes, kind: kind, age: age) == sum)
                    }
                    #expect(
                        table.score(bytes: bytes, kind: kind)
                            == table.score(bytes: bytes, kind: kind, age: table.age.below))
                }
            }
        }
    }

    @Test("stays within what the queue knows, and the table says when it would not")
    func range() {
        #expect(PriorityTable().extremes == (70, 185))
        var table = PriorityTable(base: 250)
        #expect(table.extremes == (220, 335))
        #expect(table.score(bytes: 1, kind: .photo, age: 0) == 255)
        table.base = 0
        #expect(table.score(bytes: 30_000_000, kind: .video, age: 100) == 0)
    }
}

@Suite("The schedule of retries")
struct RetryScheduleTests {
    private let schedule = RetrySchedule()

    @Test("doubles from 2 s to 300 s, and waits any part of it")
    func doubling() {
        #expect((1...10).map { schedule.ceiling($0) } == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
        #expect(schedule.decide(.transient, made: 1, random: 0.5) == .retry(after: 1, counts: true))
        #expect(schedule.decide(.transient, made: 4, random: 0.25) == .retry(after: 4, counts: true))
        #expect(schedule.decide(.transient, made: 4, random: 0) == .retry(after: 0, counts: true))
    }

    @Test("ends with the last attempt, which is the fifth or as configured")
    func attempts() {
        #expect(schedule.decide(.transient, made: 5, random: 0.5) == .dead)
        #expect(schedule.decide(.transient, made: 500, random: 0.5) == .dead)
        var longer = schedule
        longer.attempts = 8
        #expect(longer.decide(.transient, made: 7, random: 1) == .retry(after: 128, counts: true))
        #expect(longer.decide(.transient, made: 8, random: 1) == .dead)
    }

    @Test("ends at once when nothing can come of it")
    func permanent() {
        #expect(schedule.decide(.permanent, made: 1, random: 0.5) == .dead)
    }

    @Test("obeys the API's own wait, which costs no attempt, however often")
    func limited() {
        #expect(
            schedule.decide(.limited(retryAfter: 35), made: 99, random: 0.5) == .retry(after: 36, counts: false))
        #expect(schedule.decide(.limited(retryAfter: -1), made: 1, random: 0) == .retry(after: 0, counts: false))
    }
}
