using System.CommandLine;
using Broker.Relay;
using Outbox;

namespace Broker.Commands;

/// <summary><c>broker sagas</c>: lists and shows the sagas of a source's database, and ends those that are parked.</summary>
internal static class SagasCommand
{
    public static Command Create() => new("sagas", "List and show sagas, and mend those that are parked because an operation of theirs keeps failing.") { List(), Show(), Retry(), GiveUp() };

    private static Command List()
    {
        var (config, source, json, limit) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), CommonOptions.Limit());
        var type = new Option<string?>("--saga") { Description = "Those of one saga, by its name.", HelpName = "name" };
        var status = new Option<string?>("--status") { Description = "Those of one status: parked waits for a person, running and compensating go on by themselves, the others have ended.", HelpName = string.Join('|', SagaDesk.Statuses) };
        status.AcceptOnlyFromAmong([.. SagaDesk.Statuses]);
        var id = new Option<string?>("--id") { Description = "Those of one id.", HelpName = "id" };
        var before = new Option<string?>("--before") { Description = "Only those that were changed before this time (UTC), or so long ago (90m, 2h, 7d), or the place in the list that its last line names for the next page.", HelpName = "time|place" };
        var list = new Command("list", "Show the sagas of a source's database, the last changed first: where each stands, and why.") { config, source, type, status, id, limit, before, json };
        list.SetAction((parsed, cancellationToken) => RunAsync(parsed, config, source, async (desk, name) =>
        {
            var most = parsed.GetValue(limit);
            var place = SagaDesk.Place.Parse(parsed.GetValue(before)) ?? (CommonOptions.TimeOf(before, parsed.GetValue(before), TimeProvider.System) is { } time ? new SagaDesk.Place(time) : null);
            var found = await desk.ListAsync(new SagaDesk.Filter(parsed.GetValue(type), parsed.GetValue(status), parsed.GetValue(id)), place, most + 1, cancellationToken);
            SagaOutput.WriteList(name, [.. found.Take(most)], found.Count > most, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return list;
    }

    private static Command Show()
    {
        var (config, source, json, type, id) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), Saga(), Id());
        var show = new Command("show", "Show one saga and its history: what was sent, answered, refused, undone, and who did what by hand.") { type, id, config, source, json };
        show.SetAction((parsed, cancellationToken) => RunAsync(parsed, config, source, async (desk, name) =>
        {
            var saga = await desk.FindAsync(parsed.GetValue(type)!, parsed.GetValue(id)!, cancellationToken)
                ?? throw new OutboxConfigurationException($"Source '{name}' has no saga '{parsed.GetValue(type)}' {parsed.GetValue(id)}. List them with 'broker sagas list --source {name}'.");
            SagaOutput.WriteDetail(name, saga, await desk.HistoryAsync(saga.Type, saga.Id, cancellationToken), parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return show;
    }

    private static Command Retry()
    {
        var (config, source, json, type, id) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), Saga(), Id());
        var reason = new Option<string?>("--reason") { Description = "Why. It is kept in the saga's history, with your name and the time.", HelpName = "text" };
        var retry = new Command("retry", "Let a saga send once more what it stands at. A participant that has done it already does nothing twice.") { type, id, config, source, reason, json };
        retry.SetAction((parsed, cancellationToken) => RunAsync(parsed, config, source, async (desk, name) =>
        {
            await desk.RetryAsync(parsed.GetValue(type)!, parsed.GetValue(id)!, parsed.GetValue(reason), cancellationToken);
            SagaOutput.WriteTold(name, parsed.GetValue(type)!, parsed.GetValue(id)!, "retry", parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return retry;
    }

    private static Command GiveUp()
    {
        var (config, source, json, type, id) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), Saga(), Id());
        var reason = new Option<string>("--reason") { Description = "Why, and what was done instead. It is kept in the saga's history, with your name and the time.", HelpName = "text", Required = true };
        var giveUp = new Command("give-up", "Give up the operation at which a saga is parked: you have settled it in another way. What else is to be undone is undone, and the saga ends as failed.") { type, id, config, source, reason, json };
        giveUp.SetAction((parsed, cancellationToken) => RunAsync(parsed, config, source, async (desk, name) =>
        {
            await desk.GiveUpAsync(parsed.GetValue(type)!, parsed.GetValue(id)!, parsed.GetValue(reason)!, cancellationToken);
            SagaOutput.WriteTold(name, parsed.GetValue(type)!, parsed.GetValue(id)!, "give-up", parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return giveUp;
    }

    private static Argument<string> Saga() => new("saga") { Description = "The saga's name." };

    private static Argument<string> Id() => new("id") { Description = "Its id." };

    private static Task<int> RunAsync(ParseResult parsed, Option<FileInfo?> config, Option<string> source, Func<SagaDesk, string, Task<int>> runAsync) => CommonOptions.WithSourceAsync(
        parsed.GetValue(config), parsed.GetValue(source)!, (settings, dataSource) => runAsync(new SagaDesk(dataSource, settings.Dialect, DeadLetterDesk.ThisUser), settings.Name));
}
