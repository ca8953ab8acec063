using System.Globalization;
using Broker.Relay;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Broker.Commands;

/// <summary>The status as a table with remarks, or as an object for JSON.</summary>
internal static class StatusOutput
{
    public static IRenderable Render(IReadOnlyList<SourceStatus> all)
    {
        var table = Output.Table("source", "engine", "|backlog", "|oldest", "|in/s", "|out/s", "|relays", "|scheduled", "|deferred", "|blocked keys", "|dead letters", "");
        foreach (var status in all)
        {
            var (name, engine) = (Output.Cell(status.Source.Name), Output.Cell(status.Source.Dialect.Name));
            if (status.Backlog is not { } backlog)
            {
                table.AddRow([name, engine, .. Enumerable.Repeat(Output.Cell("?"), 9), Output.Cell(status.Trouble)]);
                continue;
            }
            var aside = backlog.Aside;
            table.AddRow(
                name, engine, Output.Cell(string.Create(CultureInfo.InvariantCulture, $"{(backlog.IsEstimate ? "~" : "")}{backlog.Rows:N0}")), Output.Cell(string.Create(CultureInfo.InvariantCulture, $"{backlog.Lag.TotalSeconds:0.0} s")),
                Rate(status.In), Rate(status.Out), Output.Cell(status.Relays.Count), Output.Cell(Counted(aside.Scheduled)), Output.Cell(Counted(aside.Deferred)), Output.Cell(Counted(aside.BlockedKeys)), Output.Cell(Counted(aside.DeadLetters)), Output.Cell(""));
        }
        return new Rows([table, .. all.Where(s => s.Backlog is not null).SelectMany(s => Remarks(s, s.Backlog!)).Select(Output.Cell)]);
    }

    /// <summary>What <c>--json</c> writes: docs/cli.md describes it, and programs rely on it. Parts may be added, none renamed.</summary>
    public static object Shape(IReadOnlyList<SourceStatus> all) => new
    {
        sources = all.Select(s => new
        {
            name = s.Source.Name,
            engine = s.Source.Dialect.Name,
            trouble = s.Trouble,
            backlog = s.Backlog?.Rows,
            backlogIsEstimate = s.Backlog?.IsEstimate,
            oldestSeconds = s.Backlog is { } backlog ? Math.Round(backlog.Lag.TotalSeconds, 3) : (double?)null,
            inPerSecond = s.In is { } written ? Math.Round(written, 1) : (double?)null,
            outPerSecond = s.Out is { } gone ? Math.Round(gone, 1) : (double?)null,
            scheduled = s.Backlog?.Aside.Scheduled,
            deferred = s.Backlog?.Aside.Deferred,
            blockedKeys = s.Backlog?.Aside.BlockedKeys,
            deadLetters = s.Backlog?.Aside.DeadLetters,
            strayRows = s.Backlog?.Aside.Stray,
            partitions = s.Backlog is null ? (int?)null : s.Partitions,
            partitionsAreChanging = s.Backlog is null ? (bool?)null : s.IsChanging,
            relays = s.Relays.Select(r => new { owner = r.Owner, partitions = r.Partitions }),
            gaps = s.Gaps.Select(g => new { consumer = g.Consumer, source = g.Source, key = g.Key, missing = g.Missing, sinceSeconds = Math.Round(g.Since.TotalSeconds, 1), messages = g.Waiting }),
            waiting = s.Blocked.Select(b => new { state = b.State, key = b.Key, type = b.Type, reason = b.Reason, since = b.Since, rows = b.Waiting }),
        }),
    };

    /// <summary>What does not flow by itself, and what to do about it.</summary>
    private static IEnumerable<string> Remarks(SourceStatus status, OutboxBacklog backlog)
    {
        var (name, aside) = (status.Source.Name, backlog.Aside);
        if (status.IsChanging)
            yield return $"{name}: its partitions are being changed: nothing is published meanwhile";
        if (status.Relays.Count == 0)
            yield return $"{name}: no relay is alive{(backlog.Rows > 0 ? ": nothing is published" : "")}. Start 'broker run' with this source, or a service with AddRelay().";
        else if (!status.IsChanging && Enumerable.Range(0, status.Partitions).Except(status.Relays.SelectMany(r => r.Partitions)).Count() is > 0 and var idle)
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: {idle} of {status.Partitions} partition(s) are held by no relay at this moment. One that has died keeps its partitions until its leases end.");
        foreach (var letter in status.Letters)
        {
            var what = letter is { Blocks: true, Key: { } key } ? $"key '{key}' waits since" : "set aside";
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: {what} {letter.FirstFailedAt:yyyy-MM-dd HH:mm} UTC: {(letter.Consumer is { } consumer ? $"consumer '{consumer}', " : "")}'{letter.Type}': {letter.Reason}");
        }
        foreach (var blocked in status.Blocked.Where(b => b.State != "dead-letter").Take(StatusReader.Named))
        {
            var what = blocked.State == "type" ? $"type '{blocked.Type}' waits" : blocked.Key is null ? $"a message of type '{blocked.Type}' is tried again" : $"key '{blocked.Key}' waits for '{blocked.Type}', which is tried again,";
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: {what} since {blocked.Since:yyyy-MM-dd HH:mm} UTC ({blocked.Waiting:N0} rows): {blocked.Reason}");
        }
        foreach (var gap in status.Gaps)
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: consumer '{gap.Consumer}', key '{gap.Key}' waits for number {gap.Missing} of source '{gap.Source}' since {gap.Since.TotalSeconds:N0} s ({gap.Waiting:N0} messages)");
        if (aside.DeadLetters > 0)
            yield return $"{name}: see 'broker dead-letters list --source {name}', then 'redrive' or 'discard'.";
        if (aside.Stray > 0)
            yield return $"{name}: {Counted(aside.Stray)} rows lie in partitions that nobody reads; its writers count wrongly. Mend them, then 'broker schema --source {name} --set-partitions' to another number and back moves the rows.";
    }

    private static Text Rate(double? rate) => Output.Cell(rate is { } number ? string.Create(CultureInfo.InvariantCulture, $"{number:N0}") : "");

    private static string Counted(long rows) => string.Create(CultureInfo.InvariantCulture, $"{rows:N0}{(rows >= OutboxAside.CountLimit ? "+" : "")}");
}
