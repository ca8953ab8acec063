using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker deferred</c>: lists what consumers try again.</summary>
internal static class DeferredCommand
{
    public static Command Create()
    {
        var (config, source, json, limit, after) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), CommonOptions.Limit(), CommonOptions.After());
        var consumer = new Option<string?>("--consumer") { Description = "Those of a consumer of this database.", HelpName = "name" };
        var state = new Option<string?>("--state") { Description = "Those of one state: failed is tried again, behind waits for an earlier one of its key, gap for a number of its key that has not come, dead is the place of a dead letter.", HelpName = "failed|behind|gap|dead" };
        state.AcceptOnlyFromAmong("failed", "behind", "gap", "dead");
        var type = new Option<string?>("--type") { Description = "Those of a message type.", HelpName = "type" };
        var key = new Option<string?>("--key") { Description = "Those of a partition key.", HelpName = "key" };
        var list = new Command("list", "Show the messages that consumers of a source's database have deferred, the oldest first: how often they failed, why, and when they are tried again.") { config, source, consumer, state, type, key, limit, after, json };
        list.SetAction((parsed, cancellationToken) => CommonOptions.WithSourceAsync(parsed.GetValue(config), parsed.GetValue(source)!, async (settings, dataSource) =>
        {
            var filter = new DeferredDesk.Filter(parsed.GetValue(consumer), parsed.GetValue(state), parsed.GetValue(type), parsed.GetValue(key));
            var most = parsed.GetValue(limit);
            var found = await new DeferredDesk(dataSource, settings.Dialect).ListAsync(filter, parsed.GetValue(after), most + 1, before: false, cancellationToken);
            Write(settings.Name, [.. found.Take(most)], found.Count > most, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return new Command("deferred", "Show what consumers have deferred and will try again by themselves.") { list };
    }

    private static void Write(string source, IReadOnlyList<DeferredDesk.Message> messages, bool isMore, bool asJson)
    {
        long? next = isMore ? messages[^1].Id : null;
        if (asJson)
        {
            Output.WriteJson(new { source, deferred = messages, next });
            return;
        }
        if (messages.Count == 0)
        {
            Console.WriteLine($"Source '{source}': nothing is deferred.");
            return;
        }
        var table = Output.Table("|id", "consumer", "state", "|attempts", "since (UTC)", "next attempt (UTC)", "type", "key", "message", "reason");
        foreach (var m in messages)
        {
            table.AddRow(
                Output.Cell(m.Id.ToString(CultureInfo.InvariantCulture)), Output.Cell(m.Consumer), Output.Cell(m.State), Output.Cell(m.Attempts), Output.Cell(Output.Time(m.DeferredAt)),
                Output.Cell(Output.Time(m.NextAttemptAt)), Output.Cell(m.Type), Output.Cell(m.Key), Output.Cell(m.MessageId), Output.Cell(m.Reason));
        }
        Output.Write(table);
        if (next is not null)
            Console.WriteLine($"There are more: --after {next}");
    }
}
