import Testing
import WeirHTTP

@testable import WeirStorage

@Suite("R2: policies, plans and XML")
struct PolicyTests {
    @Test("waits double from 0.2 to 5 s, with full jitter, and end after the tries")
    func delays() {
        var policy = RetryPolicy()
        #expect(
            (1...4).map { policy.delay(after: $0, retryAfter: nil, random: 0.999_999) ?? -1 }
                .map { ($0 * 1000).rounded() / 1000 } == [0.2, 0.4, 0.8, -1])
        #expect((1...3).map { policy.delay(after: $0, retryAfter: nil, random: 0) } == [0, 0, 0])
        policy.tries = 10
        #expect(policy.delay(after: 6, retryAfter: nil, random: 0.5) == 2.5)
        #expect(policy.delay(after: 9, retryAfter: nil, random: 1) == 5)
        #expect(policy.delay(after: 1, retryAfter: 30, random: 0) == 30)
        #expect(policy.delay(after: 1, retryAfter: 61, random: 0) == nil)
        #expect(policy.delay(after: 10, retryAfter: 1, random: 0) == nil)
        #expect(RetryPolicy.never.delay(after: 1, retryAfter: nil, random: 0) == nil)
    }

    @Test("429, 5xx and connections are for a moment, everything else is not")
    func transience() {
        #expect((100..<600).filter { RetryPolicy.isTransient(status: $0) } == [429] + Array(500..<600))
        for kind in [ClientError.Kind.resolve, .connect, .closed, .timeout(.head), .timeout(.body), .unrepeatable] {
            #expect(RetryPolicy.isTransient(kind))
        }
        for kind in [ClientError.Kind.tls, .url, .cancelled, .queueFull, .poolClosed, .malformed, .timeout(.request)] {
            #expect(!RetryPolicy.isTransient(kind))
        }
    }

    @Test(
        "parts are equal, 10 000 at most, and of a size that is allowed",
        arguments: [
            (1, 1), ((5 << 20) + 1, 2), (64 << 20, 4), (300 << 20, 19), (167_772_160_000, 10_000),
            (167_772_160_001, 9412),
            (5 << 30, 320), (5 << 40, 9987),
        ] as [(UInt64, Int)])
    func plans(length: UInt64, count: Int) throws {
        let part: UInt64 = length <= 10 << 20 ? 5 << 20 : 16 << 20
        let plan = try #require(MultipartPlan(length: length, partSize: part))
        #expect(plan.count == count)
        #expect(plan.partSize >= MultipartPlan.leastPart && plan.partSize <= MultipartPlan.mostPart)
        #expect(plan.range(1).lowerBound == 0)
        #expect(plan.range(plan.count).upperBound == length)
        for number in [1, plan.count / 2, plan.count - 1] where number >= 1 && number < plan.count {
            #expect(UInt64(plan.range(number).count) == plan.partSize)
            #expect(plan.range(number).upperBound == plan.range(number + 1).lowerBound)
        }
    }

    @Test("nothing, and more than an object may have, cannot be cut")
    func noPlans() {
        #expect(MultipartPlan(length: 0, partSize: 1)?.count == nil)
        #expect(MultipartPlan(length: (5 << 40) + 1, partSize: 1)?.count == nil)
        #expect(MultipartPlan(length: .max, partSize: 1)?.count == nil)
    }

    // MARK: XML

    private func events(_ text: String) throws -> [XMLReader.Event] {
        var reader = XMLReader(Array(text.utf8))
        var events: [XMLReader.Event] = []
        while let event = try reader.next() { events.append(event) }
        return events
    }

    @Test("elements, text, entities, CDATA, attributes and comments are read")
    func xml() throws {
        let text = """
            \u{FEFF}<?xml version="1.0" encoding="UTF-8"?>
            <!-- c --><s3:a xmlns="x" y = 'z>'><b>1 &lt;&amp;&#x41;&#66;&quot;</b><c/><d><![CDATA[<&]]>e</d ></s3:a>\n
            """
        #expect(
            try events(text) == [
                .open("a"), .open("b"), .close("b", text: "1 <&AB\""), .open("c"), .close("c", text: ""), .open("d"),
                .close("d", text: "<&e"), .close("a", text: ""),
            ])
    }

    @Test(
        "what is not such XML is refused",
        arguments: [
            "", " ", "x", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a/>x", "<a b>", "<a b=c/>", "<a b='c/>", "<a>&b;</a>",
            "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&amp</a>", "<!DOCTYPE a><a/>", "<a><?p?></a>", "<a><![CDATA[x</a>",
            "<a><!-- </a>", "<1", "<", "<a b='1'c='2'/>", "<a>&#99999999999;</a>",
            String(repeating: "<a>", count: 17) + String(repeating: "</a>", count: 17),
            "<" + String(repeating: "a", count: 129) + "/>",
        ])
    func noXML(text: String) {
        #expect(throws: XMLReader.Failure.self) { try events(text) }
    }

    @Test("no bytes make it trap: a list with every byte changed, and cut at every place")
    func mutations() {
        let text = Array("<?xml?><L x='y'><C><K>a&amp;b</K><S>1</S></C><!--c--><![CDATA[d]]></L>".utf8)
        for index in text.indices {
            for byte in [UInt8](0...255) {
                var changed = text
                changed[index] = byte
                var reader = XMLReader(changed)
                while (try? reader.next()) != nil {}
            }
            var reader = XMLReader(Array(text[..<index]))
            while (try? reader.next()) != nil {}
        }
    }

    @Test("a page of a list is read, with encoded keys")
    func list() throws {
        let xml = """
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>media</Name><KeyCount>2</KeyCount>
            <IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>
            <Contents><Key>a+b%2B%C3%A9</Key><Size>5</Size><ETag>&quot;e-1&quot;</ETag>
            <LastModified>2013-05-24T00:00:01.000Z</LastModified><Owner><ID>x</ID></Owner></Contents>
            <Contents><Key>z</Key><Size>0</Size></Contents></ListBucketResult>
            """
        let list = try R2Listing.objects(Array(xml.utf8))
        #expect(list.objects.map { $0.key.text } == ["a b+é", "z"])
        #expect(list.objects.map(\.length) == [5, 0])
        #expect(list.objects[0].etag == "e-1")
        #expect(list.objects[0].modified == 1_369_353_601)
        #expect(list.next == "z")
    }

    @Test("dates of stores are read, and others are not")
    func dates() {
        #expect(R2Date.http("Fri, 24 May 2013 00:00:01 GMT") == 1_369_353_601)
        #expect(R2Date.iso("2013-05-24T00:00:01Z") == 1_369_353_601)
        for text in ["", "Fri, 24 Foo 2013 00:00:01 GMT", "24 May 2013", "Fri, 2 May 2013 00:00:01 GMT"] {
            #expect(R2Date.http(text) ?? -1 == -1)
        }
    }

    @Test("names of a local store's files lead back to their keys, and no two keys share one")
    func paths() throws {
        // Bytes: of texts Unicode takes some for the same.
        var seen: Set<[UInt8]> = []
        for text in ObjectStoreTests.odd {
            let path = LocalPath(try ObjectKey(text))
            #expect(seen.insert(Array((path.folders + [path.name]).joined(separator: "/").utf8)).inserted, "\(text)")
            var bytes: [UInt8] = []
            for folder in path.folders {
                #expect(folder.utf8.count <= 255 && !folder.contains("/"))
                let (kind, part) = try #require(LocalPath.read(Array(folder.utf8)))
                bytes += part + (kind == .folder ? [0x2F] : [])
                #expect(kind != .object)
            }
            let (kind, part) = try #require(LocalPath.read(Array(path.name.utf8)))
            #expect(kind == .object)
            #expect(!path.name.hasPrefix(".") && path.name.utf8.count <= 255)
            #expect(bytes + part == Array(text.utf8))
        }
    }
}
