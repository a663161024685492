internal import Glibc
public import WeirLoop

/// The bytes of an object on their way: a descriptor to read them from.
@LoopActor
public final class ObjectStream {
    /// Of the whole object.
    public nonisolated let info: ObjectInfo
    /// Which bytes of it come.
    public nonisolated let range: Range<UInt64>
    /// A regular file, whose bytes begin at `offset`, or a socket, which ends where they do, or were cut.
    public nonisolated let isFile: Bool
    public nonisolated let offset: UInt64

    private var descriptor: Int32
    private let end: @LoopActor () async throws(ObjectError) -> Void
    private let cancel: @LoopActor () -> Void

    init(
        _ info: ObjectInfo, _ range: Range<UInt64>, descriptor: Int32, isFile: Bool, offset: UInt64 = 0,
        end: @escaping @LoopActor () async throws(ObjectError) -> Void = {},
        cancel: @escaping @LoopActor () -> Void = {}
    ) {
        self.info = info
        self.range = range
        self.descriptor = descriptor
        self.isFile = isFile
        self.offset = offset
        self.end = end
        self.cancel = cancel
    }

    isolated deinit { close() }

    /// The descriptor is the caller's to close. Once; -1 afterwards.
    public func takeDescriptor() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    /// Returns when all bytes have gone into the socket, which may be before they were read; throws why they have not. A file
    /// is there already.
    public func ended() async throws(ObjectError) { try await end() }

    /// Takes it back, if it is not over. Closing twice is harmless.
    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        cancel()
    }
}
