using System.Globalization;
using Hangfire.Server;

namespace Broker.Dashboard.Jobs;

/// <summary>Where a job writes down how far it is: a parameter of its own in Hangfire's storage, at most twice a second.</summary>
internal sealed class ProgressParameter(PerformContext context, TimeProvider time)
{
    /// <summary>The parameter's name.</summary>
    public const string Name = "BrokerProgress";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private long _written;

    /// <summary>Writes it down, if it was not just written.</summary>
    public void Write(long done, long total, bool isMore, bool always = false)
    {
        if (!always && _written != 0 && time.GetElapsedTime(_written) < Interval)
            return;
        _written = time.GetTimestamp();
        context.Connection.SetJobParameter(context.BackgroundJob.Id, Name, string.Create(CultureInfo.InvariantCulture, $"{done}/{total}/{(isMore ? 1 : 0)}"));
    }

    /// <summary>Reads such a parameter; nothing is done if there is none yet.</summary>
    public static (long Done, long Total, bool IsMore) Read(string? text) =>
        text?.Split('/') is [var done, var total, var more] && long.TryParse(done, CultureInfo.InvariantCulture, out var d) && long.TryParse(total, CultureInfo.InvariantCulture, out var t) ? (d, t, more == "1") : (0, 0, false);
}
