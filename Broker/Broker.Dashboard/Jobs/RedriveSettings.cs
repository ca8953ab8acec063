namespace Broker.Dashboard.Jobs;

/// <summary>Dead letters that are redriven by themselves: <c>Broker:Jobs:Redrive:&lt;name&gt;</c>.</summary>
/// <param name="Name">The name of the rule.</param>
/// <param name="Cron">When, as a cron expression in UTC.</param>
/// <param name="Source">Those of one source; null: of all.</param>
/// <param name="Type">Those of one type.</param>
/// <param name="Consumer">Those of one consumer.</param>
/// <param name="Reason">Those with this text in their reason.</param>
/// <param name="OlderThan">Those that failed last so long ago.</param>
/// <param name="MostTimes">Those whose messages were redriven less often than so.</param>
internal sealed record RedriveSettings(string Name, string Cron, string? Source, string? Type, string? Consumer, string? Reason, TimeSpan OlderThan, int MostTimes);
