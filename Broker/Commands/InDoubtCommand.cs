using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox;
using Outbox.TwoPhaseCommit;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker in-doubt</c>: lists, shows and decides transactions over several databases that have not ended.</summary>
internal static class InDoubtCommand
{
    public static Command Create() => new("in-doubt", "List, show or decide transactions over several databases whose branches wait for a decision, or disagree with it.") { List(), Show(), Decide(commit: true), Decide(commit: false), Restored() };

    private static Command List()
    {
        var (config, json) = (CommonOptions.Config(), CommonOptions.Json());
        var coordinator = new Option<string?>("--coordinator") { Description = "Those of one coordinator, by its name in the configuration.", HelpName = "name" };
        var list = new Command("list", "Show what has not ended: waiting has time, late is rolled back by recovery, finishing is decided, decision-lost waits for you, of-another belongs to a coordinator of the same name elsewhere, heuristic ended on both sides.") { config, coordinator, json };
        list.SetAction((parsed, cancellationToken) => WithCoordinatorsAsync(parsed.GetValue(config), parsed.GetValue(coordinator), async coordinations =>
        {
            var all = new List<(string Coordinator, InDoubtTransaction Transaction)>();
            var silent = new List<(string Coordinator, string Participant)>();
            foreach (var coordination in coordinations)
            {
                var (found, unreachable) = await new InDoubtDesk(coordination).ListAsync(cancellationToken);
                all.AddRange(found.Select(t => (coordination.Name, t)));
                silent.AddRange(unreachable.Select(p => (coordination.Name, p)));
            }
            foreach (var (name, participant) in silent)
                await Console.Error.WriteLineAsync($"broker: participant '{participant}' of coordinator '{name}' does not answer; what is prepared there is not shown.");
            if (parsed.GetValue(json))
                Output.WriteJson(new { transactions = all.Select(t => JsonOf(t.Transaction)), unreachable = silent.Select(s => s.Participant) });
            else if (all.Count == 0)
                Console.WriteLine("Nothing is in doubt.");
            else
                WriteList(all);
            return silent.Count == 0 ? ExitCodes.Ok : ExitCodes.Failed;
        }));
        return list;
    }

    private static Command Show()
    {
        var (config, json, id) = (CommonOptions.Config(), CommonOptions.Json(), Id());
        var show = new Command("show", "Show one transaction: its decision, and what each participant says of its branch now.") { id, config, json };
        show.SetAction((parsed, cancellationToken) => WithTransactionAsync(parsed.GetValue(config), parsed.GetValue(id)!, async (coordination, transaction) =>
        {
            var found = await new InDoubtDesk(coordination).ShowAsync(transaction, cancellationToken)
                ?? throw new OutboxConfigurationException($"Nobody knows of transaction {transaction}: it was rolled back before its decision, or is forgotten.");
            Write(found, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return show;
    }

    private static Command Decide(bool commit)
    {
        var (config, json, id) = (CommonOptions.Config(), CommonOptions.Json(), Id());
        var reason = new Option<string>("--reason") { Description = "Why. It is kept with the decision, with your name and the time.", HelpName = "text", Required = true };
        var decide = commit
            ? new Command("commit", "Decide that a transaction commits, in place of a coordinator that is lost, and finish its branches. A transaction that is decided stays as it is decided.") { id, config, reason, json }
            : new Command("rollback", "Decide that a transaction is rolled back, in place of a coordinator that is lost, and finish its branches. A transaction that is decided stays as it is decided.") { id, config, reason, json };
        decide.SetAction((parsed, cancellationToken) => WithTransactionAsync(parsed.GetValue(config), parsed.GetValue(id)!, async (coordination, transaction) =>
        {
            Write(await new InDoubtDesk(coordination).DecideAsync(transaction, commit, DeadLetterDesk.ThisUser, parsed.GetValue(reason)!, cancellationToken), parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return decide;
    }

    private static Command Restored()
    {
        var config = CommonOptions.Config();
        var coordinator = new Option<string>("--coordinator") { Description = "The coordinator, by its name in the configuration.", HelpName = "name", Required = true };
        var reason = new Option<string>("--reason") { Description = "What was restored, and to when. It is kept in transaction_coordinators.", HelpName = "text", Required = true };
        var restored = new Command("restored", "Say that the database of the decisions was restored from a backup, before its services and workers run again: what was prepared before is then not presumed to be rolled back.") { config, coordinator, reason };
        restored.SetAction((parsed, cancellationToken) => WithCoordinatorsAsync(parsed.GetValue(config), parsed.GetValue(coordinator), async coordinations =>
        {
            var coordination = coordinations.Single();
            await coordination.Store.RaiseIncarnationAsync(DeadLetterDesk.ThisUser, parsed.GetValue(reason)!, cancellationToken);
            var (_, incarnation, _) = await coordination.Store.LookAsync(cancellationToken);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Coordinator '{coordination.Name}' is in incarnation {incarnation} now."));
            return ExitCodes.Ok;
        }));
        return restored;
    }

    private static Argument<string> Id() => new("id") { Description = "The id of the transaction, as 'list' or the service's log tells it." };

    private static Task<int> WithTransactionAsync(FileInfo? config, string text, Func<Coordination, TransactionId, Task<int>> runAsync) => TransactionId.TryParse(text, out var id)
        ? WithCoordinatorsAsync(config, id.Coordinator, coordinations => runAsync(coordinations.Single(), id))
        : CommonOptions.GuardAsync(() => throw new OutboxConfigurationException($"'{text}' is no id of a transaction. It looks like '{TransactionId.Prefix}transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x'; 'broker in-doubt list' shows those there are."));

    private static Task<int> WithCoordinatorsAsync(FileInfo? config, string? name, Func<IReadOnlyList<Coordination>, Task<int>> runAsync) => CommonOptions.GuardAsync(async () =>
    {
        var settings = BrokerConfiguration.Read(BrokerConfiguration.Load(config), needsRabbitMq: false);
        if (settings.Coordinators.Count == 0)
            throw new OutboxConfigurationException("No coordinators are configured (Broker:Coordinators). Name those of the services, for example: { \"Broker\": { \"Coordinators\": { \"transfers\": { \"Participants\": \"ledger, warehouse\" } } } }");
        var chosen = settings.Coordinators.Where(c => name is null || c.Name == name).ToList();
        if (chosen.Count == 0)
            throw new OutboxConfigurationException($"Coordinator '{name}' is not configured. Configured are: {string.Join(", ", settings.Coordinators.Select(c => c.Name))}.");
        var sources = new Dictionary<string, DbDataSource>(StringComparer.Ordinal);
        try
        {
            return await RunAsync([.. chosen.Select(c => Coordinators.Build(c, participant => sources.TryGetValue(participant, out var known) ? known : sources[participant] = DataSourceOf(settings, participant), TimeProvider.System, NullLogger.Instance))]);
        }
        finally
        {
            foreach (var source in sources.Values)
                await source.DisposeAsync();
        }

        async Task<int> RunAsync(IReadOnlyList<Coordination> coordinations)
        {
            try
            {
                return await runAsync(coordinations);
            }
            catch (IOException exception)
            {
                throw new OutboxConfigurationException($"the decisions cannot be read: {exception.Message}", exception);
            }
        }
    });

    private static DbDataSource DataSourceOf(BrokerSettings settings, string name)
    {
        var source = CommonOptions.SourceOf(settings, name);
        return DataSources.Create(source.Dialect, source.ConnectionString);
    }

    private static void WriteList(IReadOnlyList<(string Coordinator, InDoubtTransaction Transaction)> transactions)
    {
        var table = Output.Table("transaction", "state", "decision", "deadline (UTC)", "branches", "reason");
        foreach (var (_, t) in transactions)
        {
            table.AddRow(
                Output.Cell(t.Id.ToString()), Output.Cell(t.State), Output.Cell(t.Decision?.Word ?? "none"), Output.Cell(Output.Time(t.Id.Deadline)),
                Output.Cell(string.Join(", ", t.Branches.Select(b => $"{b.Participant}: {b.State ?? "voted " + b.Vote}"))), Output.Cell(t.Decision?.Reason));
        }
        Output.Write(table);
    }

    private static void Write(InDoubtTransaction t, bool asJson)
    {
        if (asJson)
        {
            Output.WriteJson(JsonOf(t));
            return;
        }
        Console.WriteLine($"{t.Id}: {t.State}");
        Console.WriteLine(t.Decision is { } d ? $"decided: {d.Word} by {Output.Safe(d.DecidedBy, keepsLines: false)} at {Output.Time(d.DecidedAt)} UTC{(d.Reason is null ? "" : $": {Output.Safe(d.Reason, keepsLines: false)}")}" : $"not decided; its deadline is {Output.Time(t.Id.Deadline)} UTC");
        var table = Output.Table("participant", "vote", "evidence");
        foreach (var branch in t.Branches)
            table.AddRow(Output.Cell(branch.Participant), Output.Cell(branch.Vote ?? ""), Output.Cell(EvidenceOf(branch.State)));
        Output.Write(table);
    }

    private static string EvidenceOf(string? state) => state switch
    {
        Decision.Committed => "committed: its marker row is there",
        Decision.RolledBack => "not committed: no marker row, nothing prepared",
        TransactionRecovery.Prepared => "prepared: it holds its locks",
        _ => "its database does not answer",
    };

    private static object JsonOf(InDoubtTransaction t) => new
    {
        id = t.Id.ToString(),
        coordinator = t.Id.Coordinator,
        state = t.State,
        deadline = t.Id.Deadline,
        decision = t.Decision?.Word,
        decidedBy = t.Decision?.DecidedBy,
        decidedAt = t.Decision?.DecidedAt,
        reason = t.Decision?.Reason,
        branches = t.Branches.Select(b => new { participant = b.Participant, vote = b.Vote, state = b.State }),
    };
}
