import Glibc
import Testing
import WeirStorage

@testable import Weir

/// `weir object` with a local store, and its progress.
@Suite(.serialized) struct ObjectCommandTests {
    private func run(_ words: [String], isTerminal: Bool = false) -> (code: Int32, output: String, errors: String) {
        let recording = Recording()
        do throws(UsageError) {
            let code = try ObjectCommand.run(
                words, environment: [:], recording.console, isTerminal: isTerminal, inTurn: true)
            return (code, recording.output, recording.errors)
        } catch {
            return (2, recording.output, error.message)
        }
    }

    @Test func whatWasPutIsListedToldGotAndDeleted() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("in.txt", "hello")
        let data = ["--data", directory.path]
        let put = run(["put", file, "a/b.txt", "--type", "text/plain"] + data)
        #expect(put.code == 0)
        #expect(put.errors.hasPrefix("put a/b.txt: 5 B in 0."))
        let list = run(["ls"] + data)
        #expect(list.code == 0)
        #expect(
            list.output.wholeMatch(of: /\ {13}5\ \ 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\ \ a\/b\.txt\n/)?.output != nil,
            "\(list)")
        #expect(run(["ls", "a/"] + data).output == list.output)
        #expect(run(["ls", "b"] + data).output == "")
        let head = run(["head", "a/b.txt"] + data).output
        #expect(
            head.hasPrefix(
                "key: a/b.txt\nlength: 5\n"
                    + "etag: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\ntype: text/plain\nmodified: "
            ))
        let out = directory.path + "/out.txt"
        #expect(run(["get", "a/b.txt", out] + data).code == 0)
        #expect(try FileBytes.read(out, limit: 100) == Array("hello".utf8))
        #expect(run(["rm", "a/b.txt"] + data).code == 0)
        #expect(run(["rm", "a/b.txt"] + data).code == 0)
        let missing = run(["get", "a/b.txt", out + "2"] + data)
        #expect(missing.code == 1)
        #expect(missing.errors == "weir object: get a/b.txt: there is no such object\n")
        #expect(access(out + "2", F_OK) != 0, "no file is left of what was not there")
    }

    @Test(
        arguments: [
            ([], "missing put, get, head, ls or rm"), (["putt"], "\"putt\" is unknown; did you mean `put`?"),
            (["put", "f"], "missing KEY"), (["get"], "missing KEY"), (["ls", "a", "b"], "unexpected argument \"b\""),
            (["head", "k", "--fast"], "unknown option --fast"),
        ] as [([String], String)])
    func wrongUsageSaysWhatWasExpected(words: [String], message: String) {
        let (code, output, errors) = run(words)
        #expect(code == 2 && output.isEmpty)
        #expect(errors.contains(message), "\(errors)")
    }

    @Test func whatIsNoRegularFileIsRefused() throws {
        let directory = try TemporaryDirectory()
        let data = ["--data", directory.path]
        #expect(run(["put", "/dev/null", "k"] + data).errors == "weir object: /dev/null: not a regular file\n")
        #expect(run(["put", directory.path + "/none", "k"] + data).errors.contains("no such file"))
        #expect(run(["put", directory.path, "k"] + data).errors.contains("not a regular file"))
        #expect(run(["get", "k", "/dev/null"] + data).errors.contains("not a regular file"))
        #expect(run(["get", "a/.."] + data).errors.contains("names no file"))
        #expect(run(["head", ""] + data).errors.contains("an object's key is empty"))
    }

    @Test(
        arguments: [
            (0, 100, 0.0, 10, "put k [          ] 0 %, 0 B of 100 B, 0 B/s"),
            (50, 100, 2, 10, "put k [#####     ] 50 %, 50 B of 100 B, 25 B/s, 0:02 left"),
            (100, 100, 4, 10, "put k [##########] 100 %, 100 B of 100 B, 25 B/s"),
            (1_500_000, 25_000_000, 1.5, 0, "put k: 6 %, 1.5 MB of 25.0 MB, 1.0 MB/s, 0:24 left"),
            (1_000_000, 8_000_000_000, 1, 0, "put k: 0 %, 1.0 MB of 8.0 GB, 1.0 MB/s, 2:13:19 left"),
            (0, 0, 0, 4, "put k [####] 100 %, 0 B of 0 B, 0 B/s"),
            (1, .max, 1000, 0, "put k: 0 %, 1 B of 18446744073.7 GB, 0 B/s"),
        ] as [(UInt64, UInt64, Double, Int, String)])
    func progressSaysHowFarHowFastAndHowLong(
        moved: UInt64, length: UInt64, seconds: Double, width: Int, text: String
    ) {
        #expect(Progress.text("put k", moved, of: length, after: seconds, width: width) == text)
    }

    @Test func aBucketNeedsToBeFound() {
        let none = ConfigurationSource(environment: ["WEIR_STORAGE_KIND": "r2"]).load()
        #expect(
            none.errors.map(\.description) == [
                "WEIR_STORAGE_KIND: given without storage.bucket; expected both",
                "WEIR_STORAGE_KIND: given without storage.account; expected that, or storage.endpoint",
            ])
        let environment = [
            "WEIR_STORAGE_KIND": "r2", "WEIR_STORAGE_BUCKET": "media", "WEIR_STORAGE_ACCOUNT": "abc",
            "WEIR_R2_ACCESS_KEY_ID": "id", "WEIR_R2_SECRET_ACCESS_KEY": "secret",
        ]
        let outcome = ConfigurationSource(environment: environment).load()
        #expect(outcome.problems.isEmpty, "\(outcome.problems)")
        let options = try? outcome.configuration?.storage.r2(environment: environment)
        #expect(options?.endpoint == "https://abc.r2.cloudflarestorage.com")
        #expect(options?.credentials.accessKeyID == "id")
    }
}
