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

    private sealed record Status(SourceSettings Source, OutboxBacklog? Backlog, string Remark, IReadOnlyList<DeadLetterDesk.Letter> Letters, IReadOnlyList<BlockedKey> Blocked);

    /// <summary>Dead letters that are named.</summary>
    private const int Named = 3;

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
            return await Task.Run(() => ReadAsync(source, limit.Token), limit.Token).WaitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Status(source, null, "no answer", [], []);
        }
        catch (Exception exception) when (exception is DbException or Outbox.OutboxConfigurationException)
        {
            return new Status(source, null, exception is DbException ? SqlErrors.TextOf(exception) : exception.Message, [], []);
        }
    }

    private static async Task<Status> ReadAsync(SourceSettings source, CancellationToken cancellationToken)
    {
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: false, cancellationToken);
        var (partitions, change) = await Repartitioning.ReadAsync(connection, cancellationToken);
        var backlog = await OutboxBacklog.ReadAsync(connection, partitions, cancellationToken);
        var letters = backlog.Aside.DeadLetters == 0 ? [] : await new DeadLetterDesk(dataSource, source.Dialect, DeadLetterDesk.ThisUser).ListAsync(new DeadLetterDesk.Filter(), 0, Named, cancellationToken);
        return new Status(source, backlog, change == 0 ? "" : "its partitions are being changed: nothing is published meanwhile", letters, await RelayStatus.ReadAsync(connection, cancellationToken));
    }

    private static void Show(IReadOnlyList<Status> all)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("source", "engine");
        foreach (var name in (string[])["backlog", "oldest", "scheduled", "deferred", "blocked keys", "dead letters"])
            table.AddColumn(new TableColumn(name).RightAligned());
        table.AddColumn("");
        foreach (var (source, backlog, remark, _, _) in all)
        {
            table.AddRow(
                new Text(source.Name), new Text(source.Dialect.Name),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{(backlog.IsEstimate ? "~" : "")}{backlog.Rows:N0}")),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{backlog.Lag.TotalSeconds:0.0} s")),
                new Text(backlog is null ? "?" : Counted(backlog.Aside.Scheduled)),
                new Text(backlog is null ? "?" : Counted(backlog.Aside.Deferred)),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{backlog.Aside.BlockedKeys:N0}")),
                new Text(backlog is null ? "?" : string.Create(CultureInfo.InvariantCulture, $"{backlog.Aside.DeadLetters:N0}")),
                new Text(remark));
        }
        AnsiConsole.Write(table);
        foreach (var status in all.Where(s => s.Backlog is not null))
            Explain(status, status.Backlog!.Aside);
    }

    /// <summary>What does not flow by itself, and what to do about it.</summary>
    private static void Explain(Status status, OutboxAside aside)
    {
        var name = status.Source.Name;
        foreach (var letter in status.Letters)
        {
            var what = letter is { Blocks: true, Key: { } key } ? $"key '{key}' waits since" : "set aside";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {what} {letter.FirstFailedAt:yyyy-MM-dd HH:mm} UTC: {(letter.Consumer is { } consumer ? $"consumer '{consumer}', " : "")}'{letter.Type}': {letter.Reason}"));
        }
        foreach (var blocked in status.Blocked.Where(b => b.State != "dead-letter").Take(Named))
        {
            var what = blocked.State == "type" ? $"type '{blocked.Type}' waits" : blocked.Key is null ? $"a message of type '{blocked.Type}' is tried again" : $"key '{blocked.Key}' waits for '{blocked.Type}', which is tried again,";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {what} since {blocked.Since:yyyy-MM-dd HH:mm} UTC ({blocked.Waiting:N0} rows): {blocked.Reason}"));
        }
        if (aside.DeadLetters > 0)
            Console.WriteLine($"{name}: see 'broker dead-letters list --source {name}', then 'redrive' or 'discard'.");
        if (aside.Stray > 0)
            Console.WriteLine($"{name}: {Counted(aside.Stray)} rows lie in partitions that nobody reads; its writers count wrongly. Mend them, then 'broker schema --source {name} --set-partitions' to another number and back moves the rows.");
    }

    private static string Counted(long rows) => string.Create(CultureInfo.InvariantCulture, $"{rows:N0}{(rows >= OutboxAside.CountLimit ? "+" : "")}");
}
