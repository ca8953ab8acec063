using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Outbox;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker dead-letters</c>: lists, redrives and discards what the relay has set aside.</summary>
internal static class DeadLettersCommand
{
    private const int Shown = 100;
    private const int Wide = 4_000;

    private sealed record Options(Option<FileInfo?> Config, Option<string> Source, Option<long?> Id, Option<string?> Type, Option<string?> Key, Option<bool> All)
    {
        public RelayDeadLetters.Filter Filter(ParseResult parsed) => new(parsed.GetValue(Id), parsed.GetValue(Type), parsed.GetValue(Key));
    }

    public static Command Create()
    {
        var options = new Options(
            CommonOptions.Config(),
            new Option<string>("--source", "-s") { Description = "The source, by its name in the configuration.", HelpName = "name", Required = true },
            new Option<long?>("--id") { Description = "The one of this number.", HelpName = "number" },
            new Option<string?>("--type") { Description = "Those of a message type.", HelpName = "type" },
            new Option<string?>("--key") { Description = "Those of a partition key.", HelpName = "key" },
            new Option<bool>("--all") { Description = "All of the source." });
        var reason = new Option<string>("--reason") { Description = "Why. It is kept with the dead letter, with your name and the time.", HelpName = "text", Required = true };

        var list = With(new Command("list", "Show the messages that could not be published, with their reasons."), options, needsChoice: false);
        list.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, (letters, source) => ListAsync(letters, source, options.Filter(parsed), cancellationToken)));

        var redrive = With(new Command("redrive", "Put messages back into the outbox, those of blocked keys to their old places, and unblock their keys."), options, needsChoice: true);
        redrive.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, async (letters, source) => Report(await letters.RedriveAsync(options.Filter(parsed), cancellationToken), source, "back in the outbox")));

        var discard = With(new Command("discard", "Give messages up for good, and unblock their keys. They stay in dead_letters as 'discarded'."), options, needsChoice: true);
        discard.Add(reason);
        discard.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, async (letters, source) =>
        {
            var note = string.Create(CultureInfo.InvariantCulture, $"discarded by {Environment.UserName} on {Environment.MachineName} at {TimeProvider.System.GetUtcNow():u}: {parsed.GetValue(reason)}");
            return Report(await letters.DiscardAsync(options.Filter(parsed), note, cancellationToken), source, "discarded");
        }));
        return new Command("dead-letters", "List, redrive or discard the messages that the relay could not publish.") { list, redrive, discard };
    }

    private static Command With(Command command, Options options, bool needsChoice)
    {
        foreach (var option in (Option[])[options.Config, options.Source, options.Id, options.Type, options.Key])
            command.Add(option);
        if (!needsChoice)
            return command;
        command.Add(options.All);
        command.Validators.Add(result =>
        {
            var chosen = result.GetResult(options.Id) is not null || result.GetResult(options.Type) is not null || result.GetResult(options.Key) is not null;
            if (chosen == (result.GetResult(options.All) is not null))
                result.AddError("Say which dead letters: --id, --type and --key narrow the choice, or --all.");
        });
        return command;
    }

    private static Task<int> RunAsync(ParseResult parsed, Options options, Func<RelayDeadLetters, string, Task<int>> runAsync) => CommonOptions.GuardAsync(async () =>
    {
        var source = CommonOptions.SourceOf(BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(options.Config)), needsRabbitMq: false), parsed.GetValue(options.Source)!);
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using (var connection = await dataSource.OpenConnectionAsync())
            await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: true, CancellationToken.None);
        return await runAsync(new RelayDeadLetters(dataSource, source.Dialect), source.Name);
    });

    private static async Task<int> ListAsync(RelayDeadLetters letters, string source, RelayDeadLetters.Filter filter, CancellationToken cancellationToken)
    {
        var found = await letters.ListAsync(filter, 0, Shown + 1, cancellationToken);
        if (found.Count == 0)
        {
            Console.WriteLine($"Source '{source}': no dead letters.");
            return ExitCodes.Ok;
        }
        var table = new Table().Border(TableBorder.None).AddColumns("id", "since (UTC)", "attempts", "type", "key", "blocks its key", "reason");
        foreach (var letter in found.Take(Shown))
        {
            table.AddRow(
                new Text(letter.Id.ToString(CultureInfo.InvariantCulture)), new Text(letter.FirstFailedAt.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)),
                new Text(letter.Attempts.ToString(CultureInfo.InvariantCulture)), new Text(letter.Type), new Text(letter.Key ?? ""), new Text(letter.Blocks ? "yes" : "no"), new Text(letter.Reason));
        }
        // A program that reads the list wants whole lines.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = Wide;
        AnsiConsole.Write(table);
        if (found.Count > Shown)
            Console.WriteLine($"These are the first {Shown}. Narrow the choice with --type or --key.");
        return ExitCodes.Ok;
    }

    private static int Report(int count, string source, string what)
    {
        if (count == 0)
            throw new OutboxConfigurationException($"Source '{source}': no dead letter is meant by that. List them with 'broker dead-letters list --source {source}'.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Source '{source}': {count:N0} dead letter(s) {what}."));
        return ExitCodes.Ok;
    }
}
