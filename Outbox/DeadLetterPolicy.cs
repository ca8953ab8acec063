namespace Outbox;

/// <summary>What becomes of the later messages of a key, when one of them was set aside as a dead letter.</summary>
public enum DeadLetterPolicy
{
    /// <summary>They wait until an operator has redriven or discarded the dead letter: the order of the key is kept.</summary>
    BlockKey,

    /// <summary>They go on. The key's order has a gap, and a redriven message comes after them.</summary>
    Continue,
}
