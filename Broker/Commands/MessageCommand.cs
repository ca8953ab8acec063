using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker message</c>: the life of one message across all databases.</summary>
internal static class MessageCommand
{
    public static Command Create()
    {
        var (config, json) = (CommonOptions.Config(), CommonOptions.Json());
        var id = new Argument<Guid>("id") { Description = "The message id." };
        var command = new Command("message", "Show the life of one message: when it was written, published and applied, by whom, what is deferred or dead, and what operators did. Asks the databases of all sources; one that is away is named, and the exit code is 1.") { id, config, json };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var settings = BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(config)), needsRabbitMq: false);
            var databases = settings.Sources.Select(s => new MessageLifeReader.Database(s.Name, s.Dialect, DataSources.Create(s.Dialect, s.ConnectionString))).ToList();
            MessageLife life;
            try
            {
                life = await new MessageLifeReader(databases, TimeProvider.System).ReadAsync(parsed.GetValue(id), cancellationToken);
            }
            finally
            {
                foreach (var database in databases)
                    await database.DataSource.DisposeAsync();
            }
            if (parsed.GetValue(json))
                Output.WriteJson(life);
            else
                await WriteAsync(life);
            return life.Steps.Count > 0 && life.Sources.All(s => s.Trouble is null) ? ExitCodes.Ok : ExitCodes.Failed;
        }));
        return command;
    }

    private static async Task WriteAsync(MessageLife life)
    {
        if (life.Steps.Count > 0)
        {
            Console.WriteLine(Output.Safe($"{life.MessageId}  {life.Type}{(life.Key is { } key ? $"  key '{key}'" : "")}", keepsLines: false));
            var table = Output.Table("time (UTC)", "|after", "source", "what", "");
            var first = life.Steps[0].At;
            foreach (var step in life.Steps)
            {
                table.AddRow(
                    Output.Cell(step.At.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture)), Output.Cell(step == life.Steps[0] ? "" : After(step.At - first)), Output.Cell(step.Source),
                    Output.Cell(What(step)), Output.Cell(string.Join(", ", More(step))));
            }
            Output.Write(table);
        }
        foreach (var source in life.Sources)
        {
            if (source.Trouble is { } trouble)
                await Console.Error.WriteLineAsync($"broker: source '{source.Source}' could not be asked: {Output.Safe(trouble, keepsLines: false)}");
            if (source.IsCutShort)
                Console.WriteLine($"Source '{source.Source}' has so large a backlog that only its oldest rows were looked through: the message may wait behind them.");
        }
        if (life.Steps.Count == 0)
            await Console.Error.WriteLineAsync($"broker: no source that answered knows message {life.MessageId}. It was never committed; or it was published without Relay:Archive and nobody has applied it yet; or it is older than the retention.");
    }

    private static string After(TimeSpan time) => time.TotalSeconds switch
    {
        < 10 => string.Create(CultureInfo.InvariantCulture, $"+{time.TotalMilliseconds:0} ms"),
        < 600 => string.Create(CultureInfo.InvariantCulture, $"+{time.TotalSeconds:0.0} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"+{time:d\\.hh\\:mm\\:ss}"),
    };

    private static string What(MessageStep step) => step switch
    {
        { Kind: MessageStepKind.Applied } => $"{step.Consumer} applied",
        { Kind: MessageStepKind.Deferred, State: "behind" } => $"{step.Consumer}: waits behind another of its key",
        { Kind: MessageStepKind.Deferred, State: "gap" } => $"{step.Consumer}: waits for an earlier number of its key",
        { Kind: MessageStepKind.Deferred, State: "dead" } => $"{step.Consumer}: its place is kept for the dead letter",
        { Kind: MessageStepKind.Deferred } => $"{step.Consumer}: deferred",
        { Kind: MessageStepKind.DeadLetter } => $"{step.Consumer ?? "relay"}: dead letter {step.DeadLetterId}, {step.State}",
        { Kind: MessageStepKind.Receipt } => $"receipt: {step.Consumer} {step.State}",
        { Kind: MessageStepKind.Action } => $"{step.Consumer ?? "relay"}: dead letter {step.DeadLetterId} {step.State}",
        { Kind: MessageStepKind.Waiting } => "waits in the outbox",
        { Kind: MessageStepKind.Scheduled } => "scheduled",
        _ => step.Kind.ToString().ToLowerInvariant(),
    };

    private static IEnumerable<string> More(MessageStep step)
    {
        if (step is { Partition: { } partition, Sequence: { } sequence } && step.Kind is MessageStepKind.Written or MessageStepKind.Waiting or MessageStepKind.Scheduled)
            yield return string.Create(CultureInfo.InvariantCulture, $"partition {partition}, sequence {sequence}");
        if (step.Attempts is { } attempts)
            yield return string.Create(CultureInfo.InvariantCulture, $"attempt {attempts}");
        if (step.Actor is { } actor)
            yield return $"by {actor}";
        if (step.Operation is { } operation)
            yield return operation;
        if (step.Reason is { } reason)
            yield return $"\"{reason}\"";
        if (step.NextAttemptAt is { } next)
            yield return $"{(step.Kind == MessageStepKind.Deferred ? "next attempt" : "due")} {Output.Time(next)}";
    }
}
