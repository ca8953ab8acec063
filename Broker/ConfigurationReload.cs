using System.Runtime.InteropServices;
using Broker.Hosting;
using Broker.Relay;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;

namespace Broker;

/// <summary>Takes changes of the configuration over while the worker runs: sources are started, stopped and restarted, and the others never notice (G7).</summary>
/// <remarks>A configuration with a mistake is refused as a whole, and the worker goes on with the one that it has. Files are compared by their content, so links and copies of any kind are seen too.</remarks>
/// <param name="file">The file given with <c>--config</c>.</param>
/// <param name="contents">What the files held when the running configuration was read.</param>
/// <param name="running">The running configuration.</param>
/// <param name="sources">The sources that are relayed; null if none are.</param>
/// <param name="relays">Their relays.</param>
/// <param name="shown">The sources of the dashboard and the jobs; null without these roles.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where to tell.</param>
internal sealed partial class ConfigurationReload(FileInfo? file, string contents, BrokerSettings running, RelaySources? sources, RelayService? relays, DashboardSources? shown, TimeProvider time, ILogger<ConfigurationReload> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly OutboxSignal _asked = new();
    private string? _refusal;

    /// <summary>Why what the files hold now is refused; null while it is in use.</summary>
    public string? Refusal => Volatile.Read(ref _refusal);

    /// <summary>What the configuration's files hold now; to be read before they are loaded.</summary>
    public static string ContentsOf(FileInfo? file)
    {
        static string Read(string path)
        {
            try
            {
                return File.Exists(path) ? File.ReadAllText(path) : "";
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return exception.Message;
            }
        }

        return string.Join('\0', BrokerConfiguration.Files(file).Select(Read));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Without this SIGHUP would end the process.
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            _asked.Wake();
        });
        var (taken, last, asked) = (contents, contents, _asked.Next);
        while (true)
        {
            await Task.WhenAny(asked, Task.Delay(Interval, time, stoppingToken)).ConfigureAwait(false);
            stoppingToken.ThrowIfCancellationRequested();
            var now = ContentsOf(file);
            // Twice the same: nobody is in the middle of writing it.
            if (!asked.IsCompleted && (now == taken || now != last))
            {
                last = now;
                continue;
            }
            asked = _asked.Next;
            taken = last = now;
            await ReloadAsync(stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task ReloadAsync(CancellationToken stoppingToken)
    {
        BrokerSettings settings;
        try
        {
            settings = BrokerConfiguration.Read(BrokerConfiguration.Load(file), needsRabbitMq: relays is not null);
        }
        catch (OutboxConfigurationException exception)
        {
            Refuse(exception.Message);
            return;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Refuse($"The configuration cannot be read: {exception.Message}");
            return;
        }
        Volatile.Write(ref _refusal, null);
        if (settings.RabbitMqText != running.RabbitMqText)
            NeedsRestart(logger);
        if (shown is not null)
            await shown.TakeAsync(settings).ConfigureAwait(false);
        if (sources is null || relays is null)
        {
            Reread(logger);
            return;
        }
        var change = sources.Take(settings);
        if (change.IsEmpty)
        {
            Unchanged(logger);
            return;
        }
        Taken(logger, change.ToString());
        await relays.ApplyAsync(sources.Current, stoppingToken).ConfigureAwait(false);
        foreach (var source in change.Left)
            await source.DataSource.DisposeAsync().ConfigureAwait(false);
    }

    private void Refuse(string error)
    {
        Volatile.Write(ref _refusal, error);
        Refused(logger, error);
    }

    [LoggerMessage(4100, LogLevel.Information, "The configuration has changed and was taken over: {Change}.")]
    private static partial void Taken(ILogger logger, string change);

    [LoggerMessage(4101, LogLevel.Error, "The new configuration is refused as a whole, and the worker goes on with the one that it has. {Error}")]
    private static partial void Refused(ILogger logger, string error);

    [LoggerMessage(4102, LogLevel.Warning, "Broker:RabbitMq has changed. That takes effect when the worker is started again; its sources go on with the settings that it has.")]
    private static partial void NeedsRestart(ILogger logger);

    [LoggerMessage(4104, LogLevel.Information, "The configuration was read again.")]
    private static partial void Reread(ILogger logger);

    [LoggerMessage(4103, LogLevel.Information, "The configuration was read again; no source has changed.")]
    private static partial void Unchanged(ILogger logger);
}
