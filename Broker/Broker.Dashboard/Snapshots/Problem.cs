namespace Broker.Dashboard.Snapshots;

/// <summary>Something that does not flow, in words for whoever was woken by it.</summary>
/// <param name="Weight">How bad it is.</param>
/// <param name="Source">Where.</param>
/// <param name="What">What is stuck.</param>
/// <param name="Since">Since when, UTC; null if that is not known.</param>
/// <param name="Why">Why, as far as anybody knows.</param>
/// <param name="Remedy">What to do about it.</param>
/// <param name="Path">The page to do it on, below the dashboard's own path; null if it is not done here.</param>
internal sealed record Problem(ProblemWeight Weight, string Source, string What, DateTime? Since, string? Why, string Remedy, string? Path);
