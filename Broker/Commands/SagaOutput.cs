using System.Globalization;
using Broker.Relay;
using Spectre.Console;

namespace Broker.Commands;

/// <summary>What <c>broker sagas</c> writes.</summary>
internal static class SagaOutput
{
    public static void WriteList(string source, IReadOnlyList<SagaDesk.Standing> sagas, bool isMore, bool asJson)
    {
        var next = isMore ? SagaDesk.Place.Of(sagas[^1]).ToString() : null;
        if (asJson)
        {
            Output.WriteJson(new { source, sagas = sagas.Select(Json), next });
            return;
        }
        if (sagas.Count == 0)
        {
            Console.WriteLine($"Source '{source}': no saga is meant by that.");
            return;
        }
        var table = Output.Table("saga", "id", "status", "step", "operation", "|attempt", "changed (UTC)", "deadline (UTC)", "reason");
        foreach (var s in sagas)
        {
            table.AddRow(
                Output.Cell(s.Type), Output.Cell(s.Id), Output.Cell(s.Status), Output.Cell(s.Step), Output.Cell(s.Step is null ? null : s.Operation), Output.Cell(s.Attempt), Output.Cell(Output.Time(s.UpdatedAt)),
                Output.Cell(Output.Time(s.Deadline)), Output.Cell(s.Trouble ?? s.Reason));
        }
        Output.Write(table);
        if (next is not null)
            Console.WriteLine($"There are more: --before {next}");
    }

    public static void WriteDetail(string source, SagaDesk.Standing saga, IReadOnlyList<SagaDesk.Entry> history, bool asJson)
    {
        if (asJson)
        {
            Output.WriteJson(new { source, saga = Json(saga), history });
            return;
        }
        Console.WriteLine(Output.Safe($"{saga.Type} {saga.Id}: {saga.Status}{(saga.Step is null ? "" : $" at the {saga.Operation} of step '{saga.Step}', attempt {saga.Attempt.ToString(CultureInfo.InvariantCulture)}")}", keepsLines: false));
        foreach (var (name, value) in new[] { ("parked", saga.Trouble), ("reason", saga.Reason), ("deadline", saga.Deadline is { } deadline ? $"{Output.Time(deadline)} UTC" : null), ("state", saga.State) })
        {
            if (value is not null)
                Console.WriteLine(Output.Safe($"{name}: {value}", keepsLines: false));
        }
        var table = Output.Table("at (UTC)", "step", "operation", "event", "|attempt", "by", "reason", "message");
        foreach (var e in history)
            table.AddRow(Output.Cell(Output.Time(e.At)), Output.Cell(e.Step), Output.Cell(e.Operation), Output.Cell(e.Event), Output.Cell(e.Attempt > 0 ? e.Attempt.ToString(CultureInfo.InvariantCulture) : ""), Output.Cell(e.Actor), Output.Cell(e.Reason), Output.Cell(e.MessageId));
        Output.Write(table);
    }

    public static void WriteTold(string source, string type, string id, string what, bool asJson)
    {
        if (asJson)
            Output.WriteJson(new { source, saga = type, id, told = what });
        else
            Console.WriteLine($"Source '{source}': saga '{type}' {id} is told by a message to its service. See what becomes of it with 'broker sagas show {type} {id} --source {source}'.");
    }

    // Its state is the service's own JSON, as it is in the table.
    private static object Json(SagaDesk.Standing s) => new { saga = s.Type, s.Id, s.Status, s.Step, s.Operation, s.Attempt, s.GivenUp, s.Reason, s.Trouble, s.CreatedAt, s.UpdatedAt, s.Deadline, s.Version, s.State };
}
