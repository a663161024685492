/// Who may start, and who waits: first come, first served, but a host at its limit holds nobody else up.
struct ClientQueue<Element: AnyObject> {
    private struct Waiter {
        let ticket: UInt64
        /// Nil when it has left.
        var element: Element?
    }

    private struct Host {
        var running = 0
        /// In their order, from `first` on.
        var waiters: [Waiter] = []
        var first = 0

        /// The first that has not left.
        mutating func front() -> Waiter? {
            while first < waiters.count, waiters[first].element == nil { first += 1 }
            if first == waiters.count {
                waiters.removeAll(keepingCapacity: true)
                first = 0
                return nil
            }
            return waiters[first]
        }

        mutating func removeFirst() {
            first += 1
            // What has gone is dropped when it is the larger half.
            if first > 32 && first * 2 > waiters.count {
                waiters.removeFirst(first)
                first = 0
            }
        }
    }

    let limit: Int
    let limitPerHost: Int
    /// Without a limit of their own, hosts matter only while somebody waits.
    private let countsHosts: Bool
    /// Under way.
    private(set) var running = 0
    private(set) var waiting = 0
    private var hosts: [String: Host] = [:]
    private var tickets: UInt64 = 0

    init(limit: Int, limitPerHost: Int?) {
        self.limit = limit
        self.limitPerHost = limitPerHost ?? limit
        countsHosts = self.limitPerHost < limit
    }

    /// Takes a place if there is one, and nobody waits for it.
    mutating func enter(_ host: String) -> Bool {
        // Those that wait while there is room in all wait for their own hosts.
        guard running < limit else { return false }
        if countsHosts {
            guard hosts[host, default: Host()].running < limitPerHost else { return false }
            hosts[host, default: Host()].running += 1
        }
        running += 1
        return true
    }

    mutating func wait(_ element: Element, for host: String) {
        tickets += 1
        waiting += 1
        hosts[host, default: Host()].waiters.append(Waiter(ticket: tickets, element: element))
    }

    /// Gives a place back.
    mutating func leave(_ host: String) {
        running -= 1
        guard countsHosts else { return }
        hosts[host]?.running -= 1
        forget(host)
    }

    /// Who goes next and has a place now; nil when nobody can.
    /// - Complexity: O(hosts).
    mutating func next() -> Element? {
        guard waiting > 0, running < limit else { return nil }
        var best: (host: String, ticket: UInt64)?
        for host in hosts.keys {
            guard hosts[host]!.running < limitPerHost, let front = hosts[host]!.front() else { continue }
            if best == nil || front.ticket < best!.ticket { best = (host, front.ticket) }
        }
        guard let host = best?.host else { return nil }
        let element = hosts[host]!.front()!.element
        hosts[host]!.removeFirst()
        running += 1
        waiting -= 1
        if countsHosts { hosts[host]!.running += 1 } else { forget(host) }
        return element
    }

    /// One that waits does so no longer.
    /// - Complexity: O(those who wait for the host).
    mutating func withdraw(_ element: Element, from host: String) {
        guard let index = hosts[host]?.waiters.firstIndex(where: { $0.element === element }) else { return }
        hosts[host]!.waiters[index].element = nil
        waiting -= 1
        forget(host)
    }

    /// Those who wait, host by host.
    var all: [Element] { hosts.values.flatMap { $0.waiters[$0.first...].compactMap(\.element) } }

    private mutating func forget(_ host: String) {
        guard var found = hosts[host], found.running == 0 else { return }
        if found.front() == nil { hosts[host] = nil }
    }
}
