namespace Broker.Dashboard.Snapshots;

/// <summary>How bad a problem is.</summary>
internal enum ProblemWeight
{
    /// <summary>A person has to decide something; the rest flows.</summary>
    Decide,

    /// <summary>Something waits that should not.</summary>
    Slow,

    /// <summary>Nothing of a source flows, or nobody knows.</summary>
    Stopped,
}
