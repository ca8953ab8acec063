namespace Broker.Dashboard;

/// <summary>The sources that the dashboard shows and its jobs work on, as the worker's configuration has them now.</summary>
/// <remarks>Thread-safe. A live reload changes what it gives, so ask each time and keep nothing.</remarks>
internal interface IDashboardSources
{
    /// <summary>The sources in the order of the configuration.</summary>
    IReadOnlyList<DashboardSource> Current { get; }

    /// <summary>The source of a name, or null if there is none of that name now.</summary>
    DashboardSource? Find(string name) => Current.FirstOrDefault(source => source.Name == name);
}
