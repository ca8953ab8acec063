using Hangfire;
using Hangfire.Common;
using Hangfire.InMemory;

namespace Broker.Dashboard.Jobs;

/// <summary>Cron expressions as Hangfire reads them.</summary>
internal static class CronText
{
    /// <summary>Whether a text is one.</summary>
    public static bool IsOne(string text)
    {
        using var storage = new InMemoryStorage();
        try
        {
            new RecurringJobManager(storage).AddOrUpdate("check", Job.FromExpression(() => Console.Out.Flush()), text);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
