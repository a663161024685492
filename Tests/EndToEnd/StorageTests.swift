import Glibc
import Testing

/// `weir sign` and `weir object` beside curl and boto3, with a real S3 server in between.
@Suite("Storage", .ownThread, .enabled(if: S3.isThere))
struct StorageTests {
    @Test("headers and URLs that `weir sign` prints work in curl", .enabled(if: Peer.has("curl")))
    func curl() throws {
        try S3.run { s3 in
            let scratch = try Scratch()
            let file = scratch.path + "/file"
            try Disk.write(file, Array("signed".utf8))
            let url = s3.endpoint + "/media/sign/a%20b%2Bc//x?x-id=PutObject"
            let plain = s3.endpoint + "/media/sign/a%20b%2Bc//x"
            let headers = scratch.path + "/headers"
            let words = ["--header", "Content-Type: text/plain", "--body", file]
            try Disk.write(headers, try s3.weir(["sign", "PUT", url] + words).text.utf8)
            let put = try Peer.demand("curl", "-sS", "-w", "%{http_code}", "-H", "@\(headers)", "-T", file, url)
            #expect(put.text == "200")
            // Another body is not what was signed.
            try Disk.write(file, Array("forged".utf8))
            let forged = try Peer.demand("curl", "-sS", "-w", "%{http_code}", "-H", "@\(headers)", "-T", file, url)
            #expect(!forged.text.hasSuffix("200"), "\(forged.text)")

            let signed = try s3.weir(["sign", "GET", plain, "--expires", "600"]).line
            #expect(try Peer.demand("curl", "-sS", signed).text == "signed")
            let tampered = signed.replacing("a%20b", with: "a%20c")
            #expect(try Peer.demand("curl", "-sS", tampered).text.contains("SignatureDoesNotMatch"))
            let old = try s3.weir(["sign", "GET", plain, "--expires", "60", "--date", "20200101T000000Z"]).line
            #expect(try Peer.demand("curl", "-sS", old).text.lowercased().contains("expired"))
            let removal = try s3.weir(["sign", "DELETE", plain, "--expires", "60"]).line
            #expect(try Peer.demand("curl", "-sS", "-X", "DELETE", "-w", "%{http_code}", removal).text == "204")
        }
    }

    @Test("boto3 reads what Weir wrote, and Weir what boto3 wrote", .enabled(if: S3.python != nil))
    func boto3() throws {
        let python = try #require(S3.python)
        try S3.run { s3 in
            let scratch = try Scratch()
            let (one, two) = (scratch.path + "/one", scratch.path + "/two")
            try Disk.write(one, (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            let key = "interop/ä + 100% //.txt"
            #expect(try s3.weir(["object", "put", one, key, "--type", "text/x-weir"]).exit == .code(0))
            let script = """
                import sys, boto3
                from botocore.config import Config
                s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="auto", aws_access_key_id=sys.argv[2],
                    aws_secret_access_key=sys.argv[3], config=Config(s3={"addressing_style": "path"}))
                key, one, two = sys.argv[4:7]
                got = s3.get_object(Bucket="media", Key=key)
                assert got["ContentType"] == "text/x-weir", got
                assert got["Body"].read() == open(one, "rb").read()
                s3.put_object(Bucket="media", Key=key + "2", Body=open(one, "rb").read()[::-1])
                print([o["Key"] for o in s3.list_objects_v2(Bucket="media", Prefix="interop/")["Contents"]])
                """
            let script2 = scratch.path + "/script.py"
            try Disk.write(script2, Array(script.utf8))
            let listed = try Peer.demand(python, script2, s3.endpoint, S3.access, S3.secret, key, one, two)
            #expect(listed.text == "['\(key)', '\(key)2']\n")
            #expect(try s3.weir(["object", "get", key + "2", two]).exit == .code(0))
            #expect(try Disk.read(two) == Array(try Disk.read(one).reversed()))
            let list = try s3.weir(["object", "ls", "interop/"]).text.split(separator: "\n")
            #expect(list.count == 2 && list.allSatisfy { $0.contains("70000") })
            let output = try s3.weir(["object", "get", key, "-"])
            #expect(output.output == (try Disk.read(one)))
        }
    }

    @Test("a wrong secret, a wrong region and no answer are said as such, with exit code 1")
    func errors() throws {
        try S3.run { s3 in
            let secret = try s3.weir(["object", "get", "k", "-"], ["WEIR_R2_SECRET_ACCESS_KEY=wrong"])
            #expect(secret.exit == .code(1))
            #expect(secret.errors.contains("weir object: get k: 403 SignatureDoesNotMatch: "), "\(secret.errors)")
            let region = try s3.weir(["object", "get", "k", "-"], ["WEIR_STORAGE_REGION=eu-wrong-1"])
            #expect(region.exit == .code(1))
            #expect(region.errors.contains("it was signed for region eu-wrong-1"), "\(region.errors)")
            let nobody = try s3.weir(["object", "head", "k"], ["WEIR_STORAGE_ENDPOINT=http://127.0.0.1:1"])
            #expect(nobody.exit == .code(1))
            #expect(nobody.errors.hasPrefix("weir object: head k: "), "\(nobody.errors)")
        }
    }

    @Test("300 MiB go up in parts and come down as they were, in 24 MiB of memory", .enabled(if: Peer.has("python3")))
    func large() throws {
        try S3.run { s3 in
            let scratch = try Scratch()
            let (one, two) = (scratch.path + "/one", scratch.path + "/two")
            try Peer.demand("sh", "-c", "head -c 314572800 /dev/urandom >\(one)")
            // What the program took at most, in KiB, on the last line.
            let measure = """
                import resource, subprocess, sys
                code = subprocess.run(sys.argv[1:]).returncode
                print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
                sys.exit(code)
                """
            // The program as it is built for tests is large before it does anything.
            let idle = try #require(Int(try s3.weir(["object", "ls"], wrapper: ["python3", "-c", measure]).line))
            for words in [["object", "put", one, "large"], ["object", "get", "large", two]] {
                let result = try s3.weir(words, wrapper: ["python3", "-c", measure], within: 4 * Pace.patience)
                #expect(result.exit == .code(0), "\(result.errors)")
                let resident = try #require(Int(result.line))
                let most = max(24 << 10, idle + (4 << 10))
                if !Pace.isSanitized { #expect(resident <= most, "\(words[1]): \(resident) KiB of \(most)") }
                #expect(result.errors.contains("314.6 MB in "), "\(result.errors)")
            }
            #expect(try Peer.run(["cmp", one, two]).exit == .code(0))
            // The same from a pipe, of which nobody knows the length.
            let wrapper = ["sh", "-c", "exec \"$@\" <\"$0\"", scratch.path + "/pipe", "python3", "-c", measure]
            try Peer.demand("mkfifo", scratch.path + "/pipe")
            let feeding = try Process(["sh", "-c", "cat \(one) >\(scratch.path)/pipe"])
            defer { feeding.end() }
            let piped = try s3.weir(
                ["object", "put", "-", "large"], ["WEIR_CACHE_DIR=\(scratch.path)/cache"], wrapper: wrapper,
                within: 4 * Pace.patience)
            #expect(piped.exit == .code(0), "\(piped.errors)")
            let resident = try #require(Int(piped.line))
            if !Pace.isSanitized { #expect(resident <= max(24 << 10, idle + (4 << 10)), "\(resident) KiB") }
            #expect(Disk.names(scratch.path + "/cache").isEmpty)
            #expect(try s3.weir(["object", "get", "large", two]).exit == .code(0))
            #expect(try Peer.run(["cmp", one, two]).exit == .code(0))
            #expect(try s3.weir(["object", "head", "large"]).text.contains("length: 314572800\n"))
            #expect(try s3.weir(["object", "rm", "large"]).exit == .code(0))
        }
    }
}

/// `weir object` with a directory, on which things go wrong.
@Suite("Storage in a directory", .ownThread)
struct LocalStorageTests {
    private func object(
        _ words: [String], _ data: String, input: [UInt8]? = nil, wrapper: [String] = []
    ) throws -> Peer.Result {
        try Peer.run(wrapper + [Daemon.program, "object"] + words + ["--data", data], input: input)
    }

    @Test("standard input is an object")
    func input() throws {
        let scratch = try Scratch()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let put = try object(["put", "-", "a/b", "--type", "text/plain"], scratch.path, input: bytes)
        #expect(put.exit == .code(0), "\(put.errors)")
        #expect(put.errors.hasPrefix("put a/b: 300.0 kB in "), "\(put.errors)")
        #expect(try object(["get", "a/b", "-"], scratch.path).output == bytes)
        let file = scratch.path + "/file"
        try Disk.write(file, bytes)
        let redirected = try object(
            ["put", "-", "c"], scratch.path, wrapper: ["sh", "-c", "exec \"$@\" <\(file)", "sh"])
        #expect(redirected.exit == .code(0), "\(redirected.errors)")
        #expect(try object(["get", "c", "-"], scratch.path).output == bytes)
        let nothing = try object(["put", "-", "d"], scratch.path)
        #expect(nothing.exit == .code(1))
        #expect(nothing.errors.contains("standard input: not a file, a pipe or a socket"), "\(nothing.errors)")
    }

    @Test("a put that is killed leaves the former object, and what it had written goes")
    func killed() throws {
        let scratch = try Scratch()
        let objects = scratch.path + "/objects"
        #expect(try object(["put", "-", "k"], scratch.path, input: Array("former".utf8)).exit == .code(0))
        let process = try Process(
            [Daemon.program, "object", "put", "-", "k", "--data", scratch.path], input: .pipe)
        defer { process.end() }
        try process.write([UInt8](repeating: 1, count: 1 << 20))
        let begun: String = try eventually("it writes") {
            Disk.names(objects).first { name in
                var facts = stat()
                return name.hasPrefix(".put-") && stat("\(objects)/\(name)", &facts) == 0 && facts.st_size > 0
            }
        }
        kill(process.pid, SIGKILL)
        #expect(try process.waitForExit() == .signal(SIGKILL))
        #expect(try object(["get", "k", "-"], scratch.path).text == "former")
        let list = try object(["ls"], scratch.path).text.split(separator: "\n")
        #expect(list.count == 1, "\(list)")
        // A minute later it is nobody's any more.
        try Peer.demand("touch", "-d", "2 minutes ago", "\(objects)/\(begun)")
        #expect(try object(["ls"], scratch.path).exit == .code(0))
        #expect(Disk.names(objects).sorted() == ["k"])
    }

    @Test(
        "a disk that is full is said, leaves the former object, and nothing else",
        .enabled(if: Place.available.contains(.tmpfs)))
    func full() throws {
        let scratch = try Scratch()
        let mount = try Place.tmpfs.command(scratch.path, size: "1m")
        try Disk.write(scratch.path + "/large", [UInt8](repeating: 1, count: 2 << 20))
        // The disk is there for one command: they are all in it.
        let script = """
            weir="$1 object" data="--data $2/cache"
            echo former | $weir put - k $data || exit 3
            $weir put "$2/large" k $data && exit 4
            cat "$2/large" | $weir put - k $data && exit 5
            $weir get k - $data || exit 6
            ls -A "$2/cache/objects"
            """
        let result = try Peer.run(mount + ["sh", "-c", script, "sh", Daemon.program, scratch.path])
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.text == "former\nk\n")
        #expect(result.errors.split(separator: "\n").count { $0.contains("weir object: put k: the copy failed") } == 2)
        #expect(result.errors.contains("no space left"), "\(result.errors)")
    }
}

extension Peer.Result {
    /// Its first line.
    fileprivate var line: String { String(text.split(separator: "\n").first ?? "") }
}

/// The S3 server of `Tests/Storage`, and Weir's program with it as its store.
struct S3 {
    static let access = "0123456789abcdef0123456789abcdef"
    static let secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

    static let isThere =
        Disk.exists("/usr/lib/python3/dist-packages/swift/common/middleware/s3api/s3api.py")
        || Pace.variable("WEIR_ALLOW_SKIP") == "0"

    /// A Python that has boto3.
    static let python = ["python3", "/usr/bin/python3"].first {
        (try? Peer.run([$0, "-c", "import boto3"]))?.exit == .code(0)
    }

    let endpoint: String

    static func run(_ body: (S3) throws -> Void) throws {
        let scratch = try Scratch()
        let server = try Process(
            ["/usr/bin/python3", Tool.root + "/Tests/Storage/s3_server.py", scratch.path], input: .pipe)
        defer { server.end() }
        let line = server.wait(120) { printed -> String? in
            printed.text.hasSuffix("\n") || printed.isOver ? printed.text : nil
        }
        guard let line, line.hasPrefix("ready ") else {
            throw Failure("the S3 server did not start: \(server.state.lines.joined(separator: "\n"))")
        }
        try body(S3(endpoint: String(line.dropFirst(6).dropLast())))
        server.closeInput()
        _ = try server.waitForExit()
    }

    /// Runs the program, whose store this is.
    func weir(
        _ words: [String], _ environment: [String] = [], wrapper: [String] = [], within seconds: Double = Pace.patience
    ) throws -> Peer.Result {
        let variables = [
            "WEIR_R2_ACCESS_KEY_ID=\(S3.access)", "WEIR_R2_SECRET_ACCESS_KEY=\(S3.secret)", "WEIR_STORAGE_KIND=r2",
            "WEIR_STORAGE_BUCKET=media", "WEIR_STORAGE_ENDPOINT=\(endpoint)",
        ]
        return try Peer.run(["env"] + variables + environment + wrapper + [Daemon.program] + words, within: seconds)
    }
}
