/// A growing ring of jobs: first in, first out, no allocation while it is large enough. Not synchronised.
struct JobRing {
    /// Jobs that fit without growing; also what it shrinks back to.
    static let initialCapacity = 1024

    private var slots = UnsafeMutablePointer<UnownedJob>.allocate(capacity: JobRing.initialCapacity)
    private var mask = JobRing.initialCapacity - 1
    private var head = 0
    private var tail = 0

    var isEmpty: Bool { head == tail }
    var count: Int { tail &- head }

    /// - Complexity: O(1) amortised.
    @inline(__always)
    mutating func push(_ job: UnownedJob) {
        if tail &- head > mask { resize(to: (mask + 1) * 2) }
        (slots + (tail & mask)).initialize(to: job)
        tail &+= 1
    }

    /// - Complexity: O(1).
    @inline(__always)
    mutating func pop() -> UnownedJob? {
        if head == tail { return nil }
        let job = (slots + (head & mask)).move()
        head &+= 1
        return job
    }

    /// Gives back what a burst took; only when empty.
    mutating func shrink() {
        if isEmpty && mask >= JobRing.initialCapacity { resize(to: JobRing.initialCapacity) }
    }

    private mutating func resize(to capacity: Int) {
        let count = tail &- head
        let larger = UnsafeMutablePointer<UnownedJob>.allocate(capacity: capacity)
        for index in 0..<count {
            (larger + index).initialize(to: (slots + ((head &+ index) & mask)).move())
        }
        slots.deallocate()
        slots = larger
        mask = capacity - 1
        head = 0
        tail = count
    }
}
