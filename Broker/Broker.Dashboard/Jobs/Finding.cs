namespace Broker.Dashboard.Jobs;

/// <summary>Something that does not go on by itself.</summary>
/// <param name="Source">The source.</param>
/// <param name="Kind"><c>lag</c>, <c>relay</c>, <c>blocked</c>, <c>deferred</c>, <c>unreachable</c>, <c>stray</c> or <c>schema</c>.</param>
/// <param name="What">What it is and what to do, for people.</param>
/// <param name="Since">When it was found first, UTC.</param>
internal sealed record Finding(string Source, string Kind, string What, DateTime Since)
{
    /// <summary>What makes two findings the same one, however its text changes.</summary>
    public string Key => $"{Source}/{Kind}";
}
