internal import CWeir

/// What all fan-outs of the loop may spend together in one of its turns.
@LoopActor
enum Budget {
    private static var core: OpaquePointer?

    /// The attached loop's; made for the first fan-out, and gone with the loop. Nil when there is no memory for one:
    /// each fan-out has a burst of its own then.
    static func shared() -> OpaquePointer? {
        if core == nil, weir_budget_create(LoopActor.loop, &core, nil) == 0 {
            LoopActor.executor.whenDetaching.append {
                weir_budget_close(core)
                core = nil
            }
        }
        return core
    }
}
