using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker status</c>: what waits in each source, and for how long.</summary>
internal static class StatusCommand
{
    /// <summary>A source that has not answered by then is shown as unreachable; the others are not kept waiting.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private sealed record Status(SourceSettings Source, OutboxBacklog? Backlog, string Remark);

    public static Command Create()
    {
        var config = CommonOptions.Config();
        var command = new Command("status", "Show what waits in the outbox of each configured source, and for how long. The exit code is 1 if a source cannot be asked.") { config };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var settings = BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(config)), needsRabbitMq: false);
            var all = await Task.WhenAll(settings.Sources.Select(source => AskAsync(source, cancellationToken)));
            Show(all);
            return all.All(s => s.Backlog is not null) ? ExitCodes.Ok : ExitCodes.Failed;
        }));
        return command;
    }

    private static async Task<Status> AskAsync(SourceSettings source, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            return new Status(source, await Task.Run(() => ReadAsync(source, limit.Token), limit.Token).WaitAsync(limit.Token), "");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Status(source, null, "no answer");
        }
        catch (Exception exception) when (exception is DbException or Outbox.OutboxConfigurationException)
        {
            return new Status(source, null, exception is DbException ? SqlErrors.TextOf(exception) : exception.Message);
        }
    }

    private static async Task<OutboxBacklog> ReadAsync(SourceSettings source, CancellationToken cancellationToken)
    {
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: false, cancellationToken);
        var (partitions, _) = await Repartitioning.ReadAsync(connection, cancellationToken);
        return await OutboxBacklog.ReadAsync(connection, partitions, cancellationToken);
    }

    private static void Show(IReadOnlyList<Status> all)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("source", "engine").AddColumn(new TableColumn("backlog").RightAligned()).AddColumn(new TableColumn("oldest").RightAligned()).AddColumn("");
        foreach (var (source, backlog, remark) in all)
        {
            table.AddRow(
                new Text(source.Name), new Text(source.Dialect.Name),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{(backlog.IsEstimate ? "~" : "")}{backlog.Rows:N0}")),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{backlog.Lag.TotalSeconds:0.0} s")),
                new Text(remark));
        }
        AnsiConsole.Write(table);
    }
}
