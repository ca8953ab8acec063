namespace Outbox.Sql;

/// <summary>How a row can appear below one that was read before. A number is taken at the insert and shows at the commit.</summary>
internal enum LateRows
{
    /// <summary>Writers take turns: who takes its number earlier commits earlier.</summary>
    Never,

    /// <summary>Until the transactions that were writing when the number was given out have ended; the engine lists them.</summary>
    UntilWritersEnd,

    /// <summary>For as long as the row shows to a reader that looks at uncommitted rows, and a while before it does.</summary>
    WhileUncommitted,
}
